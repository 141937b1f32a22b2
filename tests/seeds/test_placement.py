"""The seeds of `placement`: worked examples of each algorithm, then laws on random shapes."""

from __future__ import annotations

import ast
import itertools
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from seeds import ROOT, read_export, read_seeds, read_statement

FOLDER = ROOT / "placement"
SOURCES = {seed.name: seed.source for seed in read_seeds(FOLDER)}
ALLOWED_IMPORTS = {"numpy", "math", "heapq", "itertools", "functools", "collections"}
COMPONENTS = {
    "balanced": ["load", "num_gpus"],
    "chain": ["transitions", "num_gpus", "num_nodes"],
    "sweep": ["placement", "transitions", "num_gpus", "num_nodes"],
    "refine": ["placement", "transitions", "load", "num_gpus", "num_nodes"],
    "place": ["transitions", "load", "num_gpus", "num_nodes"],
}
every_seed = pytest.mark.parametrize("name", sorted(SOURCES))
quick = partial(settings, deadline=None, derandomize=True)


def load_program(source: str) -> dict[str, Any]:
    """Run a program's text in a fresh namespace, as a sandbox does."""
    namespace: dict[str, Any] = {"__name__": "candidate"}
    exec(compile(source, "candidate", "exec"), namespace)
    return namespace


def place(name: str, transitions: object, load: object, num_gpus: int, num_nodes: int = 1) -> NDArray[np.int32]:
    table, loads = np.array(transitions, dtype=np.float32), np.array(load, dtype=np.float32)
    table.flags.writeable = loads.flags.writeable = False
    placement: NDArray[np.int32] = load_program(SOURCES[name])["place"](
        transitions=table, load=loads, num_gpus=num_gpus, num_nodes=num_nodes
    )
    return placement


def assert_legal(placement: NDArray[Any], layers: int, experts: int, num_gpus: int) -> None:
    assert isinstance(placement, np.ndarray)
    assert placement.dtype == np.int32
    assert placement.shape == (layers, experts)
    for row in placement:
        assert np.bincount(row, minlength=num_gpus).tolist() == [experts // num_gpus] * num_gpus


def crossing(placement: NDArray[Any], transitions: NDArray[Any]) -> float:
    """Moves that cross, counted one by one."""
    total = 0.0
    for pair, table in enumerate(transitions):
        for i, j in itertools.product(range(len(table)), repeat=2):
            total += float(table[i, j]) * (placement[pair, i] != placement[pair + 1, j])
    return total


def groups(layers: int, gpus: int, room: int, seed: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Tokens keep to groups of experts that are shuffled in every layer: transitions, load, and the groups."""
    rng = np.random.default_rng(seed)
    member = np.stack([rng.permutation(np.repeat(np.arange(gpus), room)) for _ in range(layers)])
    transitions = np.stack([10.0 * (member[i][:, None] == member[i + 1]) for i in range(layers - 1)])
    return transitions + rng.random(transitions.shape), np.full((layers, gpus * room), 10.0 * room), member


@every_seed
def test_a_seed_says_what_it_is_and_imports_only_what_is_allowed(name: str) -> None:
    tree = ast.parse(SOURCES[name])
    docstring = ast.get_docstring(tree)
    assert docstring is not None
    assert "Source: " in docstring
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            assert {alias.name.split(".")[0] for alias in node.names} <= ALLOWED_IMPORTS
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            assert ast.get_docstring(node)
            if node.name in COMPONENTS:
                assert [argument.arg for argument in node.args.args] == COMPONENTS[node.name]


def test_the_statement_names_interface_and_components() -> None:
    statement = read_statement(FOLDER)
    for name, parameters in COMPONENTS.items():
        assert f"{name}({', '.join(parameters)})" in statement
    for word in ("0.4 * crossing", "0.9 * leaving", "1.0 * imbalance", "0.23 s", "0.42 s", "0.50 s"):
        assert word in statement


def test_contiguous_is_in_order() -> None:
    assert place("contiguous", np.ones((1, 4, 4)), np.ones((2, 4)), 2).tolist() == [[0, 0, 1, 1]] * 2


def test_lpt_packs_the_heaviest_first_with_equal_numbers() -> None:
    """9, 8, 5, 4, 3, 1 on two GPUs: 9 | 8, 5 to the second, 4 to the first, 3 to the first (a tie), 1 where room is."""
    placement = place("lpt", np.ones((1, 6, 6)), [[3, 9, 1, 5, 8, 4], [1, 1, 1, 1, 1, 1]], 2)
    assert placement[0].tolist() == [0, 0, 1, 1, 1, 0]


def test_exflow_brings_the_experts_of_a_path_together() -> None:
    """ExFlow's own picture: each expert of layer 0 sends most tokens to one expert of layer 1, out of order."""
    transitions = np.array([[[1, 9, 0, 0], [0, 0, 1, 9], [9, 1, 0, 0], [0, 0, 9, 1]]])
    placement = place("exflow", transitions, np.full((2, 4), 10), 4)
    assert placement.tolist() == [[0, 1, 2, 3], [2, 0, 3, 1]]


def test_exflow_keeps_within_the_node_what_cannot_stay_on_the_gpu() -> None:
    """Tokens of the experts 0 and 1 both want expert 0 of the next layer, and of 2 and 3 expert 3."""
    transitions = np.array([[[9, 3, 1, 0], [8, 4, 0, 1], [1, 0, 3, 9], [0, 1, 4, 8]]])
    placement = place("exflow", transitions, np.full((2, 4), 10), 4, 2)
    assert (placement[1] // 2).tolist() == [0, 0, 1, 1]


@given(seed=st.integers(0, 2**32 - 1), shape=st.sampled_from([(12, 3), (16, 4), (16, 8)]))
@quick(max_examples=40)
def test_exflows_assignment_is_near_the_optimum(seed: int, shape: tuple[int, int]) -> None:
    experts, gpus = shape
    value = np.random.default_rng(seed).gamma(0.5, size=(experts, gpus)).astype(np.float32)
    row = load_program(SOURCES["exflow"])["assign"](value, gpus)
    assert np.bincount(row, minlength=gpus).tolist() == [experts // gpus] * gpus
    best = np.repeat(value, experts // gpus, axis=1)
    best_value = best[linear_sum_assignment(best, maximize=True)].sum()
    assert 0.85 * best_value <= value[np.arange(experts), row].sum() <= best_value * (1 + 1e-6)


def test_a_sweep_of_exflow_never_costs_hops() -> None:
    rng = np.random.default_rng(0)
    program = load_program(SOURCES["exflow"])
    transitions = rng.gamma(0.3, size=(5, 12, 12)).astype(np.float32)
    placement = program["chain"](transitions, 4, 1)
    swept = program["sweep"](placement, transitions, 4, 1)
    assert crossing(swept, transitions) <= crossing(placement, transitions) * (1 + 1e-6)


def test_moetuner_keeps_the_clusters_of_equal_load_and_moves_them_to_where_their_tokens_are() -> None:
    """Loads 4, 3, 2, 1: clusters {4, 1} and {3, 2}; tokens go from one cluster to the other, so layer 1 is turned."""
    transitions = np.array([[[0, 4, 4, 0], [4, 0, 0, 4], [4, 0, 0, 4], [0, 4, 4, 0]]])
    placement = place("moetuner", transitions, [[4, 3, 2, 1]] * 2, 2)
    assert placement.tolist() == [[0, 1, 1, 0], [1, 0, 0, 1]]


@given(seed=st.integers(0, 2**32 - 1))
@quick(max_examples=25)
def test_moetuner_leaves_loads_as_lpt_packs_them(seed: int) -> None:
    rng = np.random.default_rng(seed)
    transitions, load = rng.poisson(2, (3, 16, 16)), rng.poisson(30, (4, 16)).astype(np.float32)
    sums = [
        np.sort([np.bincount(row, weights=own, minlength=4) for row, own in zip(found, load, strict=True)], axis=1)
        for found in (place("moetuner", transitions, load, 4), place("lpt", transitions, load, 4))
    ]
    assert np.array_equal(sums[0], sums[1])
    ours, lpt = (crossing(place(name, transitions, load, 4), transitions) for name in ("moetuner", "lpt"))
    assert ours <= lpt * 1.05


def test_swaps_find_most_of_planted_groups_and_keep_loads_even() -> None:
    transitions, load, member = groups(6, 4, 4, seed=1)
    start = crossing(place("lpt", transitions, load, 4), transitions)
    refined = place("swaps", transitions, load, 4)
    assert crossing(refined, transitions) < 0.5 * start
    assert crossing(member, transitions) < 0.3 * start


@given(seed=st.integers(0, 2**32 - 1), skew=st.sampled_from([0.3, 1.0]))
@quick(max_examples=15)
def test_exchanges_gain_on_what_they_weigh(seed: int, skew: float) -> None:
    """Moves saved minus the penalty on squared loads never falls."""
    rng = np.random.default_rng(seed)
    program = load_program(SOURCES["swaps"])
    seats = np.stack([rng.permutation(24).reshape(4, 6) for _ in range(3)])
    saved = rng.normal(size=(3, 24, 4)).astype(np.float32)
    weight = np.exp(rng.normal(0, skew, (3, 24))).astype(np.float32)
    weight *= 4 / weight.sum(axis=1, keepdims=True)

    def worth(held: NDArray[Any]) -> NDArray[Any]:
        gained = np.array([[saved[m, held[m, g], g].sum() for g in range(4)] for m in range(3)]).sum(axis=1)
        loads = np.array([[weight[m, held[m, g]].sum() for g in range(4)] for m in range(3)])
        result: NDArray[Any] = gained - 0.5 * ((loads - 1) ** 2).sum(axis=1)
        return result

    before = worth(seats)
    kept = seats.copy()
    program["exchange"](seats, saved, weight, 0.5, np.random.default_rng(0))
    assert (worth(seats) >= before - 1e-4).all()
    assert worth(seats).sum() > before.sum() + 0.1
    assert np.array_equal(np.sort(seats.reshape(3, -1), axis=1), np.sort(kept.reshape(3, -1), axis=1))


@every_seed
@given(
    shape=st.sampled_from([(2, 4, 2, 1), (3, 12, 3, 1), (5, 16, 8, 4), (4, 32, 4, 2), (3, 8, 8, 2), (2, 6, 1, 1)]),
    seed=st.integers(0, 2**32 - 1),
    scale=st.sampled_from([0.0, 0.2, 50.0]),
)
@quick(max_examples=20)
def test_placements_are_legal_and_deterministic(
    name: str, shape: tuple[int, int, int, int], seed: int, scale: float
) -> None:
    layers, experts, gpus, nodes = shape
    rng = np.random.default_rng(seed)
    transitions = rng.poisson(scale, (layers - 1, experts, experts))
    load = rng.poisson(4 * scale, (layers, experts))
    first, again = (place(name, transitions, load, gpus, nodes) for _ in range(2))
    assert_legal(first, layers, experts, gpus)
    assert np.array_equal(first, again)


@every_seed
@pytest.mark.parametrize("shape", [(3, 64, 8, 1), (3, 128, 16, 2), (3, 256, 64, 8), (2, 384, 48, 6)])
def test_placements_are_legal_at_served_shapes(name: str, shape: tuple[int, int, int, int]) -> None:
    layers, experts, gpus, nodes = shape
    rng = np.random.default_rng(experts)
    assert_legal(
        place(name, rng.poisson(1, (layers - 1, experts, experts)), rng.poisson(50, (layers, experts)), gpus, nodes),
        layers,
        experts,
        gpus,
    )


@pytest.mark.parametrize("name", ["lpt", "swaps"])
def test_the_export_runs_where_nothing_of_ours_is_installed(name: str, tmp_path: Path) -> None:
    (tmp_path / "winner.py").write_text(SOURCES[name], encoding="utf-8")
    texts = read_export(FOLDER, "winner")
    # A small table only: that the texts run is what counts here.
    benchmark = texts.benchmark.replace("[(26, 64, 6, 8, 1), (12, 128, 8, 16, 2)]", "[(4, 16, 2, 4, 2)]")
    assert benchmark != texts.benchmark
    benchmark = benchmark.replace("TOKENS = 4096", "TOKENS = 256")
    checks = texts.test.replace("import pytest\n", "").replace('@pytest.mark.parametrize("shape", SHAPES)\n', "")
    checks += (
        "\nfor shape in SHAPES:\n    test_placements_are_legal_call_after_call(shape)\n"
        "test_input_is_left_alone()\ntest_counts_of_nothing_are_placed_too()\n"
    )
    for text, words in ((texts.usage, ""), (benchmark, "crossing"), (checks, "")):
        (tmp_path / "run.py").write_text(
            f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n" + text, encoding="utf-8"
        )
        done = subprocess.run(
            [sys.executable, "-I", str(tmp_path / "run.py")], capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr
        assert words in done.stdout
