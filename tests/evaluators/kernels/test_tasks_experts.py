"""The fused experts: contents, what honest programs may do, what each check stands against, and cheats."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from evaluators.kernels.task import Case, Fault, Tensors  # noqa: E402 - torch is optional
from evaluators.kernels.tasks import experts_judge  # noqa: E402
from evaluators.kernels.tasks.experts_shapes import LAWS, ODD, Layer  # noqa: E402
from evaluators.kernels.tasks.moe_decode import moe_decode_task  # noqa: E402

TASK = moe_decode_task()
NOTHING: frozenset[str] = frozenset()
LAYER = Layer(hidden=256, inner=64, experts=8, k=3)
LONG = Layer(hidden=1024, inner=256, experts=6, k=3)
SHAPES = (
    (23, LAYER),
    (1, Layer(hidden=512, inner=64, experts=16, k=8)),
    (5, Layer(hidden=192, inner=64, experts=4, k=4)),
    *ODD,
)
each_law = pytest.mark.parametrize("law", LAWS)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Threads that wait for each other take seconds where processors are busy."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def a_case(law: str, tokens: int = 23, layer: Layer = LAYER, *, seed: int = 1) -> Case:
    return Case(call=TASK.call(tokens, layer), law=law, seed=seed)


def judge(case: Case, program: Callable[..., Any], off: frozenset[str] = NOTHING) -> Fault | None:
    contents = TASK.contents(case, 0, "cpu")
    output = program(**contents)
    assert (tuple(output.shape), output.dtype) == (case.call.outputs[0].shape, torch.bfloat16)
    return TASK.fault(case, contents, TASK.truth(case, contents), (output,), off)


def rounded(values: Any) -> Any:
    return values.bfloat16().float()


def exact(values: Any) -> Any:
    return values


def at_once(a: Any, b: Any) -> Any:
    return a @ b.T


def in_bf16(a: Any, b: Any) -> Any:
    """A product whose sum is kept in bf16 from step to step of 64."""
    total = torch.zeros((len(a), len(b)))
    for start in range(0, a.shape[1], 64):
        total = rounded(total + a[:, start : start + 64] @ b[:, start : start + 64].T)
    return total


def program(
    *,
    halves: Callable[[Any], Any] = exact,
    between: Callable[[Any], Any] = rounded,
    outputs: Callable[[Any], Any] = exact,
    product: Callable[[Any, Any], Any] = at_once,
    activation: Callable[[Any], Any] = torch.nn.functional.silu,
    swapped: bool = False,
    kept: Callable[[int, Any, Any], Any] = lambda expert, rows, weights: rows,
) -> Callable[..., Any]:
    """A program in float32, expert by expert; what it rounds, and what it does wrong, is given."""

    def run(x: Any, w13: Any, w2: Any, weights: Any, ids: Any) -> Any:
        y = torch.zeros(x.shape)
        for expert, its in experts_judge.rows_by_expert(ids, len(w13)):
            rows = kept(expert, its, weights)
            tokens = rows // ids.shape[1]
            gate, up = halves(product(x[tokens].float(), w13[expert].float())).chunk(2, dim=1)
            gate, up = (up, gate) if swapped else (gate, up)
            inner = between(halves(activation(gate)) * up)
            scale = weights.flatten()[rows].unsqueeze(1)
            y.index_add_(0, tokens, outputs(outputs(product(inner, w2[expert].float())) * scale))
        return y.bfloat16()

    return run


HONEST = {
    "all in float32": program(between=exact),
    "rounded between the products": program(),
    "rounded halves": program(halves=rounded),
    "rounded between four kernels": program(halves=rounded, outputs=rounded),
}


def refused(case: Case) -> dict[str, Fault]:
    """Honest programs that are refused."""
    contents = TASK.contents(case, 0, "cpu")
    truth = TASK.truth(case, contents)
    faults = {name: TASK.fault(case, contents, truth, (run(**contents),), NOTHING) for name, run in HONEST.items()}
    return {name: fault for name, fault in faults.items() if fault}


@each_law
def test_honest_programs_pass(law: str) -> None:
    for shape in SHAPES:
        assert not refused(a_case(law, *shape)), shape


def test_honest_programs_pass_on_single_tokens() -> None:
    """Of one token roundings do not average out."""
    layer = Layer(hidden=512, inner=64, experts=4, k=2)
    for seed in range(3 * len(LAWS)):
        assert not refused(a_case(LAWS[seed % len(LAWS)], 1, layer, seed=seed)), seed


def test_the_reference_is_the_sum_as_it_is_written() -> None:
    for law in ("zipf", "signed", "zeros", "outliers"):
        contents = TASK.contents(a_case(law), 0, "cpu")
        x, w13, w2, weights, ids = (contents[name].double() for name in TASK.parameters)
        right = torch.zeros(x.shape, dtype=torch.float64)
        for token in range(len(x)):
            for j in range(ids.shape[1]):
                both = w13[int(ids[token, j])] @ x[token]
                gate, up = both[: len(both) // 2], both[len(both) // 2 :]
                right[token] += weights[token, j] * (w2[int(ids[token, j])] @ (gate * torch.sigmoid(gate) * up))
        found = experts_judge.truth(contents)
        assert torch.allclose(found.right, right, rtol=1e-12, atol=1e-12)
        assert not bool((found.sizes == 0).logical_xor((right == 0).all(dim=1)).any())


@each_law
def test_contents_are_of_the_declared_forms_and_fresh(law: str) -> None:
    case = a_case(law)
    contents = TASK.contents(case, 0, "cpu")
    assert tuple(contents) == tuple(case.call.tensors) == TASK.parameters
    for name, form in case.call.tensors.items():
        tensor = contents[name]
        assert (str(tensor.dtype), tuple(tensor.shape)) == (f"torch.{form.dtype}", form.shape)
        assert tensor.is_contiguous()
        assert bool(torch.isfinite(tensor).all())
    ids = contents["ids"].sort(dim=1).values
    assert int(ids.min()) >= 0
    assert int(ids.max()) < LAYER.experts
    assert bool((ids[:, 1:] > ids[:, :-1]).all()), "a token names no expert twice"
    again, other = TASK.contents(case, 0, "cpu"), TASK.contents(case, 1, "cpu")
    assert all(torch.equal(contents[name], again[name]) for name in contents)
    assert all(not torch.equal(contents[name], other[name]) for name in ("x", "w13", "w2"))


def counts(law: str, tokens: int = 400) -> Any:
    layer = Layer(hidden=64, inner=64, experts=32, k=4)
    return torch.bincount(TASK.contents(a_case(law, tokens, layer), 0, "cpu")["ids"].flatten(), minlength=32)


def test_laws_hold_what_they_promise() -> None:
    def of(law: str) -> Tensors:
        return TASK.contents(a_case(law, 300), 0, "cpu")

    assert sorted(counts("few").tolist())[-4:] == [400] * 4
    assert int(counts("few").sum()) == 1600
    assert int(counts("one_expert").max()) == 400
    assert int(counts("ends")[4:-4].sum()) == 0
    assert set(counts("signed").tolist()) == {50}
    assert float(counts("uniform").max()) < 1.6 * 50
    assert 2 * 50 < float(counts("zipf").max()) < float(counts("steep").max()) <= 400
    zero = of("zeros")["weights"] == 0
    assert bool(zero.all(dim=1).any())
    assert bool((of("zeros")["x"] == 0).all(dim=1).any())
    assert bool((of("signed")["weights"] < 0).any())
    assert bool(((of("one_hot")["weights"] != 0).sum(dim=1) == 1).all())
    assert set(of("ends")["x"].flatten().tolist()) == {0.0, 1.0}
    assert bool((of("equal")["x"] == of("equal")["x"][:1]).all())
    router = of("uniform")["weights"]
    assert torch.allclose(router.sum(dim=1), torch.ones(300))
    assert bool((router[:, 1:] <= router[:, :-1]).all())
    outliers = of("outliers")
    gates = outliers["x"].float() @ outliers["w13"][0, : LAYER.inner].float().T
    assert float(gates.abs().max()) > 89, "its exponential overflows float32"


def one_missing(expert: int, rows: Any, weights: Any) -> Any:
    return rows[:0] if expert == 2 else rows


def one_row_missing(expert: int, rows: Any, weights: Any) -> Any:
    return rows[1:] if expert == 2 else rows


def capped(expert: int, rows: Any, weights: Any) -> Any:
    """No expert takes more than its even share and a quarter."""
    return rows[: int(1.25 * weights.numel() / LONG.experts)]


def smallest_missing(expert: int, rows: Any, weights: Any) -> Any:
    k = weights.shape[1]
    return rows[weights.argmin(dim=1)[rows // k] != rows % k]


def of_last_ids(x: Any, w13: Any, w2: Any, weights: Any, ids: Any) -> Any:
    """Rows sorted once, for other contents."""
    last = TASK.contents(a_case("zipf", len(x), LONG), 7, "cpu")["ids"]
    return HONEST["all in float32"](x, w13, w2, weights, last)


def unweighted(x: Any, w13: Any, w2: Any, weights: Any, ids: Any) -> Any:
    return HONEST["all in float32"](x, w13, w2, torch.full_like(weights, 1 / ids.shape[1]), ids)


def weights_in_order(x: Any, w13: Any, w2: Any, weights: Any, ids: Any) -> Any:
    """Weights taken by the order of experts, not of choices."""
    return HONEST["all in float32"](x, w13, w2, weights.gather(1, ids.long().argsort(dim=1)), ids)


def scaled(x: Any, w13: Any, w2: Any, weights: Any, ids: Any) -> Any:
    return HONEST["rounded halves"](x, w13, w2, weights * 0.998, ids)


def quantised(x: Any, w13: Any, w2: Any, weights: Any, ids: Any) -> Any:
    """Weights of experts at eight bits."""
    eight = [part.to(torch.float8_e4m3fn).bfloat16() for part in (w13 * 16, w2 * 16)]
    return HONEST["all in float32"](x, eight[0] / 16, eight[1] / 16, weights, ids)


def last_columns_missing(x: Any, w13: Any, w2: Any, weights: Any, ids: Any) -> Any:
    y = HONEST["all in float32"](x, w13, w2, weights, ids)
    y[:, -2:] = 0
    return y


def tail_of_sums_missing(x: Any, w13: Any, w2: Any, weights: Any, ids: Any) -> Any:
    shorter = w13.clone()
    shorter[..., -8:] = 0
    return HONEST["all in float32"](x, shorter, w2, weights, ids)


def overflowing(values: Any) -> Any:
    return values * values.exp() / (1 + values.exp())


@pytest.mark.parametrize(
    ("run", "law", "checks"),
    [
        (program(kept=one_missing), "zipf", {"element"}),
        (program(kept=one_row_missing), "uniform", {"element"}),
        (program(kept=capped), "zipf", {"element"}),
        (program(kept=capped), "few", {"element"}),
        (program(kept=smallest_missing), "uniform", {"element"}),
        (of_last_ids, "zipf", {"element"}),
        (unweighted, "uniform", {"element"}),
        (weights_in_order, "uniform", {"element"}),
        (program(swapped=True), "uniform", {"element"}),
        (program(activation=torch.nn.functional.gelu), "uniform", {"element"}),
        (program(activation=torch.sigmoid), "uniform", {"element"}),
        (program(product=in_bf16), "uniform", {"global", "row"}),
        (program(activation=overflowing), "outliers", {"finite"}),
        (scaled, "uniform", {"bias"}),
        (quantised, "uniform", {"element", "row"}),
        (last_columns_missing, "uniform", {"element"}),
        (tail_of_sums_missing, "uniform", {"element", "row"}),
        (lambda x, **_: torch.zeros_like(x), "uniform", {"element"}),
        (lambda x, **_: x.clone(), "uniform", {"element"}),
    ],
    ids=lambda value: getattr(value, "__name__", "") if callable(value) else value if isinstance(value, str) else "",
)
def test_cheats_are_found(run: Callable[..., Any], law: str, checks: set[str]) -> None:
    for seed in range(2):
        found = judge(a_case(law, 64, LONG, seed=seed), run)
        assert found is not None
        assert found.check in checks, found.reason


def test_a_missing_expert_of_one_token_is_found_beside_many_others() -> None:
    case = a_case("uniform", 300)
    contents = TASK.contents(case, 0, "cpu")
    weights = contents["weights"].clone()
    weights[211, 2] = 0
    y = HONEST["rounded halves"](**{**contents, "weights": weights})
    found = TASK.fault(case, contents, TASK.truth(case, contents), (y,), NOTHING)
    assert found is not None
    assert found.reason.startswith("y[211, ")


@pytest.mark.parametrize("check", TASK.checks)
def test_each_check_stands_alone_against_something(check: str) -> None:
    spoil = TASK.spoils()[check]
    for seed in range(3):
        case = TASK.audit_case(seed)
        contents = TASK.contents(case, 0, "cpu")
        truth = TASK.truth(case, contents)
        outputs = (HONEST["rounded halves"](**contents),)
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
    assert tuple(experts_judge.CHECKS) == TASK.checks == tuple(TASK.spoils())


def test_experts_without_rows_are_left_out() -> None:
    ids = torch.tensor([[5, 1], [1, 3]], dtype=torch.int32)
    found = {expert: rows.tolist() for expert, rows in experts_judge.rows_by_expert(ids, 7)}
    assert found == {1: [1, 2], 3: [3], 5: [0]}
    assert not list(experts_judge.rows_by_expert(ids[:0], 7))


def test_a_fault_says_what_where_and_by_how_much() -> None:
    case = a_case("uniform")
    contents = TASK.contents(case, 0, "cpu")
    truth = TASK.truth(case, contents)
    y = HONEST["all in float32"](**contents)
    y[7, 3] = float("nan")
    found = TASK.fault(case, contents, truth, (y,), NOTHING)
    assert found == Fault(check="finite", reason="y[7, 3] is nan; 1 of 5888 are not finite")
    y = HONEST["all in float32"](**contents)
    y[9, 100] += 1
    found = TASK.fault(case, contents, truth, (y,), NOTHING)
    assert found is not None
    assert found.reason.startswith("y[9, 100] is ")
    assert "1 of 5888 elements are wrong" in found.reason
