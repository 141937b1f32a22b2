"""What an agent may look up about a run: nothing of the hidden split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from db.archive import Archive
from db.records import CandidateRecord, Standing
from evaluators.model import Split

SHOWN_SPLITS = (Split.TRAIN, Split.VALIDATION)


class Library(Protocol):
    """Candidates of one run and their standings, with estimates of `SHOWN_SPLITS` alone."""

    def candidate(self, number: int) -> CandidateRecord | None:
        """A candidate with its program; None where there is none of that number."""

    def standing(self, number: int) -> Standing | None:
        """Where a candidate stands, scored or not; None where there is none of that number."""

    def top(self, count: int) -> Sequence[Standing]:
        """The candidates with the highest lower bounds on the train split, best first."""


class ArchiveLibrary:
    """One run of an archive."""

    def __init__(self, archive: Archive, run_id: int) -> None:
        self._archive = archive
        self._run_id = run_id

    def candidate(self, number: int) -> CandidateRecord | None:
        """See `Library`."""
        return self._archive.candidate(self._run_id, number) if self._holds(number) else None

    def standing(self, number: int) -> Standing | None:
        """See `Library`."""
        return _shown(self._archive.standing(self._run_id, number)) if self._holds(number) else None

    def top(self, count: int) -> Sequence[Standing]:
        """See `Library`."""
        return [_shown(row) for row in self._archive.standings(self._run_id, split=Split.TRAIN, top=count)]

    def _holds(self, number: int) -> bool:
        return 0 <= number < self._archive.run_by_id(self._run_id).candidates


def _shown(row: Standing) -> Standing:
    # The splits that may be seen are named, so that one that is added later stays unseen.
    return replace(row, estimates={split: row.estimates[split] for split in SHOWN_SPLITS if split in row.estimates})
