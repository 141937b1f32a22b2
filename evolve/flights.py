"""What a runner has under way, whom it tells of it, and how a failed starting program ends it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from db.records import CandidateRecord, NewCandidate, Planned, Purpose
from evaluators.model import Evaluation, Outcome
from evaluators.tasks import EvaluationPool
from evolve.desk import Desk


class RunError(RuntimeError):
    """A run cannot go on; the message says what, where and how to mend it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """Where programs are written, and where they are judged."""

    desk: Desk
    pool: EvaluationPool


@dataclass(frozen=True, slots=True, kw_only=True)
class Flight:
    """An evaluation under way."""

    candidate: NewCandidate
    planned: Planned


class Observer(Protocol):
    """Is told what happens; shows it."""

    def recorded(self, flight: Flight, evaluation: Evaluation, best_changed: bool) -> None:
        """A verdict is in the archive."""

    def tick(self, phase: str, in_flight: int, elapsed_seconds: float) -> None:
        """Some time has passed."""

    def say(self, text: str) -> None:
        """Something that a person should know."""


def refuse_failed_seed(candidate: NewCandidate, planned: Planned, evaluation: Evaluation) -> None:
    """End a run whose starting program fails: it is ours to mend.

    Raises:
        RunError: it does.
    """
    if candidate.proposer != "seed" or planned.purpose is not Purpose.SEARCH or evaluation.outcome is Outcome.OK:
        return
    raise RunError(
        f"{seed_failure(candidate, planned, evaluation)}\n"
        f"hint: try it alone with evolve score {evaluation.problem} FILE, mend it, and begin a new run"
    )


def seed_failure(seed: NewCandidate | CandidateRecord, planned: Planned, evaluation: Evaluation) -> str:
    """What happened to a starting program, in one line."""
    where = f"{planned.split.value} workloads"
    return f"seed {seed.operator} fails on {where} ({evaluation.outcome.value}: {evaluation.reason})"


def as_new(record: CandidateRecord) -> NewCandidate:
    """A candidate as it was registered."""
    return NewCandidate(
        number=record.number,
        source=record.source,
        digest=record.digest,
        proposer=record.proposer,
        operator=record.operator,
        parents=record.parents,
        note=record.note,
        ticket=record.ticket,
        arm=record.arm,
        refused=record.refused,
        tokens=record.tokens,
        cost=record.cost,
    )
