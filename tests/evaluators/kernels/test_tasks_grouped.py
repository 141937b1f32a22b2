"""Grouped gating: contents, what honest float32 programs may do, what is refused; the seeds."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

import seeds  # noqa: E402 - torch is optional
from evaluators.kernels.floor import GpuFacts, roofline_seconds  # noqa: E402
from evaluators.kernels.interpreting import MOST_ROWS, shrunk  # noqa: E402
from evaluators.kernels.screen import screen_kernel  # noqa: E402
from evaluators.kernels.suites.topk_gating_grouped import make_problem  # noqa: E402
from evaluators.kernels.task import Case, Fault  # noqa: E402
from evaluators.kernels.tasks.grouped_judge import CHECKS  # noqa: E402
from evaluators.kernels.tasks.topk_gating_grouped import GROUPS, LAWS, TIMED_LAWS, TopkGatingGrouped  # noqa: E402
from evaluators.model import Split  # noqa: E402
from evaluators.problem import ProblemError  # noqa: E402
from evolve.proposers.tuner.marks import faults, read_marks  # noqa: E402

TASK = TopkGatingGrouped()
NOTHING: frozenset[str] = frozenset()
FOLDER = seeds.ROOT / "topk_gating_grouped"
SOURCES = {seed.name: seed.source for seed in seeds.read_seeds(FOLDER)}
each_law = pytest.mark.parametrize("law", LAWS)
each_split = pytest.mark.parametrize("split", Split)
each_seed = pytest.mark.parametrize("name", list(SOURCES))
Program = Callable[..., Any]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Threads that wait for each other take seconds where processors are busy."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def a_case(
    law: str, tokens: int = 77, experts: int = 256, k: int = 8, *, seed: int = 1, dtype: str = "bfloat16"
) -> Case:
    return Case(call=TASK.call(tokens, experts, k, dtype), law=law, seed=seed)


def judge(case: Case, program: Program, off: frozenset[str] = NOTHING) -> Fault | None:
    contents = TASK.contents(case, 0, "cpu")
    outputs = program(**contents, **case.call.scalars)
    for output, form in zip(outputs, case.call.outputs, strict=True):
        assert (tuple(output.shape), str(output.dtype)) == (form.shape, f"torch.{form.dtype}")
    return TASK.fault(case, contents, TASK.truth(case, contents), outputs, off)


def chosen_of(biased: Any, k: int, groups: int, top_groups: int, *, best: int = 2, fill: float = -torch.inf) -> Any:
    """Ids by the rule, or by a rule like it."""
    tokens, experts = biased.shape
    by_group = biased.view(tokens, groups, experts // groups)
    kept = by_group.topk(best, dim=2).values.sum(dim=2).topk(top_groups, dim=1).indices
    shut = torch.ones((tokens, groups), dtype=torch.bool).scatter(1, kept, value=False)
    return by_group.masked_fill(shut[:, :, None], fill).view(tokens, experts).topk(k, dim=1).indices


def weighted(scores: Any, ids: Any) -> Any:
    chosen = scores.gather(1, ids)
    return chosen / chosen.sum(dim=1, keepdim=True), ids.int()


def eager(logits: Any, bias: Any, k: int, groups: int, top_groups: int) -> Any:
    scores = torch.sigmoid(logits.float())
    return weighted(scores, chosen_of(scores + bias, k, groups, top_groups))


def by_powers_of_two(logits: Any, bias: Any, k: int, groups: int, top_groups: int) -> Any:
    """As a kernel may: exp2, the last of tied experts and groups first, in no order."""
    scores = 1 / (1 + torch.exp2(logits.float() * -1.4426950408889634))
    flipped = chosen_of((scores + bias).flip(1), k, groups, top_groups)
    ids = (logits.shape[1] - 1 - flipped).flip(1)
    return weighted(scores, ids)


def two_units_off(logits: Any, bias: Any, k: int, groups: int, top_groups: int) -> Any:
    """As the hardware's exponential and division may be: two units in the last place, either way."""

    def rough(values: Any, seed: int) -> Any:
        noise = torch.randint(-2, 3, values.shape, generator=torch.Generator().manual_seed(seed))
        return (values.double() * (1 + noise * 2.0**-24)).float()

    scores = rough(torch.sigmoid(logits.float()), 3)
    weights, ids = weighted(scores, chosen_of(scores + bias, k, groups, top_groups))
    return rough(weights, 4), ids


def loop(logits: Any, bias: Any, k: int, groups: int, top_groups: int) -> Any:
    """Row by row in Python's own float64, from the definition."""
    size = logits.shape[1] // groups
    weights, ids = torch.zeros((len(logits), k)), torch.zeros((len(logits), k), dtype=torch.int32)
    for row, values in enumerate(torch.sigmoid(logits.double()).tolist()):
        biased = [value + add for value, add in zip(values, bias.double().tolist(), strict=True)]
        score = [sum(sorted(biased[at : at + size])[-2:]) for at in range(0, len(biased), size)]
        kept = sorted(range(groups), key=lambda group: -score[group])[:top_groups]
        experts = [at for group in kept for at in range(group * size, group * size + size)]
        named = sorted(experts, key=lambda at: -biased[at])[:k]
        total = sum(values[at] for at in named)
        ids[row] = torch.tensor(named)
        weights[row] = torch.tensor([values[at] / total for at in named])
    return weights, ids


@pytest.mark.parametrize("program", [eager, by_powers_of_two, two_units_off])
@each_law
def test_honest_float32_programs_pass(law: str, program: Program) -> None:
    for seed in range(2):
        for experts, k in GROUPS:
            for tokens in (31, 1):
                assert judge(a_case(law, tokens, experts, k, seed=seed), program) is None
        assert judge(a_case(law, 0, seed=seed), program) is None


@each_law
def test_reference_is_that_of_the_definition(law: str) -> None:
    for experts, k in ((256, 8), (60, 4), (8, 8), (384, 8)):
        assert judge(a_case(law, 15, experts, k), loop) is None


@each_law
def test_contents_are_of_the_declared_forms_and_fresh(law: str) -> None:
    case = a_case(law)
    contents = TASK.contents(case, 0, "cpu")
    assert list(contents) == list(case.call.tensors) == list(TASK.parameters[:2])
    for name, form in case.call.tensors.items():
        tensor = contents[name]
        assert (str(tensor.dtype), tuple(tensor.shape)) == (f"torch.{form.dtype}", form.shape)
        assert tensor.is_contiguous()
        assert float(tensor.abs().max()) <= {"logits": 24.0, "bias": 8.0}[name]
    again, other = TASK.contents(case, 0, "cpu"), TASK.contents(case, 1, "cpu")
    assert all(torch.equal(contents[name], again[name]) for name in contents)
    assert not torch.equal(contents["logits"], other["logits"])
    wide = TASK.contents(a_case(law, dtype="float32"), 0, "cpu")
    assert torch.equal(wide["logits"], contents["logits"].float())


def test_laws_hold_what_they_promise() -> None:
    def of(law: str) -> tuple[Any, Any]:
        contents = TASK.contents(a_case(law, 1000), 0, "cpu")
        return torch.sigmoid(contents["logits"].double()), contents["bias"].double()

    scores, bias = of("negative")
    assert float((scores + bias).max()) < 0
    scores, bias = of("deep")
    assert float(scores.max()) < 1e-5
    assert not bias.any()
    scores, _ = of("saturated")
    assert float((scores.float() == 1).double().mean()) > 0.2
    scores, bias = of("biased")
    ids = chosen_of(scores + bias, 8, 8, 4)
    assert len(ids.unique()) < 60
    scores, bias = of("peaks")
    alone = chosen_of(scores + bias, 8, 8, 4, best=1)
    assert (
        float((chosen_of(scores + bias, 8, 8, 4).sort().values != alone.sort().values).any(dim=1).double().mean()) > 0.3
    )


def without_groups(logits: Any, bias: Any, k: int, groups: int, top_groups: int) -> Any:
    scores = torch.sigmoid(logits.float())
    return weighted(scores, chosen_of(scores + bias, k, 1, 1))


def by_the_best_of_a_group(logits: Any, bias: Any, k: int, groups: int, top_groups: int) -> Any:
    scores = torch.sigmoid(logits.float())
    return weighted(scores, chosen_of(scores + bias, k, groups, top_groups, best=1))


def one_group_more(logits: Any, bias: Any, k: int, groups: int, top_groups: int) -> Any:
    return eager(logits, bias, k, groups, top_groups + 1)


def one_group_less(logits: Any, bias: Any, k: int, groups: int, top_groups: int) -> Any:
    return eager(logits, bias, k, groups, top_groups - 1)


def masked_by_zero(logits: Any, bias: Any, k: int, groups: int, top_groups: int) -> Any:
    """Other groups' scores become 0, which is more than a negative one."""
    scores = torch.sigmoid(logits.float())
    return weighted(scores, chosen_of(scores + bias, k, groups, top_groups, fill=0.0))


def without_bias(logits: Any, bias: Any, k: int, groups: int, top_groups: int) -> Any:
    return eager(logits, torch.zeros_like(bias), k, groups, top_groups)


def groups_without_bias(logits: Any, bias: Any, k: int, groups: int, top_groups: int) -> Any:
    scores = torch.sigmoid(logits.float())
    tokens, experts = logits.shape
    kept = scores.view(tokens, groups, -1).topk(2, dim=2).values.sum(dim=2).topk(top_groups, dim=1).indices
    shut = torch.ones((tokens, groups), dtype=torch.bool).scatter(1, kept, value=False)
    shut = shut.repeat_interleave(experts // groups, dim=1)
    return weighted(scores, (scores + bias).masked_fill(shut, -torch.inf).topk(k, dim=1).indices)


def biased_weights(logits: Any, bias: Any, k: int, groups: int, top_groups: int) -> Any:
    scores = torch.sigmoid(logits.float())
    return weighted(scores + bias, chosen_of(scores + bias, k, groups, top_groups))


def not_normalised(logits: Any, bias: Any, k: int, groups: int, top_groups: int) -> Any:
    _, ids = eager(logits, bias, k, groups, top_groups)
    return torch.sigmoid(logits.float()).gather(1, ids.long()), ids


def softmax_of_the_chosen(logits: Any, bias: Any, k: int, groups: int, top_groups: int) -> Any:
    _, ids = eager(logits, bias, k, groups, top_groups)
    return torch.softmax(logits.float().gather(1, ids.long()), dim=1), ids


def in_bf16(logits: Any, bias: Any, k: int, groups: int, top_groups: int) -> Any:
    scores = torch.sigmoid(logits).float()
    return weighted(scores, chosen_of(scores + bias, k, groups, top_groups))


def group_scores_in_bf16(logits: Any, bias: Any, k: int, groups: int, top_groups: int) -> Any:
    scores = torch.sigmoid(logits.float())
    tokens, experts = logits.shape
    two = (scores + bias).view(tokens, groups, -1).topk(2, dim=2).values.sum(dim=2).bfloat16()
    shut = torch.ones((tokens, groups), dtype=torch.bool).scatter(1, two.topk(top_groups, dim=1).indices, value=False)
    shut = shut.repeat_interleave(experts // groups, dim=1)
    return weighted(scores, (scores + bias).masked_fill(shut, -torch.inf).topk(k, dim=1).indices)


def by_tanh(logits: Any, bias: Any, k: int, groups: int, top_groups: int) -> Any:
    """A sigmoid that loses small scores to cancellation."""
    scores = 0.5 * torch.tanh(0.5 * logits.float()) + 0.5
    return weighted(scores.clamp_min(1e-30), chosen_of(scores + bias, k, groups, top_groups))


def with_an_epsilon(logits: Any, bias: Any, k: int, groups: int, top_groups: int) -> Any:
    _, ids = eager(logits, bias, k, groups, top_groups)
    chosen = torch.sigmoid(logits.float()).gather(1, ids.long())
    return chosen / (chosen.sum(dim=1, keepdim=True) + 1e-6), ids


def sum_of_all_but_one(logits: Any, bias: Any, k: int, groups: int, top_groups: int) -> Any:
    _, ids = eager(logits, bias, k, groups, top_groups)
    chosen = torch.sigmoid(logits.float()).gather(1, ids.long())
    return chosen / chosen[:, :-1].sum(dim=1, keepdim=True), ids


def last_expert_never_chosen(logits: Any, bias: Any, k: int, groups: int, top_groups: int) -> Any:
    scores = torch.sigmoid(logits.float())
    biased = scores + bias
    biased[:, -8:] = -9.0
    return weighted(scores, chosen_of(biased, k, groups, top_groups))


def of_the_row_before(logits: Any, bias: Any, k: int, groups: int, top_groups: int) -> Any:
    return tuple(output.roll(1, 0) for output in eager(logits, bias, k, groups, top_groups))


def ids_in_the_group(logits: Any, bias: Any, k: int, groups: int, top_groups: int) -> Any:
    weights, ids = eager(logits, bias, k, groups, top_groups)
    return weights, ids % (logits.shape[1] // groups)


def zeros(logits: Any, bias: Any, k: int, groups: int, top_groups: int) -> Any:
    return torch.zeros((len(logits), k)), torch.zeros((len(logits), k), dtype=torch.int32)


@pytest.mark.parametrize(
    ("program", "law", "checks"),
    [
        (without_groups, "router", {"groups"}),
        (by_the_best_of_a_group, "peaks", {"groups", "choice"}),
        (one_group_more, "router", {"groups"}),
        (one_group_less, "router", {"groups", "choice"}),
        (masked_by_zero, "negative", {"groups"}),
        (without_bias, "router", {"groups", "choice"}),
        (without_bias, "biased", {"groups", "choice"}),
        (groups_without_bias, "biased", {"groups", "choice"}),
        (biased_weights, "router", {"element"}),
        (biased_weights, "negative", {"element"}),
        (not_normalised, "router", {"element"}),
        (softmax_of_the_chosen, "router", {"element"}),
        (in_bf16, "router", {"groups", "choice", "element"}),
        (group_scores_in_bf16, "scaled", {"groups", "choice"}),
        (by_tanh, "deep", {"groups", "choice", "distinct", "element"}),
        (with_an_epsilon, "deep", {"element"}),
        (sum_of_all_but_one, "router", {"element"}),
        (last_expert_never_chosen, "router", {"groups", "choice"}),
        (of_the_row_before, "router", {"groups", "choice"}),
        (ids_in_the_group, "router", {"distinct", "groups"}),
        (zeros, "equal", {"distinct"}),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_cheap_tricks_are_found(program: Program, law: str, checks: set[str]) -> None:
    found = judge(a_case(law, 300), program)
    assert found is not None
    assert found.check in checks


def test_outputs_of_other_contents_are_found() -> None:
    case = a_case("router")
    contents, other = (TASK.contents(case, number, "cpu") for number in (0, 1))
    truth = TASK.truth(case, contents)
    outputs = eager(**other, **case.call.scalars)
    for off in (set(), {"groups"}, {"groups", "choice"}):
        assert TASK.fault(case, contents, truth, outputs, frozenset(off)) is not None


@pytest.mark.parametrize("check", TASK.checks)
def test_each_check_stands_alone_against_something(check: str) -> None:
    spoil = TASK.spoils()[check]
    for seed in range(3):
        case = TASK.audit_case(seed)
        contents = TASK.contents(case, 0, "cpu")
        truth = TASK.truth(case, contents)
        outputs = eager(**contents, **case.call.scalars)
        kept = [output.clone() for output in outputs]
        assert TASK.fault(case, contents, truth, outputs, NOTHING) is None
        spoiled = spoil(outputs, contents, torch.Generator().manual_seed(seed))
        assert all(torch.equal(before, after) for before, after in zip(kept, outputs, strict=True)), "a spoil copies"
        found = TASK.fault(case, contents, truth, spoiled, NOTHING)
        assert found is not None
        assert found.check == check
        assert "\n" not in found.reason
        assert TASK.fault(case, contents, truth, spoiled, frozenset({check})) is None


def test_every_check_has_a_spoil_and_a_place() -> None:
    assert tuple(CHECKS) == TASK.checks == tuple(TASK.spoils())


def test_a_spoil_says_where_contents_do_not_suit() -> None:
    for experts, k in ((60, 4), (64, 6)):
        case = a_case("one_hot", 1, experts, k)
        contents = TASK.contents(case, 0, "cpu")
        with pytest.raises(ValueError, match="audit case"):
            TASK.spoils()["groups"](eager(**contents, **case.call.scalars), contents, torch.Generator())


def test_any_of_tied_experts_and_groups_is_right_but_no_more_groups_than_are_kept() -> None:
    case = a_case("equal")
    contents = TASK.contents(case, 0, "cpu")
    truth = TASK.truth(case, contents)
    weights = torch.full((77, 8), 1 / 8)
    spread = torch.arange(8).repeat(77, 1)
    for groups, right in (([1, 3, 4, 7], True), ([0, 0, 0, 5], True), ([0, 1, 2, 3, 4], False)):
        ids = spread + 32 * torch.tensor([groups[at % len(groups)] for at in range(8)])
        found = TASK.fault(case, contents, truth, (weights, ids.int()), NOTHING)
        assert (found is None) == right
        assert right or found.check == "groups"


def test_a_kept_group_must_be_seen_even_where_none_of_its_experts_is_named() -> None:
    """Two groups of two: the second expert of the better group is left out for one of a group that is not kept."""
    logits = torch.tensor([[2.0, 1.0, 0.5, 0.4, -3, -3, -3, -3, -3, -3, -3, -3, -3, -3, -3, -3]]).bfloat16()
    case, contents = a_case("normal", 1, 16, 2), {"logits": logits, "bias": torch.zeros(16)}
    truth = TASK.truth(case, contents)
    assert truth.inside[0].tolist() == [True, True] + [False] * 6
    scores = torch.sigmoid(logits.float())
    for ids, check in (([0, 1], None), ([1, 0], None), ([0, 2], "choice"), ([2, 3], "choice"), ([0, 14], "choice")):
        named = torch.tensor([ids])
        found = TASK.fault(case, contents, truth, weighted(scores, named), NOTHING)
        assert (found.check if found else None) == check


def test_a_fault_says_what_where_and_by_how_much() -> None:
    case = a_case("router")
    contents = TASK.contents(case, 0, "cpu")
    truth = TASK.truth(case, contents)
    weights, ids = eager(**contents, **case.call.scalars)
    wrong = ids.clone()
    wrong[3, 2] = -1
    found = TASK.fault(case, contents, truth, (weights, wrong), NOTHING)
    assert found == Fault(check="range", reason="ids[3, 2] is -1, not in 0 .. 255; 1 of 616 ids are out of range")
    found = TASK.fault(case, contents, truth, without_groups(**contents, **case.call.scalars), NOTHING)
    assert found is not None
    assert "but the 4 best groups are [" in found.reason
    scaled = weights.clone()
    scaled[5] *= 0.999
    found = TASK.fault(case, contents, truth, (scaled, ids), NOTHING)
    assert found is not None
    assert found.reason.startswith("weights[5, 0] is ")


@each_split
def test_a_block_is_a_function_of_its_seed_and_covers_edges_and_laws(split: Split) -> None:
    first, other = TASK.workloads(split, bytes(range(32))), TASK.workloads(split, bytes(32))
    assert first == TASK.workloads(split, bytes(range(32)))
    assert [w.name for w in first] != [w.name for w in other]
    assert len({w.name for w in first}) == 6
    sizes = [sum(form.bytes for form in (*w.timed.call.tensors.values(), *w.timed.call.outputs)) for w in first]
    assert sizes[0] == min(sizes)
    assert sizes[-1] == max(sizes)
    cases = [case for w in first for case in w.checked]
    assert {case.law for case in cases} == set(LAWS)
    calls = [case.call for case in cases]
    assert {0, 1} <= {call.outputs[0].shape[0] for call in calls}
    group_sizes = {call.tensors["bias"].shape[0] // int(call.scalars["groups"]) for call in calls}
    assert {2, 12, 32} <= group_sizes
    assert any(call.scalars["groups"] == call.scalars["top_groups"] > 1 for call in calls)
    assert {w.timed.law for w in first} == {TIMED_LAWS[split]}
    for workload in first:
        assert {case.law for case in workload.checked if case.call == workload.timed.call} - {workload.timed.law}


def test_hidden_shapes_and_contents_are_others() -> None:
    def pairs(split: Split) -> set[tuple[int, int]]:
        calls = [w.timed.call for w in TASK.workloads(split, bytes(32))]
        return {(call.tensors["bias"].shape[0], int(call.scalars["k"])) for call in calls}

    assert len(pairs(Split.HIDDEN) - pairs(Split.TRAIN) - pairs(Split.VALIDATION)) >= 3
    assert TIMED_LAWS[Split.HIDDEN] not in (TIMED_LAWS[Split.TRAIN], TIMED_LAWS[Split.VALIDATION])
    names = {w.name for w in TASK.workloads(Split.TRAIN, bytes(32))}
    assert {"T=250 E=256 k=8 G=8/4", "T=32768 E=256 k=8 G=8/4"} <= names


@each_split
def test_calls_can_be_cut_to_few_rows_without_cutting_the_bias(split: Split) -> None:
    for number in range(20):
        for workload in TASK.workloads(split, bytes([number] * 32)):
            for case in (workload.timed, *workload.checked):
                cut = shrunk(case).call
                assert cut.tensors["bias"] == case.call.tensors["bias"]
                assert cut.tensors["logits"].shape[0] == cut.outputs[0].shape[0] <= MOST_ROWS


def test_groups_are_such_as_the_contract_allows() -> None:
    for (experts, k), (groups, top_groups) in GROUPS.items():
        assert experts % groups == 0
        assert experts // groups >= 2
        assert 1 <= top_groups <= groups
        assert k <= top_groups * experts // groups


def test_floor_is_bytes_over_bandwidth() -> None:
    case = a_case("router", 32768)
    traffic = TASK.traffic(case, {})
    assert (traffic.read_bytes, traffic.written_bytes) == (32768 * 256 * 2 + 1024, 32768 * 8 * 8)
    assert traffic.flops == 2 * 32768 * 256
    assert TASK.traffic(a_case("router", 0), {}).read_bytes == 0
    card = GpuFacts(
        name="a card",
        architecture=90,
        sms=132,
        l2_bytes=60 << 20,
        memory_bytes=1 << 37,
        shared_bytes=232448,
        bandwidth=4.8e12,
        bf16_flops=989e12,
        fp32_flops=67e12,
        driver="",
        cuda="",
        torch="",
        triton="",
    )
    assert roofline_seconds(traffic, card) * 1e6 == pytest.approx(3.50, abs=0.01)


def test_the_problem_has_a_digest_and_its_own_workloads_alone() -> None:
    problem = make_problem("generated")
    assert problem.digest == make_problem("generated").digest
    assert len(problem.digest) == 16
    assert problem.declaration.checks == TASK.checks
    assert f"def {TASK.entry}({', '.join(TASK.parameters)}):" in problem.statement
    with pytest.raises(ProblemError, match="no workload"):
        make_problem("own")


@pytest.fixture
def operator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[Any, ...]]]:
    """An installed vLLM whose operator notes what it is called with, in the signature of 0.25."""
    (tmp_path / "vllm").mkdir()
    (tmp_path / "vllm" / "_moe_C.abi3.so").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(torch.ops, "load_library", lambda path: None)
    library = torch.library.Library("_moe_C", "FRAGMENT")
    library.define(
        "grouped_topk(Tensor scores, int n_group, int topk_group, int topk, bool renormalize, "
        "float routed_scaling_factor, Tensor bias, int scoring_func) -> (Tensor, Tensor)"
    )
    called: list[tuple[Any, ...]] = []

    def grouped_topk(scores: Any, groups: int, kept: int, k: int, *others: Any) -> Any:
        renormalise, factor, bias, function = others
        called.append((groups, kept, k, renormalise, factor, function))
        return eager(scores, bias, k, groups, kept)

    library.impl("grouped_topk", grouped_topk, "CPU")
    yield called
    library._destroy()


def test_vllm_is_called_by_the_names_of_its_parameters(operator: list[tuple[Any, ...]]) -> None:
    case = a_case("router", 5)
    contents = TASK.contents(case, 0, "cpu")
    outputs = TASK.columns()["vllm"](case, contents)
    assert operator == [(8, 4, 8, True, 1.0, 1)]
    assert TASK.fault(case, contents, TASK.truth(case, contents), outputs, NOTHING) is None


def test_eager_is_right_and_every_other_column_has_a_reason() -> None:
    columns, missing = TASK.columns(), TASK.missing_columns()
    assert {"eager", "compiled"} <= set(columns)
    assert not set(columns) & set(missing)
    assert {"vllm", "triton_kernels"} <= set(columns) | set(missing)
    assert all(reason and "\n" not in reason for reason in missing.values())
    for experts, k in ((256, 8), (60, 4)):
        case = a_case("negative", 77, experts, k)
        contents = TASK.contents(case, 0, "cpu")
        outputs = columns["eager"](case, contents)
        assert TASK.fault(case, contents, TASK.truth(case, contents), outputs, NOTHING) is None


INTERPRETED = """
import importlib.util, json, sys
from evaluators.kernels.task import Case
from evaluators.kernels.tasks.topk_gating_grouped import LAWS, TopkGatingGrouped

task = TopkGatingGrouped()
for path, shapes in json.loads(sys.argv[1]):
    spec = importlib.util.spec_from_file_location("seed", path)
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    for number, shape in enumerate(shapes):
        for law in LAWS[number % 6 :: 6]:
            case = Case(call=task.call(*shape, "float32"), law=law, seed=number)
            contents = task.contents(case, 0, "cpu")
            kept = {name: tensor.clone() for name, tensor in contents.items()}
            outputs = program.topk_gating_grouped(**contents, **case.call.scalars)
            for output, form in zip(outputs, case.call.outputs, strict=True):
                assert (tuple(output.shape), str(output.dtype)) == (form.shape, f"torch.{form.dtype}"), (path, case)
            assert all(kept[name].equal(contents[name]) for name in kept)
            fault = task.fault(case, contents, task.truth(case, contents), outputs, frozenset())
            assert fault is None, (path, case, fault)
print("right")
"""


def interpret(jobs: list[tuple[str, list[tuple[int, int, int]]]]) -> None:
    """Hold programs to what is right in a process of its own: the interpreter is chosen before Triton is imported."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", INTERPRETED, json.dumps(jobs)],
        env={**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.stdout.strip() == "right", done.stderr[-2000:]


def retuned(source: str, **constants: int) -> str:
    """The program with other values at its marks."""
    lines = source.splitlines()
    for name, value in constants.items():
        (at,) = [number for number, line in enumerate(lines) if line.startswith(f"{name} = ")]
        lines[at] = f"{name} = {value}"
    return "\n".join(lines) + "\n"


@each_seed
def test_a_seed_names_its_source_and_passes_the_screen(name: str) -> None:
    tree = ast.parse(SOURCES[name])
    assert "Source: ours" in (ast.get_docstring(tree) or "")
    assert screen_kernel(tree, entry=TASK.entry) is None
    assert faults(SOURCES[name]) == []
    assert read_marks(SOURCES[name], TASK.entry) == read_marks(SOURCES[name]) != ()


def test_seeds_are_right_at_the_edges_and_ends_of_their_marks_in_the_interpreter(tmp_path: Path) -> None:
    pytest.importorskip("triton", minversion="3.9", reason="Triton's interpreter works from 3.9 on")
    edges = [(0, 256, 8), (2, 60, 4), (1, 16, 2), (1, 384, 8), (2, 256, 8), (1, 8, 8), (5, 64, 6), (1, 192, 8)]
    jobs = [(str(FOLDER / "naive.py"), edges), (str(FOLDER / "decent.py"), edges)]
    settings = ({"FEW": 0, "ITEMS": 16, "WARPS": 8}, {"FEW": 0, "ITEMS": 4, "WARPS": 1})
    for number, constants in enumerate(settings):
        path = tmp_path / f"{number}.py"
        path.write_text(retuned(SOURCES["decent"], **constants))
        jobs.append((str(path), [(9, 64, 6), (3, 96, 6)]))
    interpret(jobs)


def test_decent_compiles_for_sm_90_without_spills(recorder: Any) -> None:
    shapes = ((32768, 256, 8), (16384, 64, 6), (70, 384, 8), (3000, 192, 8), (0, 256, 8))
    calls = [TASK.call(*shape) for shape in shapes]
    recording = recorder.record(SOURCES["decent"], TASK.entry, calls)
    for kernel in recording.kernels:
        assert kernel.local_bytes == 0
        assert kernel.registers <= 64
    for call in calls:
        assert len(recording.plans[call.name].launches) == (call.outputs[0].items > 0)


def test_naive_compiles_for_sm_90_without_spills(recorder: Any) -> None:
    recording = recorder.record(SOURCES["naive"], TASK.entry, [TASK.call(32768, 256, 8)])
    assert [kernel.local_bytes for kernel in recording.kernels] == [0]
