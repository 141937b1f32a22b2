"""The seeds of `expert_cache`: hand-computed examples, then laws that hold for all of them."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seeds import ROOT, read_export, read_seeds, read_statement

FOLDER = ROOT / "expert_cache"
SOURCES = {seed.name: seed.source for seed in read_seeds(FOLDER)}
COMPONENTS = {
    "note": ["step", "layer", "ids", "weights", "state"],
    "keep": ["layer", "state"],
    "fetch": ["guess", "layer", "state"],
    "merge": ["kept", "wanted", "state"],
    "value": ["step", "layer", "ids", "weights", "guess", "state", "load_seconds", "compute_seconds"],
}
every_seed = pytest.mark.parametrize("name", sorted(SOURCES))


class Policy:
    """A seed with a memory of its own, called for two layers of four experts unless told otherwise."""

    def __init__(self, source: str, state: list[list[int]]) -> None:
        self.names: dict[str, Any] = {"__name__": "candidate"}
        exec(compile(source, "candidate", "exec"), self.names)
        self.state = np.array(state, dtype=np.int8)
        self.step = 0

    def __call__(
        self,
        layer: int,
        ids: list[list[int]],
        weights: list[list[float]] | None = None,
        guess: list[list[int]] | None = None,
    ) -> np.ndarray:
        rows = np.array(ids, dtype=np.int32)
        gates = np.full(rows.shape, 1 / rows.shape[1]) if weights is None else np.array(weights)
        self.step += layer == 0
        value: np.ndarray = self.names["value"](
            step=self.step,
            layer=layer,
            ids=rows,
            weights=gates.astype(np.float32),
            guess=np.full_like(rows, -1) if guess is None else np.array(guess, dtype=np.int32),
            state=self.state,
            load_seconds=np.full(len(self.state), 1e-3, dtype=np.float32),
            compute_seconds=1e-3,
        )
        return value

    def order(self, value: np.ndarray) -> list[tuple[int, int]]:
        """Cached experts, the first to leave first."""
        held = np.argwhere(self.state == 1)
        ranked = held[np.argsort(value[self.state == 1], kind="stable")]
        return [(int(layer), int(expert)) for layer, expert in ranked]


FULL = [[1, 1, 1, 0], [1, 1, 0, 1]]


def test_the_seeds_are_those_announced() -> None:
    assert set(SOURCES) == {
        "fate_like_prefetch",
        "hobbit_like",
        "lfu",
        "lru",
        "mrs",
        "next_layer_prefetch",
        "per_layer_lfu",
    }
    assert f"def value({', '.join(COMPONENTS['value'])}):" in read_statement(FOLDER)


@every_seed
def test_a_seed_names_its_source_and_imports_only_what_is_allowed(name: str) -> None:
    tree = ast.parse(SOURCES[name])
    assert "Source:" in (ast.get_docstring(tree) or "")
    imported = [
        alias.name for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom) for alias in node.names
    ]
    assert imported == ["numpy"]


@every_seed
def test_components_have_the_same_names_and_parameters_everywhere(name: str) -> None:
    functions = {node.name: node for node in ast.parse(SOURCES[name]).body if isinstance(node, ast.FunctionDef)}
    assert {key: [arg.arg for arg in node.args.args] for key, node in functions.items()} == COMPONENTS


@every_seed
def test_values_are_legal_deterministic_and_fetch_nothing_unasked(name: str) -> None:
    rng = np.random.default_rng(0)
    state = (rng.random((3, 12)) < 0.4).astype(np.int8)
    state[1, 2] = 2
    calls = [
        (layer, np.argsort(rng.random((tokens, 12)), axis=1)[:, :3].tolist())
        for tokens in (5, 1, 1, 4, 1)
        for layer in range(3)
    ]
    first, again = Policy(SOURCES[name], state.tolist()), Policy(SOURCES[name], state.tolist())
    for layer, ids in calls:
        value = first(layer, ids)
        assert (value.dtype, value.shape) == (np.float32, (3, 12))
        assert np.isfinite(value).all()
        assert np.array_equal(value, again(layer, ids))
        assert (value[state == 0] <= 0).all(), "no guess, so nothing is fetched"
        assert (value[state == 2] >= 0).all(), "what is on its way counts like what is there"


def test_least_recently_used_leaves_first() -> None:
    policy = Policy(SOURCES["lru"], FULL)
    for layer, expert in ((0, 1), (1, 3), (0, 0), (1, 0), (0, 2), (1, 1), (0, 1)):
        value = policy(layer, [[expert]])
    assert policy.order(value) == [(1, 3), (0, 0), (1, 0), (0, 2), (1, 1), (0, 1)]


def test_the_baseline_answers_alike_when_it_is_asked_twice() -> None:
    """Audits do that; the number of the visit tells the time, not the number of calls."""
    policy = Policy(SOURCES["lru"], FULL)
    for layer, ids in ((0, [[0, 1], [2, 0]]), (1, [[0, 1]]), (0, [[2, 3]])):
        first = policy(layer, ids)
        policy.step -= layer == 0
        assert np.array_equal(first, policy(layer, ids))


def test_within_a_prompt_the_last_use_counts() -> None:
    policy = Policy(SOURCES["lru"], FULL)
    value = policy(0, [[0, 1], [2, 0]])
    assert policy.order(value)[-3:] == [(0, 1), (0, 2), (0, 0)]


def test_least_frequently_used_leaves_first() -> None:
    """A prompt counts once, however many of its tokens use an expert."""
    policy = Policy(SOURCES["lfu"], FULL)
    policy(0, [[0, 1], [0, 2], [0, 3]])
    policy(1, [[3, 1]])
    policy(0, [[1, 2]])
    policy(1, [[3, 0]])
    value = policy(0, [[1, 3]])
    counts = {key: round(3 * float(value[key])) for key in policy.order(value)}
    assert counts == {(1, 0): 1, (1, 1): 1, (0, 0): 1, (0, 2): 2, (1, 3): 2, (0, 1): 3}


def test_a_layer_beyond_its_share_loses_its_own_first() -> None:
    """Six experts in two layers: three each. A layer that needs a fourth gives one, whatever the other's counts."""
    policy = Policy(SOURCES["per_layer_lfu"], FULL)
    policy(0, [[0, 1]])
    value = policy(0, [[1, 3]])
    assert policy.order(value)[0] == (0, 2)
    assert {key[0] for key in policy.order(value)[:3]} == {0}
    value = policy(1, [[0, 2]])
    assert policy.order(value)[0] == (1, 1)


def test_minus_recent_score_is_an_average_of_gate_weights() -> None:
    """S = a x s + (1 - a) x S twice, with a = .1: .1 x .75, then .9 x that; and .1 x .25, then + .1 x .6."""
    policy = Policy(SOURCES["mrs"], FULL)
    policy(0, [[0, 1]], [[0.75, 0.25]])
    value = policy(0, [[1, 2]], [[0.6, 0.4]])
    assert value[0, :3] == pytest.approx([0.0675, 0.0825, 0.04], rel=1e-5)


def test_hobbit_adds_recency_frequency_importance_and_nearness() -> None:
    """After a prompt of two tokens and one more, at layer 0 of 2: equation 3 with T = 3."""
    policy = Policy(SOURCES["hobbit_like"], FULL)
    weights = {name: policy.names[name] for name in ("LRU", "LFU", "LHU", "FLD")}
    assert sum(weights.values()) == pytest.approx(1)
    policy(0, [[0, 1], [0, 2]], [[0.7, 0.3], [0.6, 0.4]])
    policy(1, [[0, 1], [0, 1]], [[0.5, 0.5], [0.5, 0.5]])
    value = policy(0, [[1, 2]], [[0.9, 0.1]])
    terms = {
        (0, 0): (2, 2, 2, 1),
        (0, 1): (3, 2, 1, 1),
        (0, 2): (3, 2, 0, 1),
        (1, 0): (2, 2, 0, 0.5),
        (1, 3): (0, 0, 0, 0.5),
    }
    for key, (used, count, high, near) in terms.items():
        expected = (weights["LRU"] * used + weights["LFU"] * count + weights["LHU"] * high) / 3 + weights["FLD"] * near
        assert value[key] == pytest.approx(expected, rel=1e-5)


def test_hobbit_begins_anew_with_every_prompt() -> None:
    policy = Policy(SOURCES["hobbit_like"], FULL)
    policy(0, [[0, 1], [0, 2]])
    value = policy(0, [[2, 1], [2, 1]])
    assert value[0, 0] == pytest.approx(policy.names["FLD"])


@pytest.mark.parametrize("name", ["next_layer_prefetch", "fate_like_prefetch"])
def test_a_guess_is_fetched_and_protected(name: str) -> None:
    policy = Policy(SOURCES[name], FULL)
    value = policy(0, [[0, 1]], guess=[[2, 3]])
    assert value[1, 2] > value[policy.state == 1].max() - 1e-6, "absent and guessed: fetched before all others"
    assert policy.order(value)[-1] == (1, 3), "cached and guessed: the last to leave"
    assert (value[0, 3], np.count_nonzero(value[policy.state == 0] > 0)) == (-1, 1)


def test_a_guess_of_a_prompt_is_fetched_by_its_share_of_the_tokens() -> None:
    policy = Policy(SOURCES["next_layer_prefetch"], [[1, 1, 1, 0], [0, 0, 0, 0]])
    value = policy(0, [[0, 1], [0, 1], [0, 1]], guess=[[0, 1], [0, 2], [0, 2]])
    assert value[1].tolist() == pytest.approx([3.0, 2 + 1 / 3, 2 + 2 / 3, -1.0])


def test_fate_favours_the_shallow_layer() -> None:
    policy = Policy(SOURCES["fate_like_prefetch"], FULL)
    policy(0, [[0, 1]])
    policy(1, [[0, 1]])
    value = policy(0, [[2, 1]])
    assert value[0, 0] > value[1, 0], "as often used and less recently, but in the first layer"


@pytest.mark.parametrize("name", ["lru", "fate_like_prefetch"])
def test_export_runs_where_nothing_of_ours_is_installed(tmp_path: Path, name: str) -> None:
    texts = read_export(FOLDER, "winner")
    (tmp_path / "winner.py").write_text(SOURCES[name])
    (tmp_path / "usage.py").write_text(texts.usage)
    (tmp_path / "benchmark.py").write_text(texts.benchmark)
    (tmp_path / "test_winner.py").write_text(texts.test)
    start = f"import sys, runpy; sys.path.insert(0, {str(tmp_path)!r}); "
    for command in (
        "runpy.run_path('usage.py')",
        "runpy.run_path('benchmark.py', run_name='__main__')",
        "import pytest; sys.exit(pytest.main(['-q', '-p', 'no:cacheprovider', 'test_winner.py']))",
    ):
        done = subprocess.run(
            [sys.executable, "-I", "-c", start + command],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert "MODULE" not in texts.test + texts.usage + texts.benchmark
