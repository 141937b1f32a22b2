"""The seeds of `eplb`: published and hand-computed examples, then laws on random shapes."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from seeds import ROOT, read_seeds, read_statement

FOLDER = ROOT / "eplb"
SOURCES = {seed.name: seed.source for seed in read_seeds(FOLDER)}
ALLOWED_IMPORTS = {"numpy", "math", "heapq", "itertools", "functools", "collections"}
COMPONENTS = {
    "forecast": ["history"],
    "replicate": ["load", "num_slots"],
    "pack": ["load", "counts", "num_gpus"],
    "refine": ["slots", "load", "num_gpus"],
    "settle": ["slots", "previous", "num_gpus"],
    "plan": ["history", "previous", "num_slots", "num_gpus", "num_nodes"],
}
every_seed = pytest.mark.parametrize("name", sorted(SOURCES))
quick = partial(settings, deadline=None, derandomize=True)


def load_program(source: str) -> dict[str, Any]:
    """Run a program's text in a fresh namespace, as a sandbox does."""
    namespace: dict[str, Any] = {"__name__": "candidate"}
    exec(compile(source, "candidate", "exec"), namespace)
    return namespace


def functions(source: str) -> dict[str, ast.FunctionDef]:
    return {node.name: node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)}


def by_gpu(slots: NDArray[Any], num_gpus: int) -> list[list[Counter[int]]]:
    """What each GPU holds, whatever the order: one list of multisets for each layer."""
    return [[Counter(gpu.tolist()) for gpu in layer.reshape(num_gpus, -1)] for layer in slots]


def balance(slots: NDArray[Any], load: NDArray[Any], num_gpus: int) -> NDArray[np.float64]:
    """Mean over maximum GPU load of every layer, computed slot by slot."""
    result = []
    for experts, tokens in zip(slots.tolist(), load.tolist(), strict=True):
        copies = Counter(experts)
        gpu_load = np.array([tokens[e] / copies[e] for e in experts]).reshape(num_gpus, -1).sum(axis=1)
        result.append(gpu_load.mean() / gpu_load.max() if gpu_load.max() > 0 else 1.0)
    return np.array(result)


def moved(slots: NDArray[Any], previous: NDArray[Any], num_gpus: int) -> int:
    pairs = zip(by_gpu(slots, num_gpus), by_gpu(previous, num_gpus), strict=True)
    return sum((a - b).total() for new, old in pairs for a, b in zip(new, old, strict=True))


def shares(slots: NDArray[Any], previous: NDArray[Any], num_gpus: int) -> list[NDArray[np.int64]]:
    """Copies that each new GPU has in common with each old GPU, as a matrix for every layer."""
    pairs = zip(by_gpu(slots, num_gpus), by_gpu(previous, num_gpus), strict=True)
    return [np.array([[(a & b).total() for b in old] for a in new]) for new, old in pairs]


def assert_legal(slots: NDArray[Any], layers: int, num_slots: int, experts: int) -> None:
    assert isinstance(slots, np.ndarray)
    assert slots.dtype == np.int32
    assert slots.shape == (layers, num_slots)
    for layer in slots:
        assert set(layer.tolist()) == set(range(experts))


def random_history(rng: np.random.Generator, windows: int, layers: int, experts: int) -> NDArray[np.float32]:
    """Skewed token counts with some idle experts; read-only, as the judge lends it."""
    mean = 1000 * np.exp(rng.normal(0, 1, (layers, experts))) * (rng.random((layers, experts)) < 0.9)
    history = rng.poisson(mean * rng.lognormal(0, 0.3, (windows, layers, experts))).astype(np.float32)
    history.setflags(write=False)
    return history


def random_plan(rng: np.random.Generator, layers: int, num_slots: int, experts: int) -> NDArray[np.int32]:
    """Any legal plan, copies anywhere; read-only."""
    spare = rng.integers(0, experts, (layers, num_slots - experts))
    every = np.tile(np.arange(experts), (layers, 1))
    slots = rng.permuted(np.concatenate([every, spare], axis=1), axis=1).astype(np.int32)
    slots.setflags(write=False)
    return slots


@st.composite
def shapes(draw: st.DrawFn) -> dict[str, int]:
    num_nodes = draw(st.integers(1, 3))
    num_gpus = num_nodes * draw(st.integers(1, 4))
    num_slots = num_gpus * draw(st.integers(1, 5))
    return {
        "layers": draw(st.integers(1, 4)),
        "experts": draw(st.integers((num_slots + 2) // 3, num_slots)),
        "num_slots": num_slots,
        "num_gpus": num_gpus,
        "num_nodes": num_nodes,
    }


def test_the_seeds_are_those_announced() -> None:
    deepseek = {"deepseek_global", "deepseek_hierarchical"}
    assert set(SOURCES) == deepseek | {"contiguous", "ema", "lpt_swaps", "relabel", "threshold", "zigzag"}
    assert "def plan(history, previous, num_slots, num_gpus, num_nodes):" in read_statement(FOLDER)


@every_seed
def test_a_seed_names_its_source_and_imports_only_what_is_allowed(name: str) -> None:
    tree = ast.parse(SOURCES[name])
    docstring = ast.get_docstring(tree) or ""
    assert docstring.partition("\n")[0].endswith(".")
    assert "Source:" in docstring
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module or ".")
    assert imported <= ALLOWED_IMPORTS


@every_seed
def test_components_have_the_same_names_and_parameters_everywhere(name: str) -> None:
    defined = functions(SOURCES[name])
    assert {"forecast", "replicate", "pack", "plan"} <= set(defined)
    assert ("refine" in defined) == (name == "lpt_swaps")
    assert ("settle" in defined) == (name == "relabel")
    assert ("keep" in defined) == (name == "threshold")
    for component, parameters in COMPONENTS.items():
        if component in defined:
            assert [argument.arg for argument in defined[component].args.args] == parameters
    names = [node for node in ast.walk(defined["plan"]) if isinstance(node, ast.Name)]
    assert {"load", "counts", "slots"} <= {node.id for node in names if isinstance(node.ctx, ast.Store)}


@pytest.mark.parametrize("component", ["forecast", "replicate", "pack"])
@every_seed
def test_components_can_be_exchanged_between_seeds(name: str, component: str) -> None:
    history = random_history(np.random.default_rng(5), 3, 2, 24)
    for donor in SOURCES:
        program = load_program(SOURCES[name])
        program[component] = load_program(SOURCES[donor])[component]
        if "EXPERTS_PER_GROUP" in program:
            program["EXPERTS_PER_GROUP"] = 3
        slots = program["plan"](history=history, previous=None, num_slots=32, num_gpus=8, num_nodes=2)
        assert_legal(slots, 2, 32, 24)


@pytest.mark.parametrize(
    ("donor_name", "statement"),
    [
        ("lpt_swaps", "refine(slots, load, num_gpus)"),
        ("relabel", "settle(slots, previous, num_gpus)"),
        ("threshold", "keep(slots, previous, load, num_gpus)"),
    ],
)
@every_seed
def test_single_steps_can_be_grafted_into_any_plan(name: str, donor_name: str, statement: str) -> None:
    donor = load_program(SOURCES[donor_name])
    tree = ast.parse(SOURCES[name])
    plan = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "plan")
    plan.body[-1:-1] = ast.parse(f"slots = {statement}").body
    grafted = load_program(ast.unparse(tree))
    component = statement.partition("(")[0]
    grafted[component] = donor[component]
    rng = np.random.default_rng(7)
    slots = grafted["plan"](
        history=random_history(rng, 2, 3, 24),
        previous=random_plan(rng, 3, 32, 24),
        num_slots=32,
        num_gpus=8,
        num_nodes=2,
    )
    assert_legal(slots, 3, 32, 24)


def plan_for(name: str, load: list[list[float]], **arguments: Any) -> NDArray[np.int32]:
    history = np.array([load], dtype=np.float32)
    defaults: dict[str, Any] = {"previous": None, "num_nodes": 1}
    slots: NDArray[np.int32] = load_program(SOURCES[name])["plan"](history=history, **(defaults | arguments))
    return slots


def test_hierarchical_reproduces_the_published_example() -> None:
    # github.com/deepseek-ai/EPLB, README, "Interface and Example": 4 groups of 3 experts on 2 nodes.
    weight = [
        [90, 132, 40, 61, 104, 165, 39, 4, 73, 56, 183, 86],
        [20, 107, 104, 64, 19, 197, 187, 157, 172, 86, 16, 27],
    ]
    published = [
        [5, 6, 5, 7, 8, 4, 3, 4, 10, 9, 10, 2, 0, 1, 11, 1],
        [7, 10, 6, 8, 6, 11, 8, 9, 2, 4, 5, 1, 5, 0, 3, 1],
    ]
    program = load_program(SOURCES["deepseek_hierarchical"])
    program["EXPERTS_PER_GROUP"] = 3
    history = np.array([weight], dtype=np.float32)
    slots = program["plan"](history=history, previous=None, num_slots=16, num_gpus=8, num_nodes=2)
    assert by_gpu(slots, 8) == by_gpu(np.array(published), 8)


def test_hierarchical_keeps_each_group_on_one_node() -> None:
    load = random_history(np.random.default_rng(1), 1, 3, 256)[0].tolist()
    slots = plan_for("deepseek_hierarchical", load, num_slots=288, num_gpus=32, num_nodes=4)
    for layer in slots.reshape(3, 4, 72):
        groups = [set((node // 32).tolist()) for node in layer]
        assert [len(group) for group in groups] == [2, 2, 2, 2]


def test_hierarchical_is_global_where_groups_do_not_divide() -> None:
    load = random_history(np.random.default_rng(2), 1, 2, 12)[0].tolist()
    arguments = {"num_slots": 16, "num_gpus": 8, "num_nodes": 2}
    slots = plan_for("deepseek_hierarchical", load, **arguments)
    assert slots.tolist() == plan_for("deepseek_global", load, **arguments).tolist()


def test_global_replicates_the_hottest_and_packs_heaviest_first() -> None:
    # Both spare slots go to expert 0 (9 -> 4.5 -> 3 per copy); then 4 3 3 3 2 2 are dealt to the lighter GPU.
    slots = plan_for("deepseek_global", [[9, 4, 2, 2]], num_slots=6, num_gpus=2)
    assert by_gpu(slots, 2) == [[Counter([1, 0, 3]), Counter([0, 0, 2])]]


def test_packing_keeps_every_gpu_at_its_number_of_slots() -> None:
    # Expert 0 outweighs all others together, yet its GPU takes one of them.
    slots = plan_for("deepseek_global", [[100, 1, 1, 1]], num_slots=4, num_gpus=2)
    assert by_gpu(slots, 2) == [[Counter([0, 3]), Counter([1, 2])]]


def test_contiguous_wraps_round() -> None:
    slots = plan_for("contiguous", [[1, 9, 1, 1], [5, 5, 5, 5]], num_slots=6, num_gpus=2)
    assert slots.tolist() == [[0, 1, 2, 3, 0, 1]] * 2


def test_zigzag_turns_round_at_the_last_gpu() -> None:
    slots = plan_for("zigzag", [[3, 4, 5, 6, 7, 8]], num_slots=6, num_gpus=3)
    assert by_gpu(slots, 3) == [[Counter([5, 0]), Counter([4, 1]), Counter([3, 2])]]


def test_ema_weighs_windows_by_age() -> None:
    program = load_program(SOURCES["ema"])
    program["DECAY"] = 0.5
    history = np.array([[[3.0, 0.0]], [[6.0, 9.0]]], dtype=np.float32)
    np.testing.assert_allclose(program["forecast"](history), [[5.0, 6.0]])
    np.testing.assert_allclose(program["forecast"](history[:1]), [[3.0, 0.0]])


def test_relabel_puts_permuted_gpus_back() -> None:
    settle = load_program(SOURCES["relabel"])["settle"]
    previous = np.array([[0, 1, 2, 3, 4, 5], [5, 4, 3, 2, 1, 0]], dtype=np.int32)
    slots = np.array([[5, 4, 1, 0, 2, 3], [3, 2, 1, 0, 5, 4]])
    assert moved(slots, previous, 3) == 12
    assert moved(settle(slots, previous, 3), previous, 3) == 0


def test_relabel_counts_copies_not_experts() -> None:
    # GPU 0 shares expert 0 with both old GPUs, but two copies of it only with the second.
    settle = load_program(SOURCES["relabel"])["settle"]
    previous = np.array([[0, 1, 2, 0, 0, 3]], dtype=np.int32)
    slots = np.array([[0, 0, 1, 2, 3, 0]])
    assert moved(settle(slots, previous, 2), previous, 2) == 2


def test_refine_finds_the_exchange_that_levels_two_gpus() -> None:
    refine = load_program(SOURCES["lpt_swaps"])["refine"]
    load = np.array([[4.0, 3.0, 2.0, 1.0]])
    slots = refine(np.array([[0, 1, 2, 3]]), load, 2)
    assert balance(slots, load, 2).tolist() == [1.0]


@every_seed
@given(shape=shapes(), seed=st.integers(0, 2**32 - 1), windows=st.integers(1, 16), group=st.integers(1, 4))
@quick(max_examples=40)
def test_plans_are_legal_and_deterministic(
    name: str, shape: dict[str, int], seed: int, windows: int, group: int
) -> None:
    rng = np.random.default_rng(seed)
    layers, experts, num_slots = shape["layers"], shape["experts"], shape["num_slots"]
    history = random_history(rng, windows, layers, experts)
    arguments = {key: shape[key] for key in ("num_slots", "num_gpus", "num_nodes")}
    for previous in (None, random_plan(rng, layers, num_slots, experts)):
        plans = []
        for _ in range(2):
            program = load_program(SOURCES[name])
            if "EXPERTS_PER_GROUP" in program:
                program["EXPERTS_PER_GROUP"] = group
            plans.append(program["plan"](history=history, previous=previous, **arguments))
        assert_legal(plans[0], layers, num_slots, experts)
        assert plans[0].tolist() == plans[1].tolist()


@pytest.mark.parametrize(
    ("experts", "num_slots", "num_gpus", "num_nodes"),
    [
        (64, 80, 8, 1),
        (256, 288, 32, 4),
        (384, 448, 64, 8),
        (128, 128, 32, 4),
        (256, 256, 128, 16),
        (8, 8, 8, 1),
    ],
)
@every_seed
def test_plans_are_legal_at_served_shapes(
    name: str, experts: int, num_slots: int, num_gpus: int, num_nodes: int
) -> None:
    rng = np.random.default_rng(experts)
    plan = load_program(SOURCES[name])["plan"]
    arguments = {"num_slots": num_slots, "num_gpus": num_gpus, "num_nodes": num_nodes}
    previous = None
    for window in range(2):
        history = random_history(rng, window + 1, 3, experts)
        previous = plan(history=history, previous=previous, **arguments)
        assert_legal(previous, 3, num_slots, experts)


@every_seed
def test_windows_without_any_load_are_planned_for(name: str) -> None:
    history = np.zeros((2, 2, 12), dtype=np.float32)
    plan = load_program(SOURCES[name])["plan"]
    assert_legal(plan(history=history, previous=None, num_slots=16, num_gpus=4, num_nodes=2), 2, 16, 12)


def pair_of_plans(shape: dict[str, int], seed: int, changed: float) -> tuple[NDArray[Any], NDArray[Any]]:
    """Two legal plans of which a share of the slots differs: the second one exchanges slots at random."""
    rng = np.random.default_rng(seed)
    layers, num_slots = shape["layers"], shape["num_slots"]
    previous = random_plan(rng, layers, num_slots, shape["experts"])
    slots = previous.astype(np.int64)
    for layer in slots:
        place = np.flatnonzero(rng.random(num_slots) < changed)
        layer[place] = rng.permutation(layer[place])
    return slots, previous


@given(shape=shapes(), seed=st.integers(0, 2**32 - 1), changed=st.sampled_from([0.0, 0.3, 0.7, 1.0]))
@quick(max_examples=150)
def test_settle_permutes_gpus_and_is_the_optimal_assignment(shape: dict[str, int], seed: int, changed: float) -> None:
    settle = load_program(SOURCES["relabel"])["settle"]
    num_gpus = shape["num_gpus"]
    slots, previous = pair_of_plans(shape, seed, changed)
    settled = settle(slots, previous, num_gpus)
    for before, after in zip(by_gpu(slots, num_gpus), by_gpu(settled, num_gpus), strict=True):
        assert sorted(sorted(gpu.elements()) for gpu in before) == sorted(sorted(g.elements()) for g in after)
    assert moved(settled, previous, num_gpus) <= moved(slots, previous, num_gpus)
    kept = sum(
        int(value[linear_sum_assignment(value, maximize=True)].sum()) for value in shares(slots, previous, num_gpus)
    )
    assert moved(settled, previous, num_gpus) == slots.size - kept


@given(n=st.integers(1, 24), high=st.integers(1, 40), unit=st.sampled_from([1, 3, 7]), seed=st.integers(0, 999))
@quick(max_examples=150)
def test_assign_agrees_with_scipy(n: int, high: int, unit: int, seed: int) -> None:
    assign = load_program(SOURCES["relabel"])["assign"]
    value = np.random.default_rng(seed).integers(0, high, (4, n, n)) / unit
    columns = assign(value)
    assert np.sort(columns, axis=1).tolist() == [list(range(n))] * 4
    for matrix, column in zip(value, columns, strict=True):
        best = matrix[linear_sum_assignment(matrix, maximize=True)].sum()
        assert matrix[np.arange(n), column].sum() == pytest.approx(best)


@given(shape=shapes(), seed=st.integers(0, 2**32 - 1))
@quick(max_examples=100)
def test_refine_keeps_copies_and_never_lowers_the_balance(shape: dict[str, int], seed: int) -> None:
    refine: Callable[..., NDArray[Any]] = load_program(SOURCES["lpt_swaps"])["refine"]
    rng = np.random.default_rng(seed)
    load = random_history(rng, 1, shape["layers"], shape["experts"])[0].astype(np.float64)
    slots = random_plan(rng, shape["layers"], shape["num_slots"], shape["experts"])
    refined = refine(slots, load, shape["num_gpus"])
    assert np.sort(refined, axis=1).tolist() == np.sort(slots, axis=1).tolist()
    before, after = (balance(plan, load, shape["num_gpus"]) for plan in (slots, refined))
    assert (after >= before - 1e-9).all()


def test_refine_gains_on_packings_of_skewed_loads() -> None:
    history = random_history(np.random.default_rng(3), 1, 8, 64)
    arguments: dict[str, Any] = {"previous": None, "num_slots": 80, "num_gpus": 8, "num_nodes": 1}
    packed, swapped = (
        balance(load_program(SOURCES[name])["plan"](history=history, **arguments), history[0], 8)
        for name in ("deepseek_global", "lpt_swaps")
    )
    assert (swapped >= packed).all()
    assert (swapped > packed).any()
