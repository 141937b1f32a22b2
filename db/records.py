"""What the archive hands out and takes in: frozen values, no SQL behind them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from evaluators.model import Evaluation, Outcome, Split
from evaluators.statistics import Estimate


class ArchiveError(RuntimeError):
    """The archive cannot do what was asked; the message says what, where and how to mend it."""


class RunStatus(StrEnum):
    """Where a run stands. A killed run is still ``RUNNING`` in the archive until it is resumed."""

    RUNNING = "running"
    STOPPED = "stopped"
    FINISHED = "finished"
    FAILED = "failed"


class Purpose(StrEnum):
    """Why a candidate is evaluated."""

    SEARCH = "search"
    CARRY = "carry"
    CONFIRM = "confirm"
    FINAL = "final"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRun:
    """What is fixed when a run is created; ``config`` is JSON, ``secret`` seeds every workload."""

    name: str
    problem: str
    digest: str
    config: Mapping[str, object]
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """A run as the archive knows it (without its secret).

    ``elapsed_seconds`` is the search time used so far over all sittings; ``finished`` is when it last stopped
    running, for whatever reason; ``counts`` is how many evaluations ended in each outcome, by purpose,
    without zeros; ``candidates`` is how many were registered, and so the next candidate's number;
    ``duplicates`` and ``unusable`` count proposals that cost no evaluation; ``best`` is the number of the
    candidate currently called best and ``best_split`` the split that says so.
    """

    id: int
    name: str
    problem: str
    digest: str
    config: Mapping[str, object]
    status: RunStatus
    created: datetime
    finished: datetime | None
    elapsed_seconds: float
    candidates: int
    duplicates: int
    unusable: int
    best: int | None
    best_split: Split | None
    counts: Mapping[Purpose, Mapping[Outcome, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCandidate:
    """A program about to be evaluated.

    Args:
        number: position in the run, counted from 0 without gaps.
        source: the program text.
        digest: digest of its normalised syntax tree; unique within a run.
        proposer: who wrote it, such as ``"seed"`` or ``"operators"``.
        operator: how, such as ``"crossover:forecast"``; for a seed, its name.
        parents: numbers of the candidates it was made from, the main parent first.
        note: free text such as a one-line description of the change.
    """

    number: int
    source: str
    digest: str
    proposer: str
    operator: str
    parents: tuple[int, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateRecord:
    """A candidate as the archive knows it."""

    run_id: int
    number: int
    source: str
    digest: str
    proposer: str
    operator: str
    parents: tuple[int, ...]
    note: str
    created: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """An evaluation to be done: which candidate, on which block, and why."""

    number: int
    purpose: Purpose
    split: Split
    block: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationRecord:
    """An evaluation as the archive knows it: planned, and once recorded with its verdict.

    ``sequence`` is the order of recording within the run, from 0; None while it is in flight.
    """

    id: int
    run_id: int
    planned: Planned
    sequence: int | None
    evaluation: Evaluation | None
    recorded: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One row of a leaderboard: a candidate's pooled estimates by split.

    ``estimates`` maps a split to ``Estimate`` (mean, stderr, n, low, high in score points), ``stratified``
    over the workloads of all its ok evaluations there; ``metrics`` are means over its latest ok train
    evaluation; ``outcome`` is that of its first evaluation, None while that is in flight.
    """

    number: int
    proposer: str
    operator: str
    parents: tuple[int, ...]
    outcome: Outcome | None
    estimates: Mapping[Split, Estimate]
    metrics: Mapping[str, float]
    note: str
