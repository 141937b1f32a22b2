"""Top-k gating: contents, what honest float32 programs may do, and what each check stands against."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from evaluators.kernels.task import Case, Fault  # noqa: E402 - torch is optional
from evaluators.kernels.tasks.topk_gating import LAWS, TopkGating  # noqa: E402

TASK = TopkGating()
NOTHING: frozenset[str] = frozenset()
each_law = pytest.mark.parametrize("law", LAWS)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Threads that wait for each other take seconds where processors are busy."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def a_case(
    law: str, tokens: int = 77, experts: int = 64, k: int = 6, *, seed: int = 1, dtype: str = "bfloat16"
) -> Case:
    return Case(call=TASK.call(tokens, experts, k, dtype), law=law, seed=seed)


def judge(case: Case, program: Callable[[Any, int], Any], off: frozenset[str] = NOTHING) -> Fault | None:
    contents = TASK.contents(case, 0, "cpu")
    outputs = program(contents["logits"], int(case.call.scalars["k"]))
    for output, form in zip(outputs, case.call.outputs, strict=True):
        assert (tuple(output.shape), str(output.dtype)) == (form.shape, f"torch.{form.dtype}")
    return TASK.fault(case, contents, TASK.truth(case, contents), outputs, off)


def softmax_first(logits: Any, k: int) -> Any:
    weights, ids = torch.topk(torch.softmax(logits.float(), dim=1), k, dim=1)
    return weights, ids.int()


def choice_first(logits: Any, k: int) -> Any:
    """Chooses by logits, takes powers of 2 and adds from the far end, as a kernel may."""
    x = logits.float()
    values, ids = torch.topk(x, k, dim=1)
    powers = torch.exp2((x - values[:, :1]) * 1.4426950408889634)
    total = powers.flip(1).cumsum(1)[:, -1:]
    return torch.exp2((values - values[:, :1]) * 1.4426950408889634) / total, ids.int()


def two_units_off(logits: Any, k: int) -> Any:
    """As the hardware's exponential may be: two units in the last place, either way."""
    weights, ids = softmax_first(logits, k)
    noise = torch.randint(-2, 3, weights.shape, generator=torch.Generator().manual_seed(3))
    rough = (weights.double() * (1 + noise * 2.0**-24)).float()
    return rough.sort(dim=1, descending=True).values, ids


@pytest.mark.parametrize("program", [softmax_first, choice_first, two_units_off])
@each_law
def test_honest_float32_programs_pass(law: str, program: Callable[[Any, int], Any]) -> None:
    for seed in range(3):
        for tokens, experts, k in (
            (77, 64, 6),
            (1, 128, 8),
            (33, 60, 4),
            (5, 8, 8),
            (0, 64, 6),
            (3, 1, 1),
            (40, 512, 10),
        ):
            assert judge(a_case(law, tokens, experts, k, seed=seed), program) is None


@each_law
def test_contents_are_of_the_declared_form_and_fresh(law: str) -> None:
    case = a_case(law)
    logits = TASK.contents(case, 0, "cpu")["logits"]
    assert (logits.dtype, tuple(logits.shape)) == (torch.bfloat16, (77, 64))
    assert logits.is_contiguous()
    assert bool(torch.isfinite(logits).all())
    assert torch.equal(logits, TASK.contents(case, 0, "cpu")["logits"])
    assert not torch.equal(logits, TASK.contents(case, 1, "cpu")["logits"])
    assert not torch.equal(logits, TASK.contents(a_case(law, seed=2), 0, "cpu")["logits"])
    wide = TASK.contents(a_case(law, dtype="float32"), 0, "cpu")["logits"]
    assert torch.equal(wide, logits.float()), "another type holds the same bf16 numbers"


def test_laws_hold_what_they_promise() -> None:
    def of(law: str) -> Any:
        return TASK.contents(a_case(law, 2000), 0, "cpu")["logits"].float()

    assert float(of("shifted").exp().max()) == float("inf")
    assert float(of("negative").exp().max()) == 0
    assert float(of("outliers").abs().max()) > 200
    assert set(of("binary").unique().tolist()) == {0.0, 1.0}
    assert bool(((of("one_hot") != 0).sum(dim=1) == 1).all())
    assert bool((of("equal") == of("equal")[:, :1]).all())


def with_bf16_scores(logits: Any, k: int) -> Any:
    weights, ids = torch.topk(torch.softmax(logits, dim=1), k, dim=1)
    return weights.float(), ids.int()


def with_fp16_sum(logits: Any, k: int) -> Any:
    powers = (logits.float() - logits.float().amax(dim=1, keepdim=True)).exp()
    weights, ids = torch.topk(powers / powers.half().sum(dim=1, keepdim=True).float(), k, dim=1)
    return weights, ids.int()


def renormalised(logits: Any, k: int) -> Any:
    weights, ids = softmax_first(logits, k)
    return weights / weights.sum(dim=1, keepdim=True), ids


def one_expert_left_out_of_the_sum(logits: Any, k: int) -> Any:
    weights, ids = softmax_first(logits, k)
    return weights / torch.softmax(logits.float(), dim=1)[:, 1:].sum(dim=1, keepdim=True), ids


def last_experts_never_chosen(logits: Any, k: int) -> Any:
    weights, ids = torch.topk(torch.softmax(logits.float(), dim=1)[:, :-4], k, dim=1)
    return weights, ids.int()


def without_subtracting_the_largest(logits: Any, k: int) -> Any:
    powers = logits.float().exp()
    weights, ids = torch.topk(powers / powers.sum(dim=1, keepdim=True), k, dim=1)
    return weights, ids.int()


def last_row_missing(logits: Any, k: int) -> Any:
    weights, ids = softmax_first(logits, k)
    weights[-1], ids[-1] = 0, 0
    return weights, ids


def zeros(logits: Any, k: int) -> Any:
    return torch.zeros((len(logits), k)), torch.zeros((len(logits), k), dtype=torch.int32)


def rising(logits: Any, k: int) -> Any:
    weights, ids = softmax_first(logits, k)
    return weights.flip(1), ids.flip(1)


@pytest.mark.parametrize(
    ("program", "law", "check"),
    [
        (with_bf16_scores, "router", "element"),
        (with_fp16_sum, "normal", "element"),
        (renormalised, "router", "element"),
        (one_expert_left_out_of_the_sum, "normal", "element"),
        (last_experts_never_chosen, "normal", "choice"),
        (without_subtracting_the_largest, "shifted", "finite"),
        (without_subtracting_the_largest, "negative", "finite"),
        (last_row_missing, "router", "distinct"),
        (zeros, "equal", "distinct"),
        (rising, "router", "falling"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_cheap_tricks_are_found(program: Callable[[Any, int], Any], law: str, check: str) -> None:
    found = judge(a_case(law), program)
    assert found is not None
    assert found.check == check


@pytest.mark.parametrize("check", TASK.checks)
def test_each_check_stands_alone_against_something(check: str) -> None:
    spoil = TASK.spoils()[check]
    for seed in range(3):
        case = TASK.audit_case(seed)
        contents = TASK.contents(case, 0, "cpu")
        truth = TASK.truth(case, contents)
        outputs = softmax_first(contents["logits"], int(case.call.scalars["k"]))
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
    from evaluators.kernels.tasks.gating_judge import CHECKS

    assert tuple(CHECKS) == TASK.checks == tuple(TASK.spoils())


def test_a_spoil_says_where_contents_do_not_suit() -> None:
    case = a_case("normal", 1, 8, 2, seed=5)
    contents = TASK.contents(case, 0, "cpu")
    with pytest.raises(ValueError, match="audit case"):
        TASK.spoils()["distinct"](softmax_first(contents["logits"], 2), contents, torch.Generator())


def test_any_of_tied_experts_is_right() -> None:
    case = a_case("equal")
    contents = TASK.contents(case, 0, "cpu")
    weights, _ = softmax_first(contents["logits"], 6)
    ids = torch.stack([torch.randperm(64, generator=torch.Generator().manual_seed(row))[:6] for row in range(77)]).int()
    assert TASK.fault(case, contents, TASK.truth(case, contents), (weights, ids), NOTHING) is None


def test_a_fault_says_what_where_and_by_how_much() -> None:
    case = a_case("router")
    contents = TASK.contents(case, 0, "cpu")
    truth = TASK.truth(case, contents)
    weights, ids = softmax_first(contents["logits"], 6)
    out_of_range = ids.clone()
    out_of_range[3, 2] = -1
    found = TASK.fault(case, contents, truth, (weights, out_of_range), NOTHING)
    assert found == Fault(check="range", reason="ids[3, 2] is -1, not in 0 .. 63; 1 of 462 ids are out of range")
    scaled = weights.clone()
    scaled[5] *= 0.999
    found = TASK.fault(case, contents, truth, (scaled, ids), NOTHING)
    assert found is not None
    assert found.check == "element"
    assert found.reason.startswith("weights[5, 0] is ")
    assert "6 of 462 elements" in found.reason


def test_a_sum_that_is_always_rounded_to_one_side_is_honest() -> None:
    """A row of 512 added up in 16 threads: 32 additions, each wrong by up to half a unit in the last place."""
    case = a_case("equal", 3, 512, 10)
    contents = TASK.contents(case, 0, "cpu")
    weights, ids = softmax_first(contents["logits"], 10)
    for wrong_by, right in ((31 * 2.0**-24, True), (64 * 2.0**-24, False)):
        outputs = ((weights.double() * (1 + wrong_by)).float(), ids)
        assert (TASK.fault(case, contents, TASK.truth(case, contents), outputs, NOTHING) is None) == right


def test_scores_that_float32_cannot_hold_may_be_zero() -> None:
    logits = torch.zeros((2, 8))
    logits[:, 0] = 200
    case = a_case("normal", 2, 8, 4)
    contents = {"logits": logits.bfloat16()}
    outputs = softmax_first(contents["logits"], 4)
    assert float(outputs[0][0, 1]) < 1e-38
    assert TASK.fault(case, contents, TASK.truth(case, contents), outputs, NOTHING) is None
