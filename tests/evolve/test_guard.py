from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from db.archive import Archive
from evaluators.model import Evaluation
from evolve.config import resolve
from evolve.flights import Flight
from evolve.guard import FAULTS, Guard
from evolve.proposers.operators import Operators
from evolve.proposers.tuner.tuner import Tuner
from evolve.session import CarefulSimplifier, new_run, open_session
from evolve.simplify import Simplifier

TRIVIAL = str(Path(__file__).parents[2] / "bench" / "trivial")
PROGRAM = "import math\n\n\ndef plan(load):\n    unused = math.sin(1.0)\n    spare = 3\n    return load\n"


class Watch:
    def __init__(self) -> None:
        self.said: list[str] = []

    def recorded(self, flight: Flight, evaluation: Evaluation, best_changed: bool) -> None: ...

    def tick(self, phase: str, in_flight: int, elapsed_seconds: float) -> None: ...

    def say(self, text: str) -> None:
        self.said.append(text)


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with Archive.open(str(tmp_path / "a.db"), create=True) as opened:
        yield opened


def broken(*_: Any, **__: Any) -> Any:
    raise ZeroDivisionError("float\ndivision")


@pytest.mark.parametrize("fault", FAULTS)
def test_the_first_fault_is_told_and_every_call_is_answered(fault: type[Exception]) -> None:
    said: list[str] = []

    def part(value: int) -> int:
        if value > 1:
            raise fault("no\nway")
        return value

    guarded = Guard("the part", "the run goes on", said.append).around(part, -1)
    assert [guarded(value) for value in (1, 2, 3, 0)] == [1, -1, -1, 0]
    (sentence,) = said
    assert sentence.startswith(f"the part failed, the run goes on: {fault.__name__}: ")
    assert sentence.endswith("this is a fault of evolve, please report it")
    assert "\n" not in sentence


@pytest.mark.parametrize("fatal", [MemoryError, OSError, KeyboardInterrupt])
def test_what_is_no_mistake_of_a_part_ends_the_run(fatal: type[BaseException]) -> None:
    def part() -> None:
        raise fatal

    with pytest.raises(fatal):
        Guard("the part", "the run goes on", print).call(part, None)


def test_no_fault_of_a_part_ends_a_run(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    """One operator, the tuner and the simplifier fail on everything; the run has its evaluations all the same."""
    propose = Operators.propose

    def often_broken(self: Operators, *args: Any, operator: str = "") -> Any:
        return broken() if operator == "constant" else propose(self, *args, operator=operator)

    monkeypatch.setattr(Operators, "propose", often_broken)
    monkeypatch.setattr(Tuner, "learn", broken)
    monkeypatch.setattr(Simplifier, "next", broken)
    flags = {"pool": "serial", "clock": "counting", "evaluations": "40", "seed": "5", "workload": "2"}
    run = new_run(archive, TRIVIAL, resolve(flags, {}, None))
    watch, until = Watch(), time.monotonic() + 60
    with open_session(archive, run, watch) as session:
        session.search(lambda: time.monotonic() > until)
        session.simplify(lambda: time.monotonic() > until)
        assert session.runner.spent >= 40
    assert sum("the tuner failed" in text for text in watch.said) == 1
    assert sum("the simplifier failed, no more is left out of the winner: ZeroDiv" in text for text in watch.said) == 1
    candidates = [candidate for candidate, _ in archive.history(run.id)]
    assert any("constant" in str(candidate.refused) for candidate in candidates), "it was tried"
    assert all("constant" not in str(candidate.arm) for candidate in candidates)


def test_a_simplifier_that_fails_is_at_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    simplifier = CarefulSimplifier(PROGRAM, "plan", lambda text: None, Guard("it", "so what", said.append))
    assert simplifier.next() is not None
    monkeypatch.setattr(Simplifier, "tell", broken)
    simplifier.tell(True)
    assert simplifier.next() is None
    assert len(said) == 1
