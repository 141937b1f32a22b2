from __future__ import annotations

import ast
import signal
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import seeds
from evaluators.eplb.problem import DECLARATION
from evaluators.model import Evaluation, EvaluatorError, Outcome, Split, WorkloadResult
from evaluators.screen import screen
from evolve.simplify import Simplifier, keeps_the_score, size

SEEDS = {seed.name: seed.source for seed in seeds.read_seeds(Path(seeds.__file__).parent / "eplb")}
HISTORY = np.random.default_rng(1).gamma(1.0, 50.0, (6, 3, 64)).astype(np.float32)

JUNK = (
    # An unused statement, a loop that never runs, a doubled step, a branch on a constant, a neutral operation.
    ("    load = forecast(history)\n", "    load = forecast(history)\n    spread = np.std(history, axis=0)\n"),
    ("    counts = replicate(", "    for _ in range(0):\n        load = load + 1\n    counts = replicate("),
    (
        "    slots = pack(load, counts, num_gpus)\n",
        "    slots = pack(load, counts, num_gpus)\n    slots = pack(load, counts, num_gpus)\n",
    ),
    (
        "    return slots.astype",
        "    if VERBOSE:\n        slots = extra(slots)\n    slots = slots + 0\n    return slots.astype",
    ),
    (
        "def plan(\n",
        'VERBOSE = False\n\n\ndef extra(slots):\n    """Never called."""\n    return slots[:, ::-1]\n\n\ndef plan(\n',
    ),
)


def objection(source: str) -> str | None:
    return screen(source, entry="plan", parameters=DECLARATION.parameters, allowed_imports=DECLARATION.allowed_imports)


def planted(source: str) -> str:
    for old, new in JUNK:
        assert old in source
        source = source.replace(old, new)
    return source


def behaviour(source: str) -> bytes | None:
    """What a program answers to two windows; None where it does not, or not in two seconds."""

    def too_late(*_: Any) -> None:
        raise TimeoutError

    old = signal.signal(signal.SIGALRM, too_late)
    signal.alarm(2)
    try:
        space: dict[str, Any] = {}
        exec(compile(source, "candidate", "exec"), space)
        shape = {"num_slots": 80, "num_gpus": 8, "num_nodes": 2}
        first = space["plan"](history=HISTORY[:5], previous=None, **shape)
        second = space["plan"](history=HISTORY, previous=first, **shape)
        return b"".join(np.asarray(each, dtype=np.int32).tobytes() for each in (first, second))
    except Exception:  # noqa: BLE001 - whatever a broken program does
        return None
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, old)


def steps(simplifier: Simplifier, keeps: Callable[[str], bool], most: int = 300) -> Iterator[str]:
    """Run a simplifier; yields every program that it tried."""
    for _ in range(most):
        source = simplifier.next()
        if source is None:
            return
        assert simplifier.next() == source
        simplifier.tell(keeps(source))
        yield source
    raise AssertionError("it does not end")


def test_planted_junk_goes_in_a_few_steps_and_the_rest_stays() -> None:
    original = SEEDS["zigzag"]
    simplifier = Simplifier(planted(original), "plan", objection)
    wanted = behaviour(original)
    for _ in range(6):
        source = simplifier.next()
        assert source is not None
        simplifier.tell(behaviour(source) == wanted)
    assert size(simplifier.current) <= size(original)
    assert "def extra" not in simplifier.current
    assert "VERBOSE" not in simplifier.current
    assert "heaviest first" in simplifier.current
    assert behaviour(simplifier.current) == wanted


@pytest.mark.parametrize("name", sorted(SEEDS))
def test_every_step_is_smaller_screened_and_new(name: str) -> None:
    simplifier = Simplifier(SEEDS[name], "plan", objection)
    largest = size(SEEDS[name])
    tried: set[str] = set()
    for source in islice(steps(simplifier, lambda _: False), 30):
        assert size(source) < largest
        assert objection(source) is None
        assert source not in tried
        tried.add(source)
    assert len(tried) > 10
    assert simplifier.current == SEEDS[name]


@pytest.mark.parametrize("name", sorted(SEEDS))
def test_what_is_always_kept_shrinks_to_almost_nothing(name: str) -> None:
    simplifier = Simplifier(SEEDS[name], "plan", objection)
    sizes = [size(source) for source in steps(simplifier, lambda _: True)]
    assert sizes == sorted(sizes, reverse=True)
    assert len(set(sizes)) == len(sizes)
    assert sizes[-1] < size(SEEDS[name]) / 4
    assert "def plan(" in simplifier.current


@pytest.mark.parametrize("name", ["zigzag", "contiguous"])
def test_it_ends_with_a_program_of_the_same_behaviour(name: str) -> None:
    wanted = behaviour(SEEDS[name])
    assert wanted is not None
    simplifier = Simplifier(planted(SEEDS[name]), "plan", objection)
    for _ in steps(simplifier, lambda source: behaviour(source) == wanted):
        pass
    assert behaviour(simplifier.current) == wanted
    assert size(simplifier.current) <= size(SEEDS[name])


def test_a_needed_step_stays_and_a_needless_one_goes_with_its_function() -> None:
    source = SEEDS["lpt_swaps"]
    simplifier = Simplifier(source, "plan", objection)
    for _ in steps(simplifier, lambda text: "heaviest" in text and "argmin" in text):
        pass
    assert "def refine" not in simplifier.current
    assert "heaviest" in simplifier.current


def test_precautions_stay() -> None:
    simplifier = Simplifier(SEEDS["threshold"], "plan", objection)
    for source in islice(steps(simplifier, lambda _: False), 40):
        if "def keep(" in source:
            assert "if previous is None:" in source
        assert "np.asarray(history[-1], dtype=np.float64)" in source or "def forecast" not in source


def test_comments_and_layout_survive() -> None:
    simplifier = Simplifier(planted(SEEDS["deepseek_global"]), "plan", objection)
    first = simplifier.next()
    assert first is not None
    assert "# A full GPU looks infinitely loaded" in first
    assert "\n\n\n\n" not in first


def test_telling_without_asking_is_an_error() -> None:
    simplifier = Simplifier(SEEDS["zigzag"], "plan", objection)
    with pytest.raises(RuntimeError, match="call next"):
        simplifier.tell(True)


def test_nothing_passes_a_screen_that_refuses_everything() -> None:
    assert Simplifier(SEEDS["zigzag"], "plan", lambda _: "no").next() is None


def test_size_counts_no_comments_docstrings_or_layout() -> None:
    plain = "def plan(a):\n    return a + 1\n"
    told = '"""Title."""\n\n\ndef plan(a):\n    """Add."""\n    return (\n        a + 1  # one\n    )\n'
    assert size(plain) == size(told) == sum(1 for _ in ast.walk(ast.parse(plain))) - 2


def verdict(*shares: float, outcome: Outcome = Outcome.OK, block: int = 0) -> Evaluation:
    results = tuple(
        WorkloadResult(name=str(n), objective=0, baseline=0, reference=1, ceiling=1, share=share)
        for n, share in enumerate(shares)
    )
    numbers: dict[str, Any] = (
        {"score": 1.0, "stderr": 0.0, "low": 1.0, "high": 1.0} if outcome is Outcome.OK else {"reason": "x"}
    )
    return Evaluation(
        problem="p", split=Split.TRAIN, block=block, digest="d", outcome=outcome, workloads=results, **numbers
    )


@pytest.mark.parametrize(
    ("ours", "kept"),
    [
        ((10, 20, 30, 40), True),
        ((10.1, 20.2, 30.1, 40.1), True),
        ((9.95, 19.9, 29.95, 39.95), True),
        ((9.8, 19.8, 29.8, 39.8), False),  # small, but surely worse by more than is tolerated
        ((12, 18, 33, 37.2), False),  # better in the mean, and nobody knows
        ((9, 19, 29, 39), False),
        ((15, 25, 35, 45), True),
    ],
)
def test_only_what_is_surely_no_worse_keeps_the_score(ours: tuple[float, ...], kept: bool) -> None:
    assert keeps_the_score(verdict(*ours), verdict(10, 20, 30, 40)) is kept


def test_a_failure_keeps_no_score() -> None:
    assert not keeps_the_score(verdict(10, outcome=Outcome.WRONG), verdict(10, 20))
    assert not keeps_the_score(verdict(10, 20), verdict(10, outcome=Outcome.STOPPED))


def test_verdicts_of_different_blocks_do_not_compare() -> None:
    with pytest.raises((ValueError, EvaluatorError), match="same block"):
        keeps_the_score(verdict(10, 20), verdict(10, 20, block=1))
