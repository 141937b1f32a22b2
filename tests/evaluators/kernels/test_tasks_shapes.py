"""Shapes of the kernel problems: what a block holds, drawn from its seed, without torch."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise

import pytest

from evaluators.kernels.task import KernelWorkload
from evaluators.kernels.tasks import moe_combine, topk_gating
from evaluators.kernels.tasks.moe_combine import MoeCombine
from evaluators.kernels.tasks.sizes import about, case_seed, draw_seed, random_of
from evaluators.kernels.tasks.topk_gating import TopkGating
from evaluators.model import Split

SEED, OTHER = bytes(range(32)), bytes(32)
MOST_BYTES = 1.2e9
TASKS = (TopkGating(), MoeCombine())
LAWS = {"topk_gating": topk_gating.LAWS, "moe_combine": moe_combine.LAWS}
each_task = pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
each_split = pytest.mark.parametrize("split", Split)


def moved_bytes(workload: KernelWorkload) -> int:
    call = workload.timed.call
    return sum(form.bytes for form in (*call.tensors.values(), *call.outputs))


def test_shapes_are_listed_without_torch() -> None:
    program = (
        "import sys\n"
        "from evaluators.model import Split; from evaluators.kernels.tasks import moe_combine, topk_gating; "
        "topk_gating.TopkGating().workloads(Split.TRAIN, b''), moe_combine.MoeCombine().workloads(Split.HIDDEN, b''); "
        "assert not {'torch', 'triton'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


@each_split
@each_task
def test_a_block_is_a_function_of_its_seed(task: TopkGating | MoeCombine, split: Split) -> None:
    first = task.workloads(split, SEED)
    assert first == task.workloads(split, SEED)
    assert [w.name for w in first] != [w.name for w in task.workloads(split, OTHER)]
    seeds = [case.seed for w in first for case in (w.timed, *w.checked)]
    others = [case.seed for w in task.workloads(split, OTHER) for case in (w.timed, *w.checked)]
    assert not set(seeds) & set(others)
    assert len(set(seeds)) >= len(seeds) - 2, "a case that comes twice in a block may have one seed, others not"


@each_split
@each_task
def test_a_block_has_distinct_shapes_from_small_to_large(task: TopkGating | MoeCombine, split: Split) -> None:
    for seed in (SEED, OTHER, b"x" * 32):
        workloads = task.workloads(split, seed)
        assert 5 <= len({w.name for w in workloads}) == len(workloads) <= 6
        sizes = [moved_bytes(w) for w in workloads]
        assert sizes[0] == min(sizes)
        assert sizes[-1] == max(sizes) <= MOST_BYTES
        assert all(large > 0.6 * small for small, large in pairwise(sizes))
        for workload in workloads:
            forms: dict[str, object] = {}
            for case in (workload.timed, *workload.checked):
                assert forms.setdefault(case.call.name, case.call) == case.call, "one name, one call"


@each_task
def test_train_keeps_the_shapes_whose_times_are_published(task: TopkGating | MoeCombine) -> None:
    anchors = {
        "topk_gating": {"T=32768 E=128 k=8", "T=256 E=128 k=8"},
        "moe_combine": {"T=4096 H=4096 k=8"},
    }[task.name]
    for seed in (SEED, OTHER):
        assert anchors <= {w.name for w in task.workloads(Split.TRAIN, seed)}


@each_split
@each_task
def test_edges_and_every_law_are_checked_in_every_block(task: TopkGating | MoeCombine, split: Split) -> None:
    cases = [case for w in task.workloads(split, SEED) for case in w.checked]
    tokens = {case.call.outputs[0].shape[0] for case in cases}
    assert {0, 1} <= tokens
    assert any(count % 2 and count > 1 for count in tokens)
    assert {case.law for case in cases} == set(LAWS[task.name])
    widths = {case.call.outputs[0].shape[1] for case in cases}
    assert len(widths) >= 3


@each_split
@each_task
def test_the_timed_size_is_checked_on_other_contents_than_the_timed(
    task: TopkGating | MoeCombine, split: Split
) -> None:
    for workload in task.workloads(split, SEED):
        laws = {case.law for case in workload.checked if case.call == workload.timed.call}
        assert laws - {workload.timed.law}


def test_gating_meets_experts_that_are_no_power_of_two_and_all_of_them_chosen() -> None:
    shapes = [c.call for w in TopkGating().workloads(Split.TRAIN, SEED) for c in w.checked]
    pairs = {(call.tensors["logits"].shape[1], int(call.scalars["k"])) for call in shapes}
    assert any(experts & (experts - 1) for experts, _ in pairs)
    assert any(experts == k for experts, k in pairs)
    assert all(k <= experts for experts, k in pairs)


def test_hidden_shapes_are_of_other_models() -> None:
    def gating(split: Split) -> set[tuple[int, int]]:
        calls = [w.timed.call for w in TopkGating().workloads(split, SEED)]
        return {(call.tensors["logits"].shape[1], int(call.scalars["k"])) for call in calls}

    def combine(split: Split) -> set[tuple[int, int]]:
        calls = [w.timed.call for w in MoeCombine().workloads(split, SEED)]
        return {(call.outputs[0].shape[1], call.tensors["row_of"].shape[1]) for call in calls}

    for pairs in (gating, combine):
        seen = pairs(Split.TRAIN) | pairs(Split.VALIDATION)
        assert len(pairs(Split.HIDDEN) - seen) >= 3


def test_traffic_counts_every_byte_once() -> None:
    task = TopkGating()
    (case,) = [w.timed for w in task.workloads(Split.TRAIN, SEED) if w.name == "T=32768 E=128 k=8"]
    traffic = task.traffic(case, {})
    assert (traffic.read_bytes, traffic.written_bytes) == (32768 * 128 * 2, 32768 * 8 * 8)
    assert traffic.flops == 2 * 32768 * 128


def test_a_jittered_size_stays_within_an_eighth_and_moves() -> None:
    drawn = {about(8000).draw(random_of(SEED, str(number))) for number in range(200)}
    assert min(drawn) >= 7000
    assert max(drawn) <= 9000
    assert len(drawn) > 100


def test_seeds_of_draws_and_cases_do_not_collide() -> None:
    seeds = {draw_seed(seed, number) for seed in range(50) for number in range(50)}
    assert len(seeds) == 2500
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert case_seed(SEED, "a") != case_seed(SEED, "b") != case_seed(OTHER, "b")
