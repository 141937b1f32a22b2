"""The weighted sum: contents, what honest float32 programs may do, and what each check stands against."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from evaluators.kernels.task import Case, Fault, Tensors  # noqa: E402 - torch is optional
from evaluators.kernels.tasks.moe_combine import LAWS, MoeCombine  # noqa: E402

TASK = MoeCombine()
NOTHING: frozenset[str] = frozenset()
SHAPES = ((45, 512, 6), (1, 1024, 2), (5, 80, 5), (19, 80, 1), (0, 128, 8))
each_law = pytest.mark.parametrize("law", LAWS)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Threads that wait for each other take seconds where processors are busy."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def a_case(
    law: str, tokens: int = 45, hidden: int = 512, k: int = 6, *, seed: int = 1, dtype: str = "bfloat16"
) -> Case:
    return Case(call=TASK.call(tokens, hidden, k, dtype), law=law, seed=seed)


def judge(case: Case, program: Callable[..., Any], off: frozenset[str] = NOTHING) -> Fault | None:
    contents = TASK.contents(case, 0, "cpu")
    output = program(**contents)
    assert (tuple(output.shape), str(output.dtype)) == (
        case.call.outputs[0].shape,
        f"torch.{case.call.outputs[0].dtype}",
    )
    return TASK.fault(case, contents, TASK.truth(case, contents), (output,), off)


def at_once(expert_out: Any, row_of: Any, weights: Any) -> Any:
    return (expert_out[row_of.long()].float() * weights.unsqueeze(-1)).sum(dim=1).to(expert_out.dtype)


def one_by_one(expert_out: Any, row_of: Any, weights: Any) -> Any:
    """From the last to the first, products and sums rounded apart."""
    total = torch.zeros((len(row_of), expert_out.shape[1]))
    for j in reversed(range(row_of.shape[1])):
        total += expert_out[row_of[:, j].long()].float() * weights[:, j : j + 1]
    return total.to(expert_out.dtype)


def fused(expert_out: Any, row_of: Any, weights: Any) -> Any:
    """Every sum rounded once to float32, as after fused multiply-adds without error."""
    exact = (expert_out[row_of.long()].double() * weights.double().unsqueeze(-1)).sum(dim=1)
    return exact.float().to(expert_out.dtype)


@pytest.mark.parametrize("program", [at_once, one_by_one, fused])
@each_law
def test_honest_float32_programs_pass(law: str, program: Callable[..., Any]) -> None:
    for seed in range(2):
        for shape in SHAPES:
            for dtype in ("bfloat16", "float32"):
                assert judge(a_case(law, *shape, seed=seed, dtype=dtype), program) is None


@each_law
def test_contents_are_of_the_declared_forms_and_fresh(law: str) -> None:
    case = a_case(law)
    contents = TASK.contents(case, 0, "cpu")
    assert list(contents) == list(case.call.tensors) == list(TASK.parameters)
    for name, form in case.call.tensors.items():
        tensor = contents[name]
        assert (str(tensor.dtype), tuple(tensor.shape)) == (f"torch.{form.dtype}", form.shape)
        assert tensor.is_contiguous()
        assert bool(torch.isfinite(tensor).all())
    assert contents["row_of"].flatten().sort().values.tolist() == list(range(45 * 6))
    again, other = TASK.contents(case, 0, "cpu"), TASK.contents(case, 1, "cpu")
    assert all(torch.equal(contents[name], again[name]) for name in contents)
    assert not torch.equal(contents["expert_out"], other["expert_out"])
    wide = TASK.contents(a_case(law, dtype="float32"), 0, "cpu")
    assert torch.equal(wide["expert_out"], contents["expert_out"].float())


def test_laws_hold_what_they_promise() -> None:
    def of(law: str) -> Tensors:
        return TASK.contents(a_case(law, 300), 0, "cpu")

    for law, rows in (("shifted", torch.arange(1800)), ("binary", torch.arange(1800).flip(0))):
        assert torch.equal(of(law)["row_of"].flatten().long(), rows)
    routed = of("router")
    assert bool((routed["weights"][:, 1:] <= routed["weights"][:, :-1]).all())
    assert bool((routed["weights"].sum(dim=1) < 1).all())
    zero = of("zeros")["weights"] == 0
    assert bool(zero.all(dim=1).any())
    assert 0.3 < float(zero.float().mean()) < 0.6
    assert bool((of("signed")["weights"] < 0).any())
    assert bool(((of("one_hot")["weights"] != 0).sum(dim=1) == 1).all())
    assert set(of("binary")["expert_out"].unique().tolist()) == {0.0, 1.0}
    assert float(of("outliers")["expert_out"].abs().max()) > 1000


def bf16_products(expert_out: Any, row_of: Any, weights: Any) -> Any:
    products = expert_out[row_of.long()].float() * weights.unsqueeze(-1)
    return products.bfloat16().float().sum(dim=1).bfloat16()


def bf16_weights(expert_out: Any, row_of: Any, weights: Any) -> Any:
    return at_once(expert_out, row_of, weights.bfloat16().float())


def bf16_sum(expert_out: Any, row_of: Any, weights: Any) -> Any:
    total = torch.zeros((len(row_of), expert_out.shape[1]), dtype=torch.bfloat16)
    for j in range(row_of.shape[1]):
        total = (total.float() + expert_out[row_of[:, j].long()].float() * weights[:, j : j + 1]).bfloat16()
    return total


def truncated(expert_out: Any, row_of: Any, weights: Any) -> Any:
    """Rounded towards 0."""
    exact = (expert_out[row_of.long()].float() * weights.unsqueeze(-1)).sum(dim=1)
    return (exact.view(torch.int32) & -65536).view(torch.float32).bfloat16()


def scaled(expert_out: Any, row_of: Any, weights: Any) -> Any:
    return at_once(expert_out, row_of, weights * 0.999)


def last_expert_dropped(expert_out: Any, row_of: Any, weights: Any) -> Any:
    return at_once(expert_out, row_of[:, :-1], weights[:, :-1])


def last_columns_missing(expert_out: Any, row_of: Any, weights: Any) -> Any:
    y = at_once(expert_out, row_of, weights)
    y[:, -3:] = 0
    return y


def in_order(expert_out: Any, row_of: Any, weights: Any) -> Any:
    return at_once(expert_out, torch.arange(row_of.numel()).view_as(row_of), weights)


def unweighted(expert_out: Any, row_of: Any, weights: Any) -> Any:
    return at_once(expert_out, row_of, torch.ones_like(weights) / row_of.shape[1])


def nan_where_weights_are_zero(expert_out: Any, row_of: Any, weights: Any) -> Any:
    return at_once(expert_out, row_of, weights / weights * weights)


@pytest.mark.parametrize(
    ("program", "law", "checks"),
    [
        (bf16_products, "router", {"element", "global"}),
        (bf16_weights, "router", {"element", "global", "row"}),
        (bf16_sum, "router", {"element", "global", "row"}),
        (truncated, "router", {"element", "row", "global", "bias"}),
        (scaled, "router", {"bias"}),
        (last_expert_dropped, "router", {"element"}),
        (last_columns_missing, "normal", {"element"}),
        (in_order, "router", {"element"}),
        (unweighted, "router", {"element"}),
        (nan_where_weights_are_zero, "zeros", {"finite"}),
    ],
    ids=lambda value: getattr(value, "__name__", "" if isinstance(value, set) else value),
)
def test_cheap_tricks_are_found(program: Callable[..., Any], law: str, checks: set[str]) -> None:
    for seed in range(3):
        found = judge(a_case(law, 128, 1024, 8, seed=seed), program)
        assert found is not None
        assert found.check in checks


@pytest.mark.parametrize("check", TASK.checks)
def test_each_check_stands_alone_against_something(check: str) -> None:
    spoil = TASK.spoils()[check]
    for seed in range(3):
        case = TASK.audit_case(seed)
        contents = TASK.contents(case, 0, "cpu")
        truth = TASK.truth(case, contents)
        outputs = (at_once(**contents),)
        kept = outputs[0].clone()
        assert TASK.fault(case, contents, truth, outputs, NOTHING) is None
        spoiled = spoil(outputs, contents, torch.Generator().manual_seed(seed))
        assert torch.equal(kept, outputs[0]), "a spoil copies"
        found = TASK.fault(case, contents, truth, spoiled, NOTHING)
        assert found is not None
        assert found.check == check
        assert "\n" not in found.reason
        assert TASK.fault(case, contents, truth, spoiled, frozenset({check})) is None


def test_every_check_has_a_spoil_and_a_place() -> None:
    from evaluators.kernels.tasks.combine_judge import CHECKS

    assert tuple(CHECKS) == TASK.checks == tuple(TASK.spoils())


def test_the_reference_is_the_same_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    from evaluators.kernels.tasks import combine_judge

    contents = TASK.contents(a_case("router"), 0, "cpu")
    whole = combine_judge.truth(contents)
    monkeypatch.setattr(combine_judge, "CHUNK_ITEMS", 3 * 6 * 512 + 5)
    parts = combine_judge.truth(contents)
    assert torch.equal(whole.right, parts.right)
    assert torch.equal(whole.slack, parts.slack)
    assert whole.budgets == parts.budgets


def test_rows_of_no_weight_need_not_be_read() -> None:
    case = a_case("zeros")
    contents = TASK.contents(case, 0, "cpu")
    active = int((contents["weights"] != 0).sum())
    traffic = TASK.traffic(case, contents)
    assert active < 45 * 6
    assert traffic.read_bytes == active * 512 * 2 + 45 * 6 * 8
    assert traffic.written_bytes == 45 * 512 * 2
    assert traffic.flops == 2 * active * 512
    empty = a_case("router", 0)
    assert TASK.traffic(empty, TASK.contents(empty, 0, "cpu")).read_bytes == 0


def test_a_fault_says_what_where_and_by_how_much() -> None:
    case = a_case("router")
    contents = TASK.contents(case, 0, "cpu")
    truth = TASK.truth(case, contents)
    y = at_once(**contents)
    y[7, 3] = float("nan")
    found = TASK.fault(case, contents, truth, (y,), NOTHING)
    assert found == Fault(check="finite", reason="y[7, 3] is nan; 1 of 23040 are not finite")
    y = at_once(**contents)
    y[9, 100] += 1
    found = TASK.fault(case, contents, truth, (y,), NOTHING)
    assert found is not None
    assert found.reason.startswith("y[9, 100] is ")
    assert "1 of 23040 elements are wrong" in found.reason
