from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from seeds import ROOT, read_export, read_seeds, read_statement

FOLDER = ROOT / "block_coreset"
SOURCES = {seed.name: seed.source for seed in read_seeds(FOLDER)}
ALLOWED_IMPORTS = {"numpy", "math", "heapq", "itertools", "functools", "collections"}
COMPONENTS = {
    "mass_of": ["ids", "weights"],
    "value": ["held"],
    "grow": ["mass", "budget"],
    "select": ["ids", "weights", "budget"],
}
every_seed = pytest.mark.parametrize("name", sorted(SOURCES))

# Four tokens with two experts each. Votes: 7 has 1.8, 3 has 1.1, 5 has .7, 2 has .4; heads: 7 has 3, 5 has 2, 3 has 2.
IDS = [[7, 5], [7, 3], [3, 5], [7, 2]]
WEIGHTS = [[0.7, 0.3], [0.5, 0.5], [0.6, 0.4], [0.6, 0.4]]


def load_program(source: str) -> dict[str, Any]:
    """Run a program's text in a fresh namespace, as a sandbox does."""
    namespace: dict[str, Any] = {"__name__": "candidate"}
    exec(compile(source, "candidate", "exec"), namespace)
    return namespace


def select(name: str, ids: object, weights: object, budget: int) -> NDArray[np.int32]:
    experts, gates = np.array(ids, dtype=np.int32), np.array(weights, dtype=np.float32)
    experts.flags.writeable = gates.flags.writeable = False
    chosen: NDArray[np.int32] = load_program(SOURCES[name])["select"](ids=experts, weights=gates, budget=budget)
    return chosen


def draw(tokens: int, experts: int, k: int, seed: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    rng = np.random.default_rng(seed)
    ids = np.argsort(rng.gumbel(size=(tokens, experts)) + rng.normal(size=experts), axis=1)[:, :k]
    return ids.astype(np.int32), rng.dirichlet(np.full(k, 0.7), size=tokens).astype(np.float32)


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


def test_frequency_counts_heads_and_prefers_the_lower_number_of_equals() -> None:
    assert select("frequency", IDS, WEIGHTS, 2).tolist() == [7, 3]
    assert select("frequency", IDS, [[0.0, 1.0], [1.0, 0.0], [0.1, 0.9], [1.0, 0.0]], 2).tolist() == [7, 3]


def test_votes_are_sums_of_gate_weights() -> None:
    assert select("des_vote", IDS, WEIGHTS, 3).tolist() == [7, 3, 5]
    assert select("des_vote", [[1, 2], [1, 2], [3, 4]], [[0.1, 0.9], [0.3, 0.7], [1.0, 0.0]], 2).tolist() == [2, 3]


def test_des_seq_takes_every_tokens_best_before_any_second() -> None:
    """Best of each: 1, 1, 4; expert 2 has more weight in all than 4 has, but comes second everywhere."""
    ids, weights = [[1, 2], [1, 2], [4, 5]], [[0.55, 0.45], [0.55, 0.45], [0.6, 0.4]]
    assert sorted(select("des_seq", ids, weights, 2).tolist()) == [1, 4]
    assert sorted(select("des_seq", ids, weights, 3).tolist()) == [1, 2, 4]
    assert sorted(select("des_vote", ids, weights, 2).tolist()) == [1, 2]


def test_greedy_on_roots_looks_after_a_token_that_votes_leave_with_nothing() -> None:
    """After 1, expert 2 adds 2 (1 - sqrt(.6)) = .45 to the sum of roots, and expert 3 adds 1 - sqrt(.3) = .45 less."""
    ids = [[1, 2], [1, 2], [3, 4]]
    weights = [[0.6, 0.4], [0.6, 0.4], [0.7, 0.3]]
    assert sorted(select("sqrt_greedy", ids, weights, 2).tolist()) == [1, 3]
    assert sorted(select("des_vote", ids, weights, 2).tolist()) == [1, 2]


def test_greedy_with_the_power_one_is_des_vote() -> None:
    program = load_program(SOURCES["sqrt_greedy"].replace("POWER = 0.5  #", "POWER = 1.0  #"))
    for seed in range(5):
        ids, weights = draw(24, 48, 6, seed)
        ours = program["select"](ids=ids, weights=weights, budget=15)
        assert sorted(ours.tolist()) == sorted(select("des_vote", ids, weights, 15).tolist())


@every_seed
@pytest.mark.parametrize("shape", [(1, 4, 1), (2, 8, 8), (32, 64, 6), (64, 128, 4), (16, 256, 8)])
def test_choices_are_legal_and_deterministic(name: str, shape: tuple[int, int, int]) -> None:
    for seed in range(3):
        ids, weights = draw(*shape, seed)
        if seed == 2:
            weights[:, 1:] = 0  # experts without any weight may have to be chosen as well
        there = np.unique(ids)
        for budget in {1, max(1, len(there) // 2), len(there)}:
            chosen, again = (select(name, ids, weights, budget) for _ in range(2))
            assert isinstance(chosen, np.ndarray)
            assert chosen.dtype == np.int32
            assert chosen.shape == (budget,)
            assert len(set(chosen.tolist())) == budget
            assert np.isin(chosen, there).all()
            assert np.array_equal(chosen, again)


@pytest.mark.parametrize("name", ["frequency", "sqrt_greedy"])
def test_the_export_runs_where_nothing_of_ours_is_installed(name: str, tmp_path: Path) -> None:
    (tmp_path / "winner.py").write_text(SOURCES[name], encoding="utf-8")
    texts = read_export(FOLDER, "winner")
    # A small table only: that the texts run is what counts here.
    benchmark = texts.benchmark.replace("BLOCKS = 8", "BLOCKS = 1")
    assert benchmark != texts.benchmark
    checks = texts.test.replace("import pytest\n", "").replace('@pytest.mark.parametrize("shape", SHAPES)\n', "")
    checks = checks.replace('@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 1.0])\n', "")
    checks += (
        "\nfor shape in SHAPES:\n    for share in (0.0, 0.6, 1.0):\n        test_choices_are_legal(shape, share)\n"
        "test_input_is_left_alone()\ntest_weights_of_nothing_are_chosen_from_too()\n"
    )
    for text, words in ((texts.usage, ""), (benchmark, "32x384top8"), (checks, "")):
        (tmp_path / "run.py").write_text(
            f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n" + text, encoding="utf-8"
        )
        done = subprocess.run(
            [sys.executable, "-I", str(tmp_path / "run.py")], capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr
        assert words in done.stdout
