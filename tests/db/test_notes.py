"""What every archive promises of notes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from db.archive import Archive
from db.records import ArchiveError, NewRun, Note, NoteKind, RunRecord


def _note(text: str, kind: NoteKind = NoteKind.HYPOTHESIS, number: int | None = None) -> Note:
    return Note(kind=kind, text=text, author="llm:small", number=number)


class TestNoteConformance:
    def test_notes_read_back_oldest_first(
        self, url: str, archive: Archive, run: RunRecord, add: Callable[..., int]
    ) -> None:
        add(0)
        written = [_note("one", number=0), _note("two é", NoteKind.INSIGHTS), _note("one", NoteKind.PARADIGM)]
        for note in written:
            archive.add_note(run.id, note)
        assert archive.notes(run.id) == written
        with Archive.open(url) as again:
            assert again.notes(run.id) == written

    def test_notes_are_chosen_by_kind_and_age(
        self, archive: Archive, run: RunRecord, new_run: Callable[..., NewRun]
    ) -> None:
        other = archive.create_run(new_run("second"))
        archive.add_note(other.id, _note("of the other run"))
        kinds = [NoteKind.HYPOTHESIS, NoteKind.INSIGHTS, NoteKind.HYPOTHESIS, NoteKind.HYPOTHESIS]
        for number, kind in enumerate(kinds):
            archive.add_note(run.id, _note(str(number), kind))

        def texts(**options: Any) -> list[str]:
            return [note.text for note in archive.notes(run.id, **options)]

        assert texts(latest=2) == ["2", "3"]
        assert texts(kind=NoteKind.HYPOTHESIS) == ["0", "2", "3"]
        assert texts(kind=NoteKind.HYPOTHESIS, latest=2) == ["2", "3"]
        assert texts(kind=NoteKind.INSIGHTS, latest=5) == ["1"]
        assert texts(kind=NoteKind.PARADIGM) == texts(latest=0) == []

    def test_what_a_model_wrote_is_kept_readable(self, archive: Archive, run: RunRecord) -> None:
        archive.add_note(run.id, Note(kind=NoteKind.INSIGHTS, text="a\0b", author="llm:\ud800"))
        assert [(note.text, note.author) for note in archive.notes(run.id)] == [("a\\x00b", "llm:\\ud800")]

    def test_an_unknown_run_or_candidate_is_named(
        self, archive: Archive, run: RunRecord, add: Callable[..., int]
    ) -> None:
        add(0)
        with pytest.raises(ArchiveError, match="no candidate 7; it holds 0 to 0"):
            archive.add_note(run.id, _note("x", number=7))
        for action in (
            lambda: archive.add_note(99, _note("x")),
            lambda: archive.add_note(99, _note("x", number=0)),
            lambda: archive.notes(99),
        ):
            with pytest.raises(ArchiveError, match="no run with id 99"):
                action()
        assert archive.notes(run.id) == []
