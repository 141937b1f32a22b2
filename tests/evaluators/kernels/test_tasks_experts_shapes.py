"""The fused experts without their contents: shapes by split, floor, cuts for slow tiers, columns, seeds."""

from __future__ import annotations

import subprocess
import sys
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from evaluators.kernels.auditing import SANITIZED_BYTES
from evaluators.kernels.floor import GpuFacts, peak_bandwidth, peak_flops, roofline_seconds
from evaluators.kernels.interpreting import small
from evaluators.kernels.suites import moe_decode, moe_prefill
from evaluators.kernels.task import Case, KernelWorkload
from evaluators.kernels.tasks.experts import FusedExperts
from evaluators.kernels.tasks.experts_shapes import LAWS, MIXTRAL_TP8, OLMOE, QWEN3_30B, Layer
from evaluators.kernels.tasks.moe_decode import moe_decode_task
from evaluators.kernels.tasks.moe_prefill import moe_prefill_task
from evaluators.model import Split
from evaluators.problem import ProblemError

if TYPE_CHECKING:
    from collections.abc import Iterator

SEED, OTHER = bytes(range(32)), bytes(32)
TASKS = (moe_decode_task(), moe_prefill_task())
MOST_TOKENS = {"moe_decode": 256, "moe_prefill": 16384}
MOST_BYTES = 1.7e9
each_task = pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
each_split = pytest.mark.parametrize("split", Split)


@pytest.fixture
def one_thread() -> Iterator[None]:
    torch = pytest.importorskip("torch")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def layer_of(case: Case) -> Layer:
    experts, hidden, inner = case.call.tensors["w2"].shape
    return Layer(hidden=hidden, inner=inner, experts=experts, k=case.call.tensors["ids"].shape[1])


def layers(task: FusedExperts, split: Split) -> set[Layer]:
    return {layer_of(workload.timed) for workload in task.workloads(split, SEED)}


def cases(workload: KernelWorkload) -> list[Case]:
    return [workload.timed, *workload.checked]


def test_shapes_are_listed_without_torch() -> None:
    program = (
        "import sys\n"
        "from evaluators.model import Split\n"
        "from evaluators.kernels.suites import moe_decode, moe_prefill\n"
        "for suite in (moe_decode, moe_prefill): suite.make_problem('generated').digest\n"
        "assert not {'torch', 'triton'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


@each_split
@each_task
def test_a_block_is_a_function_of_its_seed(task: FusedExperts, split: Split) -> None:
    first = task.workloads(split, SEED)
    assert first == task.workloads(split, SEED)
    assert len({workload.name for workload in first}) == len(first) == 6
    assert [w.name for w in first] != [w.name for w in task.workloads(split, OTHER)]
    seeds = {case.seed for workload in first for case in cases(workload)}
    assert not seeds & {case.seed for w in task.workloads(split, OTHER) for case in cases(w)}


@each_split
@each_task
def test_every_call_keeps_to_the_contract(task: FusedExperts, split: Split) -> None:
    for seed in (SEED, OTHER):
        for workload in task.workloads(split, seed):
            forms: dict[str, object] = {}
            for case in cases(workload):
                assert forms.setdefault(case.call.name, case.call) == case.call, "one name, one call"
                layer = layer_of(case)
                assert layer.hidden % 64 == layer.inner % 64 == 0
                assert 1 <= layer.k <= min(8, layer.experts) <= layer.experts <= 256
                assert sum(form.bytes for form in case.call.tensors.values()) < MOST_BYTES
            tokens = workload.timed.call.outputs[0].shape[0]
            assert 1 <= tokens <= MOST_TOKENS[task.name]


@each_split
@each_task
def test_edges_and_every_law_are_checked_in_every_block(task: FusedExperts, split: Split) -> None:
    blocks = task.workloads(split, SEED)
    checked = list(chain.from_iterable(workload.checked for workload in blocks))
    tokens = {case.call.outputs[0].shape[0] for case in checked}
    assert {0, 1} <= tokens
    assert any(count % 2 and count > 1 for count in tokens)
    assert {case.law for case in checked} == set(LAWS)
    found = {layer_of(case) for case in checked}
    assert any(layer.experts == 1 for layer in found)
    assert any(layer.hidden % 128 and layer.inner % 128 for layer in found)
    for workload in blocks:
        others = {case.law for case in workload.checked if case.call == workload.timed.call}
        assert len(others - {workload.timed.law}) >= 2
    assert len({case.call.name for case in checked}) <= 10, "each call is compiled anew"
    small_ones = [case for case in checked if sum(form.bytes for form in case.call.tensors.values()) < SANITIZED_BYTES]
    assert len(small_ones) >= 4, "the sanitizer runs calls that are not larger"


@each_task
def test_hidden_shapes_are_of_other_models_and_other_routing(task: FusedExperts) -> None:
    seen = layers(task, Split.TRAIN) | layers(task, Split.VALIDATION)
    assert seen == {QWEN3_30B, OLMOE, MIXTRAL_TP8}
    assert not layers(task, Split.HIDDEN) & seen
    assert len(layers(task, Split.HIDDEN)) >= 5

    def laws(split: Split) -> set[str]:
        return {workload.timed.law for workload in task.workloads(split, SEED)}

    assert laws(Split.TRAIN) == laws(Split.VALIDATION) == {"uniform", "zipf"}
    assert not laws(Split.HIDDEN) & laws(Split.TRAIN)


def test_train_keeps_shapes_whose_times_are_published() -> None:
    for seed in (SEED, OTHER):
        decode, prefill = ({w.name for w in task.workloads(Split.TRAIN, seed)} for task in TASKS)
        assert {f"T={tokens} H=2048 I=768 E=128 k=8" for tokens in (1, 64)} <= decode
        assert "T=8 H=2048 I=1024 E=64 k=8" in decode
        assert {"T=1024 H=4096 I=1792 E=8 k=2", "T=4096 H=2048 I=768 E=128 k=8"} <= prefill


@pytest.mark.usefixtures("one_thread")
def test_the_floor_counts_what_the_contents_use() -> None:
    task, layer = TASKS[0], Layer(hidden=128, inner=64, experts=8, k=2)

    def traffic(law: str, tokens: int) -> tuple[int, int, float, str]:
        case = Case(call=task.call(tokens, layer), law=law, seed=1)
        contents = task.contents(case, 0, "cpu")
        used = len(set(contents["ids"][contents["weights"] != 0].tolist()))
        found = task.traffic(case, contents)
        expert = 3 * 64 * 128 * 2
        rows = int((contents["weights"] != 0).any(dim=1).sum())
        assert found.read_bytes == used * expert + rows * 256 + tokens * 2 * 8
        return used, found.written_bytes, found.flops, found.rate

    assert traffic("few", 40) == (2, 40 * 256, 6.0 * 80 * 128 * 64, "bf16")
    assert traffic("uniform", 1)[0] == 2
    assert traffic("uniform", 0) == (0, 0, 0.0, "bf16")
    assert traffic("one_hot", 40)[2] == 6.0 * 40 * 128 * 64
    assert traffic("zeros", 40)[2] < 6.0 * 80 * 128 * 64


@pytest.mark.usefixtures("one_thread")
def test_the_floor_on_an_h200_is_that_of_its_data_sheet() -> None:
    import torch

    bf16, fp32 = peak_flops(90, 132, 1_830_000)
    facts = GpuFacts(
        name="H200", architecture=90, sms=132, l2_bytes=62_914_560, memory_bytes=0, shared_bytes=0,
        bandwidth=peak_bandwidth(3_201_000, 6144), bf16_flops=bf16, fp32_flops=fp32, driver="", cuda="", torch="",
        triton="",
    )  # fmt: skip

    def microseconds(task: FusedExperts, tokens: int, layer: Layer, ids: torch.Tensor) -> float:
        case = Case(call=task.call(tokens, layer), law="uniform", seed=1)
        contents = {"ids": ids.to(torch.int32), "weights": torch.ones(ids.shape)}
        return 1e6 * roofline_seconds(task.traffic(case, contents), facts)

    decode, prefill = TASKS
    assert microseconds(decode, 1, QWEN3_30B, torch.arange(8)[None]) == pytest.approx(75.5e6 / 4.917e12 * 1e6, rel=1e-3)
    many = torch.arange(4096 * 8).view(4096, 8) % 128
    # Published for 989 TFLOP/s: 312.7 us.
    assert microseconds(prefill, 4096, QWEN3_30B, many) == pytest.approx(312.7, rel=0.01)


@each_split
@each_task
def test_cuts_keep_what_matters_and_are_small(task: FusedExperts, split: Split) -> None:
    for workload in task.workloads(split, SEED):
        for case in cases(workload):
            cut = small(task, case)
            before, after = layer_of(case), layer_of(cut)
            assert (cut.law, cut.seed) == (case.law, case.seed)
            assert sum(form.bytes for form in cut.call.tensors.values()) < 1 << 20
            tokens = cut.call.outputs[0].shape[0]
            assert min(4, case.call.outputs[0].shape[0]) <= tokens <= case.call.outputs[0].shape[0]
            assert after.k == min(before.k, 3)
            assert after.experts == min(before.experts, 5)
            assert after.hidden % 64 == after.inner % 64 == 0
            assert bool(after.hidden % 128) == bool(before.hidden % 128) or before.hidden == 64
            assert cut == case or "cut from" in cut.call.name


@pytest.mark.usefixtures("one_thread")
def test_columns_are_right_where_they_are_and_else_have_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = TASKS[0]
    columns, missing = task.columns(), task.missing_columns()
    assert {"eager", "compiled"} <= set(columns)
    assert {"loop", "triton_kernels", "vllm"} <= set(columns) | set(missing)
    assert not set(columns) & set(missing)
    assert all(reason and "\n" not in reason for reason in missing.values())
    for law in ("zipf", "few", "zeros"):
        case = Case(call=task.call(33, Layer(hidden=128, inner=64, experts=8, k=3)), law=law, seed=2)
        contents = task.contents(case, 0, "cpu")
        outputs = columns["eager"](case, contents)
        assert task.fault(case, contents, task.truth(case, contents), outputs, frozenset()) is None

    folder = tmp_path / "vllm"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "fused_moe.py" in task.missing_columns()["vllm"]
    inside = folder / "model_executor" / "layers" / "fused_moe"
    inside.mkdir(parents=True)
    (inside / "fused_moe.py").write_text(
        "def fused_experts(hidden_states, w1, w2, topk_weights, topk_ids):\n    return hidden_states + len(w1)\n"
    )
    assert "vllm" not in task.missing_columns()
    (output,) = task.columns()["vllm"](case, contents)
    assert bool((output == contents["x"] + 8).all())
    for name in [name for name in sys.modules if name == "vllm" or name.startswith("vllm.")]:
        monkeypatch.delitem(sys.modules, name)


@pytest.mark.gpu
@each_task
def test_columns_are_right_on_the_gpu(task: FusedExperts) -> None:
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA GPU: torch sees none")
    for law in ("zipf", "few"):
        case = Case(call=task.call(200, OLMOE), law=law, seed=4)
        contents = task.contents(case, 0, "cuda")
        truth = task.truth(case, contents)
        for name, column in task.columns().items():
            outputs = column(case, contents)
            assert task.fault(case, contents, truth, outputs, frozenset()) is None, name


@pytest.mark.parametrize("suite", [moe_decode, moe_prefill], ids=lambda suite: suite.FACTS.name)
def test_the_problem_holds_together(suite: object) -> None:
    problem = suite.make_problem("generated")  # type: ignore[attr-defined]
    assert {"naive", "decent"} <= {seed.name for seed in problem.seeds}
    assert problem.declaration.entry == problem.declaration.name
    assert f"def {problem.declaration.entry}(" in problem.statement
    assert problem.digest == suite.make_problem("generated").digest  # type: ignore[attr-defined]
    with pytest.raises(ProblemError):
        suite.make_problem("traces")  # type: ignore[attr-defined]
