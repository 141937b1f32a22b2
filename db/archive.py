"""The archive: everything that a search remembers, and the only writer of its tables."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from types import TracebackType

from sqlalchemy import insert, literal, select, true, update

from db.arms import Arms
from db.calls import Calls
from db.locks import driver_lock
from db.notes import Notes
from db.orders import Orders
from db.parts import no_run, require_candidate
from db.reads import page_of_standings, read_candidates, read_evaluations, read_runs, read_standings
from db.records import (
    ArchiveError,
    CandidateRecord,
    EvaluationRecord,
    NewCandidate,
    NewRun,
    Planned,
    RunRecord,
    RunStatus,
    Standing,
)
from db.schema import candidates, evaluations, lineage, runs
from db.store import Store, open_store
from db.writes import host_digest, write_candidate, write_discarded, write_host, write_plan, write_verdict
from evaluators.model import Evaluation, Split

_HISTORY_CHUNK = 200


def utc_now() -> datetime:
    """The current time, the archive's clock unless another is given."""
    return datetime.now(UTC)


class Archive(Arms, Calls, Notes, Orders):
    """Runs, candidates, evaluations, arms, calls of language models, notes and orders in one database file.

    Every change is one transaction: it is stored as a whole when the method returns, and not at all if it
    raises or the process dies. One process writes, from any of its threads, while any number read. Reading
    costs what it returns, however much the archive holds.

    Every method raises `ArchiveError` when it cannot do what was asked.
    """

    def __init__(self, store: Store, now: Callable[[], datetime] = utc_now) -> None:
        super().__init__(store, now)
        self._hosts: dict[str, int] = {}

    @classmethod
    def open(cls, url: str, *, create: bool = False, now: Callable[[], datetime] = utc_now) -> Archive:
        """Open an archive.

        Args:
            url: a path or ``sqlite:///path``.
            create: make a new archive if there is none.
            now: the clock; must return datetimes with a time zone.

        Raises:
            ArchiveError: there is none, it belongs to something else, or it cannot be used.
        """
        return cls(open_store(url, create=create), now)

    def close(self) -> None:
        """Give the file back."""
        self._store.close()

    def __enter__(self) -> Archive:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def create_run(self, new: NewRun) -> RunRecord:
        """Begin a run.

        Raises:
            ArchiveError: its name is taken or unprintable, or its configuration is not JSON.
        """
        if not new.name or not new.name.isprintable():
            raise ArchiveError(f"run name {new.name!r}: choose a name of printable characters")
        config = dict(new.config)
        try:
            json.dumps(config, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ArchiveError(f"run {new.name}: its configuration is not JSON: {error}") from error
        values = {
            "name": new.name,
            "problem": new.problem,
            "digest": new.digest,
            "config": config,
            "secret": new.secret,
            "status": RunStatus.RUNNING,
            "created": self._now(),
        }
        with self._store.writing() as connection:
            if connection.scalar(select(runs.c.id).where(runs.c.name == new.name)) is not None:
                raise ArchiveError(f"run {new.name}: the name is taken; resume that run or choose another name")
            connection.execute(insert(runs), values)
            return read_runs(connection, runs.c.name == new.name)[0]

    def runs(self) -> list[RunRecord]:
        """Every run, newest first."""
        with self._store.reading() as connection:
            return read_runs(connection, true())

    def run(self, name: str | None) -> RunRecord:
        """A run by its name, or the newest for None.

        Raises:
            ArchiveError: there is no such run.
        """
        newest = select(runs.c.id).order_by(runs.c.id.desc()).limit(1).scalar_subquery()
        with self._store.reading() as connection:
            found = read_runs(connection, runs.c.id == newest if name is None else runs.c.name == name)
            if found:
                return found[0]
            names = list(connection.scalars(select(runs.c.name)))
        if not names:
            raise ArchiveError(f"archive {self._store.path} holds no runs yet; start one first")
        near = difflib.get_close_matches(str(name), names, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}?" if near else f"the newest is {names[-1]}"
        raise ArchiveError(f"archive {self._store.path} holds no run {name!r}; {hint}")

    def run_by_id(self, run_id: int) -> RunRecord:
        """A run by its id.

        Raises:
            ArchiveError: there is no such run.
        """
        with self._store.reading() as connection:
            found = read_runs(connection, runs.c.id == run_id)
        if not found:
            raise no_run(run_id)
        return found[0]

    def secret(self, run_id: int) -> bytes:
        """The secret that seeds a run's workloads."""
        with self._store.reading() as connection:
            secret = connection.scalar(select(runs.c.secret).where(runs.c.id == run_id))
        if secret is None:
            raise no_run(run_id)
        return bytes(secret)

    def set_status(self, run_id: int, status: RunStatus) -> None:
        """Say where a run stands; its ``finished`` is now, or None when it runs again."""
        finished = None if status is RunStatus.RUNNING else self._now()
        self._update_run(run_id, {"status": status, "finished": finished})

    @contextmanager
    def driving(self, run_id: int) -> Iterator[None]:
        """Be the only driver of a run for as long as the block lasts; the kernel ends it with the process.

        Raises:
            ArchiveError: another process drives the run.
        """
        with driver_lock(self._store.path, run_id):
            yield

    def set_config(self, run_id: int, config: Mapping[str, object]) -> None:
        """Replace a run's settings, such as its budget when it is resumed with a larger one."""
        self._update_run(run_id, {"config": dict(config)})

    def add_elapsed(self, run_id: int, elapsed_seconds: float) -> None:
        """Set the search time that a run has used over all its sittings."""
        self._update_run(run_id, {"elapsed_seconds": float(elapsed_seconds)})

    def set_best(self, run_id: int, number: int, split: Split) -> None:
        """Call a candidate the best of its run, by what a split says."""
        with self._store.writing() as connection:
            require_candidate(connection, run_id, number)
            values = {"best_number": number, "best_split": split}
            connection.execute(update(runs).where(runs.c.id == run_id).values(values))

    def count_discarded(self, run_id: int, *, duplicates: int = 0, unusable: int = 0) -> None:
        """Add proposals that were thrown away unevaluated to a run's counters."""
        with self._store.writing() as connection:
            if write_discarded(connection, run_id, {"duplicates": duplicates, "unusable": unusable}) == 0:
                raise no_run(run_id)

    def register(
        self,
        run_id: int,
        candidate: NewCandidate,
        planned: Planned,
        *,
        duplicates: int = 0,
        unusable: int = 0,
    ) -> int:
        """Store a new candidate and its first evaluation to be done, before it is evaluated.

        Args:
            run_id: the run.
            candidate: the program; its number must be the run's next.
            planned: its first evaluation.
            duplicates: proposals thrown away before this one because their programs were known.
            unusable: proposals thrown away before this one because they could not be candidates.

        Returns:
            The evaluation's id.
        """
        if planned.number != candidate.number:
            raise ArchiveError(f"candidate {candidate.number}: the planned evaluation is of {planned.number}")
        now = self._now()
        with self._store.writing() as connection:
            discarded = {"duplicates": duplicates, "unusable": unusable}
            write_candidate(connection, run_id, candidate, discarded, now)
            return write_plan(connection, run_id, planned, now)

    def plan(self, run_id: int, planned: Planned) -> int:
        """Store a further evaluation of a known candidate, before it is done; returns the evaluation's id."""
        with self._store.writing() as connection:
            require_candidate(connection, run_id, planned.number)
            return write_plan(connection, run_id, planned, self._now())

    def record(self, evaluation_id: int, evaluation: Evaluation) -> int:
        """Store the verdict on a planned evaluation, once; returns its place in the run's order of recording.

        Raises:
            ArchiveError: it was never planned, is recorded already, or the verdict is on something else.
        """
        digest = host_digest(evaluation.host)
        known = self._hosts.get(digest)
        with self._store.writing() as connection:
            host_id = write_host(connection, evaluation.host, digest) if known is None else known
            sequence = write_verdict(connection, evaluation_id, evaluation, host_id, self._now())
        self._hosts[digest] = host_id  # only now that it is stored
        return sequence

    def unfinished(self, run_id: int) -> list[EvaluationRecord]:
        """Evaluations that were planned and never recorded, oldest first: what a resumed run does again."""
        wanted = (evaluations.c.run_id == run_id) & evaluations.c.sequence.is_(None)
        with self._store.reading() as connection:
            return read_evaluations(connection, wanted, evaluations.c.id)

    def history(self, run_id: int) -> Iterator[tuple[CandidateRecord, EvaluationRecord]]:
        """Every recorded evaluation with its candidate, in the order of recording, a chunk at a time."""
        start = 0
        while True:
            chunk = evaluations.c.sequence.between(start, start + _HISTORY_CHUNK - 1)
            wanted = (evaluations.c.run_id == run_id) & chunk
            with self._store.reading() as connection:
                records = read_evaluations(connection, wanted, evaluations.c.sequence)
                known = read_candidates(connection, run_id, select(evaluations.c.number).where(wanted))
            for record in records:
                yield known[record.planned.number], record
            if len(records) < _HISTORY_CHUNK:
                return
            start += _HISTORY_CHUNK

    def has_digest(self, run_id: int, digest: str) -> int | None:
        """Number of the run's candidate with that digest, if there is one."""
        query = select(candidates.c.number).where(candidates.c.run_id == run_id, candidates.c.digest == digest)
        with self._store.reading() as connection:
            return connection.scalar(query)

    def candidate(self, run_id: int, number: int) -> CandidateRecord:
        """A candidate with its program.

        Raises:
            ArchiveError: there is no such candidate.
        """
        with self._store.reading() as connection:
            require_candidate(connection, run_id, number)
            return read_candidates(connection, run_id, select(literal(number)))[number]

    def children(self, run_id: int, number: int) -> list[int]:
        """Numbers of the candidates that were made from this one."""
        query = select(lineage.c.child).where(lineage.c.run_id == run_id, lineage.c.parent == number)
        with self._store.reading() as connection:
            require_candidate(connection, run_id, number)
            return list(connection.scalars(query.distinct().order_by(lineage.c.child)))

    def evaluations(self, run_id: int, number: int) -> list[EvaluationRecord]:
        """Every evaluation of a candidate, planned ones too, in the order of planning."""
        wanted = (evaluations.c.run_id == run_id) & (evaluations.c.number == number)
        with self._store.reading() as connection:
            require_candidate(connection, run_id, number)
            return read_evaluations(connection, wanted, evaluations.c.id)

    def standings(
        self, run_id: int, *, split: Split = Split.TRAIN, top: int | None = 20, sort: str = "low"
    ) -> list[Standing]:
        """The leaderboard of a split: candidates with a score there, best first.

        Args:
            run_id: the run.
            split: whose estimates decide.
            top: how many; None for all.
            sort: ``"low"`` (lower end of the interval, falling), ``"score"`` (mean, falling) or ``"number"``.
        """
        page = page_of_standings(run_id, split, top, sort)
        with self._store.reading() as connection:
            return read_standings(connection, run_id, page)

    def standing(self, run_id: int, number: int) -> Standing:
        """Where one candidate stands, scored or not."""
        with self._store.reading() as connection:
            require_candidate(connection, run_id, number)
            return read_standings(connection, run_id, select(literal(number)))[0]

    def _update_run(self, run_id: int, values: dict[str, object]) -> None:
        with self._store.writing() as connection:
            if connection.execute(update(runs).where(runs.c.id == run_id).values(values)).rowcount == 0:
                raise no_run(run_id)
