"""What a judge has made of a program once for a block, and the audit of one that may become the best."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any

import pytest

from evaluators.arena import ArenaGuest, Entrance, SandboxArena, Terms
from evaluators.block import Block
from evaluators.judge import Judge
from evaluators.model import Outcome, Split
from evaluators.problem import RefusedError, Workload
from evaluators.timing import Plan

HALF = "import numpy as np\n\n\ndef answer(size):\n    return np.full(size, 0.5)\n"
WORSE = HALF.replace("0.5", "float('nan')")
FAR = 1000.0
"""log2 of a speed-up that no busy machine can hide: two rounds of a short call may differ by a factor of two."""


class Preparing(SandboxArena):
    """Notes what is prepared, who comes in with it, and what is audited."""

    refuses = False

    def __init__(self, terms: Terms) -> None:
        super().__init__(terms)
        self.done: list[Any] = []

    def prepare(self, source: str, workloads: Sequence[Workload]) -> object:
        self.done.append(("prepared", len(workloads)))
        return f"made of {len(workloads)}"

    def guest(self, source: str, entrance: Entrance) -> Any:
        self.done.append(("met", entrance.prepared))
        return super().guest(source, entrance)

    def audit(self, source: str, block: Block, prepared: object) -> Mapping[str, str]:
        self.done.append(("audited", len(block.workloads), prepared))
        if self.refuses:
            raise RefusedError(Outcome.WRONG, "reads what is not its own", check="audit")
        return {"audit": "nothing found"}


class Refusing(Preparing):
    """Its audit refuses everybody."""

    refuses = True


Court = tuple[Judge, list[Any]]


@pytest.fixture
def court(trivial: ModuleType) -> Iterator[Callable[[type[Preparing]], Court]]:
    judges: list[Judge] = []

    def made(kind: type[Preparing]) -> Court:
        arenas: list[Preparing] = []

        def arena(terms: Terms) -> Preparing:
            arenas.append(kind(terms))
            return arenas[0]

        judges.append(Judge(trivial.Trivial(2), secret=bytes(32), clock=time.perf_counter, arena=arena))
        return judges[-1], arenas[0].done

    yield made
    for judge in judges:
        judge.close()


def test_a_program_is_prepared_once_for_the_whole_block(court: Callable[..., Court]) -> None:
    judge, done = court(Preparing)
    block = judge.block(Split.TRAIN, 0)
    done.clear()
    assert judge.evaluate(HALF, block).outcome is Outcome.OK
    assert done == [("prepared", 2), ("met", "made of 2"), ("met", "made of 2")]
    done.clear()
    judge.evaluate(HALF, block, prepared="elsewhere")
    assert done == [("met", "elsewhere"), ("met", "elsewhere")]


@pytest.mark.parametrize("split", [Split.VALIDATION, Split.HIDDEN])
def test_a_contender_is_audited_at_the_end(court: Callable[..., Court], split: Split) -> None:
    judge, done = court(Preparing)
    found = judge.evaluate(HALF, judge.block(split, 0))
    assert (found.outcome, found.host["audit"]) == (Outcome.OK, "nothing found")
    assert done[-1] == ("audited", 2, "made of 2")


def test_on_train_nobody_is_audited(court: Callable[..., Court]) -> None:
    judge, _ = court(Refusing)
    found = judge.evaluate(HALF, judge.block(Split.TRAIN, 0))
    assert found.outcome is Outcome.OK
    assert "audit" not in found.host


def test_who_fails_the_audit_has_no_score(court: Callable[..., Court]) -> None:
    judge, _ = court(Refusing)
    found = judge.evaluate(HALF, judge.block(Split.VALIDATION, 0))
    assert (found.outcome, found.score, found.n) == (Outcome.WRONG, None, 2)
    assert found.reason == "audit: reads what is not its own"


def test_who_is_wrong_anyway_is_not_audited(court: Callable[..., Court]) -> None:
    judge, done = court(Preparing)
    assert judge.evaluate(WORSE, judge.block(Split.VALIDATION, 0)).outcome is Outcome.WRONG
    assert not [entry for entry in done if entry[0] == "audited"]


class TestTimed:
    """A reference that is read off the baseline's own time has measured the noise floor already."""

    @pytest.fixture
    def compared(self, speed: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Judge, list[str]]]:
        """A judge of a timed problem, and the sources that it compares with the baseline."""
        sources: list[str] = []

        class Instant(SandboxArena):
            def guest(self, source: str, entrance: Entrance) -> Any:
                sources.append(source)
                return super().guest(source, entrance)

        class FromBaseline(speed.Speed):  # type: ignore[name-defined, misc]
            def reference_objective(self, workload: Any, open_seed: Callable[[str], ArenaGuest]) -> float:
                return FAR + self.play(workload, open_seed("sort")).objective

        plan = Plan(fewest_rounds=2, most_rounds=2, most_warm_rounds=1)
        judge = Judge(FromBaseline(1), secret=bytes(32), clock=time.perf_counter, plan=plan, arena=Instant)
        yield judge, sources
        judge.close()

    def test_it_is_not_measured_again(self, compared: tuple[Judge, list[str]], speed: ModuleType) -> None:
        judge, sources = compared
        baseline = next(seed.source for seed in speed.Speed(1).seeds if seed.name == "sort")
        block = judge.block(Split.TRAIN, 0)
        assert sources.count(baseline) == len(block.standards)
        for _ in range(2):
            assert "A/A noise floor" in judge.evaluate(baseline + "\n", block).host
        assert sources.count(baseline) == len(block.standards)

    def test_a_workload_that_was_marked_alone_is_measured_where_it_is_met(
        self, compared: tuple[Judge, list[str]], speed: ModuleType
    ) -> None:
        judge, sources = compared
        baseline = next(seed.source for seed in speed.Speed(1).seeds if seed.name == "sort")
        alone = Block(split=Split.TRAIN, number=0, standards=(judge.mark(judge.draw(Split.TRAIN, 0)[0]),))
        judge.evaluate(baseline + "\n", alone)
        assert sources.count(baseline) == 2
