"""What an agent may look up."""

from __future__ import annotations

from db.archive import Archive
from db.records import RunRecord
from evaluators.model import Outcome, Split
from evolve.proposers.llm.agent import ArchiveLibrary

SHOWN = {Split.TRAIN, Split.VALIDATION}


def test_nothing_of_the_hidden_split_comes_out(archive: Archive, run: RunRecord) -> None:
    assert archive.standing(run.id, 2).estimates[Split.HIDDEN].mean == 87.6, "the archive holds hidden scores"
    library = ArchiveLibrary(archive, run.id)
    rows = [*library.top(20), *(library.standing(number) for number in range(5))]
    assert all(row is not None and set(row.estimates) <= SHOWN for row in rows)
    assert "87.6" not in repr(rows)
    assert "0.0876" not in repr(rows), "a metric of the hidden evaluation"
    assert not any("87.6" in repr(library.candidate(number)) for number in range(5))


def test_standings_are_by_train_score(archive: Archive, run: RunRecord) -> None:
    library = ArchiveLibrary(archive, run.id)
    assert [row.number for row in library.top(2)] == [2, 1]
    row = library.standing(2)
    assert row is not None
    assert {split: estimate.mean for split, estimate in row.estimates.items()} == {
        Split.TRAIN: 50.0,
        Split.VALIDATION: 47.0,
    }


def test_candidates_that_failed_or_are_not_there(archive: Archive, run: RunRecord) -> None:
    library = ArchiveLibrary(archive, run.id)
    failed, waiting = library.standing(3), library.standing(4)
    assert failed is not None
    assert waiting is not None
    assert (failed.outcome, waiting.outcome) == (Outcome.WRONG, None)
    assert (library.candidate(5), library.standing(5), library.candidate(-1)) == (None, None, None)
