from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from seeds import ROOT, read_export, read_seeds, read_statement

FOLDER = ROOT / "adaptive_topk"
SOURCES = {seed.name: seed.source for seed in read_seeds(FOLDER)}
ALLOWED_IMPORTS = {"numpy", "math", "heapq", "itertools", "functools", "collections"}
COMPONENTS = {
    "ranked": ["scores", "most_each"],
    "marked": ["ranks", "counts", "experts"],
    "even_counts": ["tokens", "visits"],
    "counts_at": ["values", "least"],
    "spending": ["values", "visits"],
    "worth": ["scores", "ranks"],
    "select": [
        *("scores", "layer", "num_layers", "top_k", "num_gpus"),
        *("budget", "visits_left", "places_left", "most"),
    ],
}
every_seed = pytest.mark.parametrize("name", sorted(SOURCES))
Mask = NDArray[np.int8]


def load_program(source: str) -> dict[str, Any]:
    """Run a program's text in a fresh namespace, as a sandbox does."""
    namespace: dict[str, Any] = {"__name__": "candidate"}
    exec(compile(source, "candidate", "exec"), namespace)
    return namespace


def one_call(name: str, scores: object, visits: int, top_k: int = 3, num_gpus: int = 1, layer: int = 0) -> Mask:
    """A stream of a single call with that many visits."""
    table = np.array(scores, dtype=np.float32)
    table.flags.writeable = False
    mask: Mask = load_program(SOURCES[name])["select"](
        scores=table,
        layer=layer,
        num_layers=1,
        top_k=top_k,
        num_gpus=num_gpus,
        budget=visits / len(table),
        visits_left=visits,
        places_left=len(table),
        most=visits,
    )
    return mask


def stream(
    select: Callable[..., Mask],
    draw: Callable[[int], NDArray[Any]],
    calls: int,
    budget: float,
    top_k: int,
    layers: int = 1,
    gpus: int = 4,
) -> list[Mask]:
    """Masks of a whole stream, each checked to be legal."""
    tokens, masks = len(draw(0)), []
    places = calls * tokens
    visits = round(budget * places)
    for call in range(calls):
        scores = draw(call).astype(np.float32)
        scores.flags.writeable = False
        most = min(max(tokens, int(1.4 * budget * tokens)), visits - (places - tokens))
        mask = select(
            scores=scores,
            layer=call % layers,
            num_layers=layers,
            top_k=top_k,
            num_gpus=gpus,
            budget=budget,
            visits_left=visits,
            places_left=places,
            most=most,
        )
        assert isinstance(mask, np.ndarray)
        assert mask.dtype == np.int8
        assert set(np.unique(mask)) <= {0, 1}
        assert mask.shape == scores.shape
        assert mask.sum(axis=1).min() >= 1
        assert mask.sum(axis=1).max() <= top_k
        assert mask.sum() <= most
        visits, places = visits - int(mask.sum()), places - tokens
        masks.append(mask)
    return masks


@every_seed
def test_a_seed_says_what_it_is_and_imports_only_what_is_allowed(name: str) -> None:
    tree = ast.parse(SOURCES[name])
    docstring = ast.get_docstring(tree)
    assert docstring is not None
    assert "Source: " in docstring
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            assert {alias.name.split(".")[0] for alias in node.names} <= ALLOWED_IMPORTS
        if isinstance(node, ast.ImportFrom):
            assert node.module in ALLOWED_IMPORTS
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            assert ast.get_docstring(node)
            assert [argument.arg for argument in node.args.args] == COMPONENTS[node.name]


def test_the_statement_names_interface_and_components() -> None:
    statement = read_statement(FOLDER)
    for name, parameters in COMPONENTS.items():
        assert f"{name}({', '.join(parameters)})" in statement
    assert "0.05 * (max over g" in statement


def test_topk_gives_every_token_its_best_and_the_first_ones_one_more() -> None:
    mask = one_call("topk", [[0.1, 0.9, 0.5, 0.2], [0.8, 0.1, 0.2, 0.4], [0.3, 0.2, 0.1, 0.7]], 5)
    assert mask.tolist() == [[0, 1, 1, 0], [1, 0, 0, 1], [0, 0, 0, 1]]


def test_top_p_lets_a_token_visit_experts_until_they_hold_the_share_p() -> None:
    """Shares .8 .1 .1 and .4 .35 .25: below p = .5 the first token stops after one, the second goes on."""
    mask = one_call("top_p", [[0.8, 0.1, 0.1, 0.0], [0.4, 0.35, 0.25, 0.0]], 3)
    assert mask.sum(axis=1).tolist() == [1, 2]
    mask = one_call("top_p", [[0.8, 0.1, 0.1, 0.0], [0.4, 0.35, 0.25, 0.0]], 4)
    assert mask.sum(axis=1).tolist() == [1, 3]


def test_null_experts_take_the_place_of_weak_ones() -> None:
    """The null experts' score lets four of the six visits pass: those with shares above .2."""
    mask = one_call("adamoe", [[0.6, 0.3, 0.1, 0.0], [0.4, 0.35, 0.25, 0.0]], 4)
    assert mask.tolist() == [[1, 1, 0, 0], [1, 1, 0, 0]]


def test_null_experts_score_follows_the_budget() -> None:
    """Tokens become flat: at the old threshold all three visits pass, until the null experts have caught up."""
    program = load_program(SOURCES["adamoe"])
    rng = np.random.default_rng(0)
    steep, flat = (rng.permuted(np.tile(row, (16, 1)), axis=1) for row in ([0.7, 0.2, 0.1, 0], [0.4, 0.3, 0.3, 0]))

    def draw(call: int) -> NDArray[Any]:
        drawn: NDArray[Any] = steep if call < 20 else flat + 0.01 * rng.random(flat.shape)
        return drawn

    masks = stream(program["select"], draw, 200, 1.5, 3)
    spent = [int(mask.sum()) for mask in masks]
    assert sum(spent) <= 1.5 * 16 * 200
    assert np.mean(spent[-100:]) == pytest.approx(24, abs=4)


def test_expert_choice_loads_all_gpus_alike() -> None:
    rng = np.random.default_rng(1)
    scores = 1 / (1 + np.exp(3 - rng.normal(size=(16, 32)) - np.linspace(2, -2, 32)))
    mask = one_call("expert_choice", scores, 48, top_k=6, num_gpus=4)
    loads = mask.sum(axis=0).reshape(4, 8).sum(axis=1)
    plain = one_call("topk", scores, 48, top_k=6, num_gpus=4).sum(axis=0).reshape(4, 8).sum(axis=1)
    assert plain.max() > 24
    assert loads.max() <= 16 < plain.max()  # a capacity of 12, but every token gets its best expert


def test_marginal_worth_is_what_a_visit_takes_off_the_squared_loss() -> None:
    program = load_program(SOURCES["marginal"])
    scores = np.array([[0.5, 0.3, 0.2, 0.1]])
    worth = program["worth"](scores, program["ranked"](scores, 3))
    lost = np.array([1, 0.5, 0.2, 0])
    assert worth[0] == pytest.approx(lost[:-1] ** 2 - lost[1:] ** 2)


def test_one_price_lets_flat_layers_spend_more_than_steep_ones() -> None:
    rng = np.random.default_rng(0)
    flat, steep = np.array([0.2, 0.2, 0.2, 0.2, 0.2, 0]), np.array([0.8, 0.1, 0.05, 0.03, 0.02, 0])

    def draw(call: int) -> NDArray[Any]:
        return rng.permuted(np.tile(steep if call % 2 else flat, (8, 1)), axis=1) + 1e-4 * rng.random((8, 6))

    masks = stream(load_program(SOURCES["marginal"])["select"], draw, 20, 2.5, 5, layers=2, gpus=2)
    by_layer = [np.mean([mask.sum() for mask in masks[layer::2]]) for layer in range(2)]
    assert by_layer[0] > 1.5 * by_layer[1]


@every_seed
@pytest.mark.parametrize(
    ("tokens", "experts", "top_k", "gpus", "budget"),
    [(16, 64, 6, 8, 2.4), (8, 64, 6, 16, 4.2), (32, 128, 8, 8, 4.0), (4, 32, 4, 4, 1.4), (1, 8, 2, 2, 1.0)],
)
def test_masks_are_legal_and_deterministic(
    name: str, tokens: int, experts: int, top_k: int, gpus: int, budget: float
) -> None:
    def draw(call: int) -> NDArray[Any]:
        rng = np.random.default_rng(call)
        steep = 0.2 if call < 6 else 2.0
        scores: NDArray[Any] = 1 / (1 + np.exp(3 - steep * rng.normal(size=(tokens, experts))))
        return scores if call != 4 else np.full_like(scores, 0.5)

    first, again = (
        stream(load_program(SOURCES[name])["select"], draw, 12, budget, top_k, layers=3, gpus=gpus) for _ in range(2)
    )
    assert np.array_equal(first, again)


@pytest.mark.parametrize("name", ["topk", "marginal"])
def test_the_export_runs_where_nothing_of_ours_is_installed(name: str, tmp_path: Path) -> None:
    (tmp_path / "winner.py").write_text(SOURCES[name], encoding="utf-8")
    texts = read_export(FOLDER, "winner")
    # A short stream only: that the texts run is what counts here.
    benchmark = texts.benchmark.replace("STEPS, LAYERS = 16, 3", "STEPS, LAYERS = 2, 3")
    assert benchmark != texts.benchmark
    checks = texts.test.replace("import pytest\n", "").replace('@pytest.mark.parametrize("shape", SHAPES)\n', "")
    checks = checks.replace('@pytest.mark.parametrize("seed", range(3))\n', "")
    checks += "\nfor shape in SHAPES:\n    test_masks_are_legal(shape, 1)\n"
    for text, words in ((texts.usage, ""), (benchmark, "32x128top8"), (checks, "")):
        (tmp_path / "run.py").write_text(
            f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n" + text, encoding="utf-8"
        )
        done = subprocess.run(
            [sys.executable, "-I", str(tmp_path / "run.py")], capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr
        assert words in done.stdout
