"""Notes: what proposers found out and later prompts should know."""

from __future__ import annotations

from sqlalchemy import insert, select

from db.parts import Part, require_candidate, require_run
from db.records import Note, NoteKind
from db.schema import notes


class Notes(Part):
    """The part of an archive that remembers notes; every method may be called from any thread."""

    def add_note(self, run_id: int, note: Note) -> None:
        """Store a note.

        Raises:
            ArchiveError: there is no such run, or no such candidate in it.
        """
        row = {
            "run_id": run_id,
            "kind": note.kind,
            "text": note.text,
            "author": note.author,
            "number": note.number,
            "created": self._now(),
        }
        with self._store.writing() as connection:
            if note.number is None:
                require_run(connection, run_id)
            else:
                require_candidate(connection, run_id, note.number)
            connection.execute(insert(notes), row)

    def notes(self, run_id: int, *, kind: NoteKind | None = None, latest: int | None = None) -> list[Note]:
        """Notes of a run, oldest first.

        Args:
            run_id: the run.
            kind: only those of this kind; None for all.
            latest: only so many, the newest; None for all.
        """
        query = select(notes).where(notes.c.run_id == run_id).order_by(notes.c.id.desc()).limit(latest)
        if kind is not None:
            query = query.where(notes.c.kind == kind)
        with self._store.reading() as connection:
            require_run(connection, run_id)
            rows = connection.execute(query).all()
        return [Note(kind=row.kind, text=row.text, author=row.author, number=row.number) for row in reversed(rows)]
