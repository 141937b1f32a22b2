"""What every archive promises of runs and candidates, on every database of the `url` fixture."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from db.archive import Archive
from db.records import ArchiveError, NewCandidate, NewRun, Planned, RunRecord, RunStatus
from evaluators.model import Evaluation, Split

Make = Callable[..., Evaluation]


class TestArchiveConformance:
    def test_a_new_run_reads_back(self, archive: Archive, run: RunRecord) -> None:
        assert (run.name, run.problem, run.digest, run.status) == ("first", "eplb", "d1", RunStatus.RUNNING)
        assert run.config == {"seed": 1, "rate": 0.1}
        assert (run.candidates, run.duplicates, run.unusable, run.counts) == (0, 0, 0, {})
        assert (run.finished, run.best, run.best_split, run.elapsed_seconds) == (None, None, None, 0.0)
        assert archive.run("first") == archive.run(None) == archive.run_by_id(run.id) == run
        assert archive.secret(run.id) == b"\0secret\xff"
        assert "secret" not in repr(run)

    def test_runs_are_listed_newest_first(self, archive: Archive, new_run: Callable[..., NewRun]) -> None:
        for name in ("one", "two", "three"):
            archive.create_run(new_run(name))
        assert [run.name for run in archive.runs()] == ["three", "two", "one"]
        assert archive.run(None).name == "three"

    def test_a_taken_name_is_refused(self, archive: Archive, run: RunRecord, new_run: Callable[..., NewRun]) -> None:
        with pytest.raises(ArchiveError, match="first: the name is taken"):
            archive.create_run(new_run())
        assert archive.runs() == [run]

    @pytest.mark.parametrize("name", ["", "a\nb", "a\udc80"])
    def test_a_name_must_be_printable(self, archive: Archive, new_run: Callable[..., NewRun], name: str) -> None:
        with pytest.raises(ArchiveError, match="printable"):
            archive.create_run(new_run(name))

    @pytest.mark.parametrize("value", [math.nan, object()])
    def test_a_configuration_must_be_json(self, archive: Archive, value: object) -> None:
        new = NewRun(name="x", problem="eplb", digest="d", config={"value": value}, secret=b"s")
        with pytest.raises(ArchiveError, match="not JSON"):
            archive.create_run(new)

    def test_an_unknown_run_suggests_the_nearest(self, archive: Archive, run: RunRecord) -> None:
        with pytest.raises(ArchiveError, match="no run 'frist'; did you mean first"):
            archive.run("frist")
        with pytest.raises(ArchiveError, match="the newest is first"):
            archive.run("zzzzzzzzz")

    def test_an_empty_archive_has_no_newest_run(self, archive: Archive) -> None:
        with pytest.raises(ArchiveError, match="holds no runs yet"):
            archive.run(None)

    def test_status_elapsed_best_and_discarded(
        self, archive: Archive, run: RunRecord, add: Callable[..., int], ok: Make
    ) -> None:
        add(0, ok())
        archive.set_status(run.id, RunStatus.STOPPED)
        archive.add_elapsed(run.id, 1.5)
        archive.add_elapsed(run.id, 2.25)
        archive.set_best(run.id, 0, Split.VALIDATION)
        archive.count_discarded(run.id, duplicates=2, unusable=1)
        archive.count_discarded(run.id, duplicates=1)
        read = archive.run_by_id(run.id)
        assert (read.status, read.elapsed_seconds) == (RunStatus.STOPPED, 2.25)
        assert (read.best, read.best_split, read.duplicates, read.unusable) == (0, Split.VALIDATION, 3, 1)
        assert read.finished is not None
        assert read.finished > read.created
        archive.set_status(run.id, RunStatus.RUNNING)
        assert archive.run_by_id(run.id).finished is None

    def test_every_method_says_that_a_run_is_unknown(self, archive: Archive, run: RunRecord) -> None:
        calls: list[Callable[[], object]] = [
            lambda: archive.run_by_id(99),
            lambda: archive.secret(99),
            lambda: archive.set_status(99, RunStatus.FAILED),
            lambda: archive.add_elapsed(99, 1.0),
            lambda: archive.set_best(99, 0, Split.TRAIN),
            lambda: archive.count_discarded(99, duplicates=1),
            lambda: archive.candidate(99, 0),
        ]
        for call in calls:
            with pytest.raises(ArchiveError, match="no run with id 99"):
                call()

    def test_times_are_aware_and_the_clock_is_an_argument(self, url: str) -> None:
        east = datetime(2026, 5, 1, 2, 0, tzinfo=timezone(timedelta(hours=5)))
        with Archive.open(url, create=True, now=lambda: east) as archive:
            new = NewRun(name="x", problem="p", digest="d", config={}, secret=b"s")
            created = archive.create_run(new).created
        assert created == east
        assert created.tzinfo is UTC

    # Registering

    def test_a_candidate_reads_back(self, archive: Archive, run: RunRecord, add: Callable[..., int]) -> None:
        add(0)
        add(1)
        add(2, parents=(1, 0))
        read = archive.candidate(run.id, 2)
        assert (read.run_id, read.number, read.digest, read.parents) == (run.id, 2, "ast-2", (1, 0))
        assert read.source == "def plan():\n    return 2\n"
        assert (read.proposer, read.operator, read.note) == ("operators", "constant", "change 2")
        assert read.created.tzinfo is UTC
        assert archive.children(run.id, 0) == [2]
        assert archive.children(run.id, 2) == []
        assert archive.has_digest(run.id, "ast-1") == 1
        assert archive.has_digest(run.id, "ast-9") is None
        assert archive.run_by_id(run.id).candidates == 3

    def test_a_program_is_stored_once_for_all_runs(
        self,
        archive: Archive,
        run: RunRecord,
        new_run: Callable[..., NewRun],
        new_candidate: Callable[..., NewCandidate],
        planned: Callable[..., Planned],
    ) -> None:
        other = archive.create_run(new_run("second"))
        text = "x = 'é \u2028 \U0001f600'\r\n"
        for owner in (run, other):
            archive.register(owner.id, new_candidate(0, source=text), planned(0))
            assert archive.candidate(owner.id, 0).source == text

    def test_registering_counts_what_was_discarded(
        self,
        archive: Archive,
        run: RunRecord,
        new_candidate: Callable[..., NewCandidate],
        planned: Callable[..., Planned],
    ) -> None:
        archive.register(run.id, new_candidate(0), planned(0), duplicates=3, unusable=2)
        read = archive.run_by_id(run.id)
        assert (read.duplicates, read.unusable) == (3, 2)

    def test_a_refused_candidate_leaves_nothing_behind(
        self,
        archive: Archive,
        run: RunRecord,
        add: Callable[..., int],
        new_candidate: Callable[..., NewCandidate],
        planned: Callable[..., Planned],
    ) -> None:
        add(0)
        before = (archive.run_by_id(run.id), archive.unfinished(run.id))
        twin = NewCandidate(number=1, source="y = 1", digest="ast-0", proposer="seed", operator="o")
        refused = [
            (twin, planned(1), "has this program"),
            (new_candidate(2), planned(2), "the next one is 1"),
            (new_candidate(0), planned(0), "the next one is 1"),
            (new_candidate(1), planned(0), "planned evaluation is of 0"),
            (new_candidate(1, parents=(1,)), planned(1), "must be earlier"),
            (new_candidate(1, source="s = '\udc80'"), planned(1), "no UTF-8"),
            (new_candidate(1, source="s = '\0'"), planned(1), "NUL"),
            (replace(new_candidate(1), tokens=-1), planned(1), "tokens is -1"),
            (replace(new_candidate(1), cost=math.nan), planned(1), "a cost of nan"),
        ]
        for candidate, plan, message in refused:
            with pytest.raises(ArchiveError, match=message):
                archive.register(run.id, candidate, plan, duplicates=5)
        with pytest.raises(ArchiveError, match="no run with id 99"):
            archive.register(99, new_candidate(0), planned(0))
        assert (archive.run_by_id(run.id), archive.unfinished(run.id)) == before
        add(1)

    def test_an_unknown_candidate_is_named(
        self, archive: Archive, run: RunRecord, add: Callable[..., int], planned: Callable[..., Planned]
    ) -> None:
        with pytest.raises(ArchiveError, match="it holds none yet"):
            archive.candidate(run.id, 0)
        add(0)
        calls: list[Callable[[], object]] = [
            lambda: archive.candidate(run.id, 7),
            lambda: archive.children(run.id, 7),
            lambda: archive.evaluations(run.id, 7),
            lambda: archive.standing(run.id, 7),
            lambda: archive.set_best(run.id, 7, Split.TRAIN),
            lambda: archive.plan(run.id, planned(7)),
        ]
        for call in calls:
            with pytest.raises(ArchiveError, match="no candidate 7; it holds 0 to 0"):
                call()

    def test_everything_is_there_when_opened_again(
        self, url: str, archive: Archive, run: RunRecord, add: Callable[..., int], ok: Make
    ) -> None:
        add(0, ok())
        add(1, parents=(0,))
        archive.close()
        with Archive.open(url) as again:
            assert again.run(None).candidates == 2
            assert [record.sequence for _, record in again.history(run.id)] == [0]
            (waiting,) = again.unfinished(run.id)
            assert again.record(waiting.id, ok()) == 1
