"""The seeds of `bias_control`: worked examples of each algorithm, then laws on random shapes."""

from __future__ import annotations

import ast
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

from seeds import ROOT, read_export, read_seeds, read_statement

FOLDER = ROOT / "bias_control"
SOURCES = {seed.name: seed.source for seed in read_seeds(FOLDER)}
ALLOWED_IMPORTS = {"numpy", "math", "heapq", "itertools", "functools", "collections"}
COMPONENTS = {
    "error": ["load"],
    "token_prices": ["affinity", "prices", "top_k"],
    "expert_prices": ["affinity", "tokens", "room"],
    "potentials": ["affinity", "start", "temperature", "rounds"],
    "update": ["affinity", "load", "bias", "top_k"],
}
every_seed = pytest.mark.parametrize("name", sorted(SOURCES))
quick = partial(settings, deadline=None, derandomize=True)

Floats = NDArray[np.float32]


def load_program(source: str) -> dict[str, Any]:
    """Run a program's text in a fresh namespace, as a sandbox does."""
    namespace: dict[str, Any] = {"__name__": "candidate"}
    exec(compile(source, "candidate", "exec"), namespace)
    return namespace


def draw(tokens: int, experts: int, seed: int, spread: float = 0.7) -> Floats:
    """Affinities with popular experts."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(-2, spread, experts) + rng.normal(0, 1.2, (tokens, experts))
    affinity: Floats = (1 / (1 + np.exp(-logits))).astype(np.float32)
    return affinity


def loads(affinity: Floats, bias: Floats, top_k: int) -> NDArray[np.int32]:
    chosen = np.argsort(-(affinity + bias), axis=1)[:, :top_k]
    return np.bincount(chosen.ravel(), minlength=affinity.shape[1]).astype(np.int32)


def max_vio(load: NDArray[np.int32]) -> float:
    return float(load.max() / load.mean() - 1)


def follow(name: str, affinity: Floats, top_k: int, times: int) -> tuple[Floats, list[float]]:
    """The same batch again and again: the last bias, and MaxVio with each."""
    update = load_program(SOURCES[name])["update"]
    bias = np.zeros(affinity.shape[1], dtype=np.float32)
    affinity.flags.writeable = False
    found = []
    for _ in range(times):
        load = loads(affinity, bias, top_k)
        bias.flags.writeable = load.flags.writeable = False
        bias = update(affinity=affinity, load=load, bias=bias, top_k=top_k)
        found.append(max_vio(loads(affinity, bias, top_k)))
    return bias, found


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
            assert [argument.arg for argument in node.args.args] == COMPONENTS[node.name]


def test_the_statement_names_interface_and_components() -> None:
    statement = read_statement(FOLDER)
    for name, parameters in COMPONENTS.items():
        assert f"{name}({', '.join(parameters)})" in statement
    for word in ("kept - 0.1 * max_vio", "90 ms for 1024 tokens x 64"):
        assert word in statement


def test_none_is_none() -> None:
    bias, _ = follow("none", draw(64, 8, 0), 2, 3)
    assert bias.tolist() == [0] * 8


@pytest.mark.parametrize(("name", "rate"), [("loss_free", 0.001), ("loss_free_fast", 0.01)])
def test_sign_updates_step_by_the_rate_and_leave_the_mean_alone(name: str, rate: float) -> None:
    """Loads 6, 2, 4, 4 around a mean of 4: the first falls, the second rises, the others stay."""
    update = load_program(SOURCES[name])["update"]
    bias = np.array([0.5, 0, 0, 0.25], dtype=np.float32)
    moved = update(np.zeros((8, 4), np.float32), np.array([6, 2, 4, 4], np.int32), bias, 2)
    assert moved == pytest.approx([0.5 - rate, rate, 0, 0.25])


def test_proportional_updates_are_larger_where_the_error_is() -> None:
    update = load_program(SOURCES["proportional"])["update"]
    zeros = np.zeros(4, dtype=np.float32)
    moved = update(np.zeros((8, 4), np.float32), np.array([8, 0, 2, 6], np.int32), zeros, 2)
    assert moved == pytest.approx([-0.02, 0.02, 0.01, -0.01])
    doubled = update(np.zeros((16, 4), np.float32), np.array([16, 0, 4, 12], np.int32), zeros, 2)
    assert doubled == pytest.approx(moved)


def test_bip_prices_by_hand() -> None:
    """Four tokens, two experts, one visit each: all four like the first, and room is for two.

    A token's price is its second affinity: .1, .2, .3, .4. What the first expert still gains is then .8, .6, .4, .2,
    and with two visits left the price is the third of these, .4.
    """
    program = load_program(SOURCES["bip"])
    affinity = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.6, 0.4]], dtype=np.float32)
    tokens = program["token_prices"](affinity, np.zeros(2), 1)
    assert tokens == pytest.approx([0.1, 0.2, 0.3, 0.4])
    assert program["expert_prices"](affinity, tokens, 2) == pytest.approx([0.4, 0])
    bias = program["update"](affinity, np.array([4, 0], np.int32), np.zeros(2, np.float32), 1)
    assert loads(affinity, bias + np.array([-1e-4, 0], np.float32), 1).tolist() == [2, 2]


def test_bip_balances_a_batch_that_it_knows_and_small_signs_do_not() -> None:
    """The order that is published: prices of the batch itself even it out at once, signs of .001 need thousands."""
    affinity = draw(1024, 64, 3)
    start = max_vio(loads(affinity, np.zeros(64, np.float32), 6))
    _, bip = follow("bip", affinity, 6, 4)
    _, sign = follow("loss_free", affinity, 6, 4)
    assert start > 1.5
    assert bip[0] < 0.4
    assert bip[-1] < 0.2
    assert sign[-1] > 0.9 * start


def test_sinkhorn_rests_while_loads_are_even() -> None:
    update = load_program(SOURCES["sinkhorn"])["update"]
    affinity, bias = draw(64, 4, 1), np.array([0.1, 0, -0.1, 0], dtype=np.float32)
    assert np.array_equal(update(affinity, np.array([33, 31, 32, 32], np.int32), bias, 2), bias)
    assert not np.array_equal(update(affinity, np.array([60, 20, 24, 24], np.int32), bias, 2), bias)


def test_sinkhorns_plan_has_equal_columns() -> None:
    program = load_program(SOURCES["sinkhorn"])
    affinity = draw(256, 8, 2).astype(np.float64)
    found = program["potentials"](affinity, np.zeros(8), 0.2, 200)
    plan = np.exp((affinity + found) / 0.2)
    plan /= plan.sum(axis=1, keepdims=True)
    assert plan.sum(axis=0) == pytest.approx([32] * 8, rel=1e-3)
    assert found.mean() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("name", ["loss_free_fast", "proportional", "bip", "sinkhorn"])
def test_loads_become_more_even_on_the_same_batch(name: str) -> None:
    affinity = draw(512, 32, 5)
    start = max_vio(loads(affinity, np.zeros(32, np.float32), 4))
    assert follow(name, affinity, 4, 15)[1][-1] < 0.7 * start


@every_seed
@given(
    shape=st.sampled_from([(64, 8, 1), (96, 16, 4), (256, 64, 6), (32, 128, 8)]),
    seed=st.integers(0, 2**32 - 1),
    spread=st.sampled_from([0.0, 1.0, 5.0]),
)
@quick(max_examples=8)
def test_biases_are_legal_and_deterministic(name: str, shape: tuple[int, int, int], seed: int, spread: float) -> None:
    tokens, experts, top_k = shape
    affinity = draw(tokens, experts, seed, spread)
    first, again = (follow(name, affinity, top_k, 3)[0] for _ in range(2))
    assert first.dtype == np.float32
    assert first.shape == (experts,)
    assert np.isfinite(first).all()
    assert np.array_equal(first, again)


@pytest.mark.parametrize("name", ["loss_free", "bip", "sinkhorn"])
def test_the_export_runs_where_nothing_of_ours_is_installed(name: str, tmp_path: Path) -> None:
    (tmp_path / "winner.py").write_text(SOURCES[name], encoding="utf-8")
    texts = read_export(FOLDER, "winner")
    benchmark = texts.benchmark.replace("BATCHES = 24", "BATCHES = 4")
    assert benchmark != texts.benchmark
    checks = texts.test.replace("import pytest\n", "").replace('@pytest.mark.parametrize("shape", SHAPES)\n', "")
    checks += (
        "\nfor shape in SHAPES:\n    test_biases_are_legal_batch_after_batch(shape)\n"
        "test_input_is_left_alone()\ntest_all_tokens_on_the_same_experts_is_answered_too()\n"
    )
    for text, words in ((texts.usage, ""), (benchmark, "max_vio"), (checks, "")):
        (tmp_path / "run.py").write_text(
            f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n" + text, encoding="utf-8"
        )
        done = subprocess.run(
            [sys.executable, "-I", str(tmp_path / "run.py")], capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr
        assert words in done.stdout
