"""Who is ahead among the candidates that a search remembers."""

from __future__ import annotations

from collections.abc import Mapping

from evaluators.model import Split
from evolve.memory import Record

Records = Mapping[int, Record]


def finalists(records: Records, best: int | None, count: int) -> list[int]:
    """The best so far, then the others by merit, those measured on validation first; no seeds."""
    evolved = [record for record in records.values() if not record.is_seed]
    evolved.sort(key=lambda record: (record.number != best, not record.validation, -record.merit, record.number))
    return [record.number for record in evolved[:count]]


def best_seeds(records: Records, count: int) -> list[int]:
    """Numbers of the unmodified starting programs with the highest train scores, best first."""
    scores = {
        number: pooled.mean
        for number, record in records.items()
        if record.is_seed and (pooled := record.estimate(Split.TRAIN))
    }
    return sorted(scores, key=lambda number: (-scores[number], number))[:count]


def untried_leader(records: Records) -> Record | None:
    """Who is ahead of all that were measured on validation without having been measured there, if anybody is."""
    proven = max((record.merit for record in records.values() if record.validation), default=float("-inf"))
    untried = [record for record in records.values() if not record.validation and record.merit > proven]
    return max(untried, key=lambda record: (record.merit, -record.number), default=None)


def measure_all_by(yardstick: Record | None, records: Records) -> None:
    """Rank everybody by the lead over one from now on; by the bare score where there is none."""
    for record in sorted(records.values(), key=lambda record: record.number):
        parents = record.candidate.parents
        record.measure_by(yardstick, records.get(parents[0]) if parents else None)
