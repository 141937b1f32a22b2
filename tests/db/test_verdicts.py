"""What every archive promises of verdicts and standings, whatever database is behind it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest

from db.archive import Archive
from db.records import ArchiveError, NewCandidate, NewRun, Planned, Purpose, RunRecord
from evaluators.model import Evaluation, Outcome, Split
from evaluators.statistics import stratified

Make = Callable[..., Evaluation]


class TestVerdictConformance:
    def test_a_verdict_is_recorded_once(
        self, archive: Archive, run: RunRecord, add: Callable[..., int], ok: Make, failed: Make
    ) -> None:
        key = add(0)
        (open_one,) = archive.unfinished(run.id)
        assert (open_one.id, open_one.sequence, open_one.evaluation, open_one.recorded) == (
            key,
            None,
            None,
            None,
        )
        assert archive.record(key, ok()) == 0
        after = (archive.run_by_id(run.id), archive.evaluations(run.id, 0), archive.standing(run.id, 0))
        with pytest.raises(ArchiveError, match="recorded already"):
            archive.record(key, failed())
        assert (
            archive.run_by_id(run.id),
            archive.evaluations(run.id, 0),
            archive.standing(run.id, 0),
        ) == after
        assert archive.unfinished(run.id) == []

    def test_a_verdict_must_be_on_what_was_planned(
        self, archive: Archive, run: RunRecord, add: Callable[..., int], ok: Make
    ) -> None:
        key = add(0)
        with pytest.raises(ArchiveError, match="planned on eplb / train / 0, but the verdict is on eplb / train / 1"):
            archive.record(key, ok(block=1))
        with pytest.raises(ArchiveError, match="on eplb / hidden / 0"):
            archive.record(key, ok(split=Split.HIDDEN))
        with pytest.raises(ArchiveError, match="no evaluation with id 999"):
            archive.record(999, ok())
        assert archive.record(key, ok()) == 0

    def test_a_metric_must_be_finite(self, archive: Archive, add: Callable[..., int]) -> None:
        key = add(0)
        verdict = Evaluation(
            problem="eplb",
            split=Split.TRAIN,
            block=0,
            digest="w",
            outcome=Outcome.WRONG,
            reason="no",
            metrics={"balance": math.nan},
        )
        with pytest.raises(ArchiveError, match="balance is nan"):
            archive.record(key, verdict)

    def test_what_a_race_spared_is_counted_with_the_verdict(
        self,
        archive: Archive,
        run: RunRecord,
        add: Callable[..., int],
        planned: Callable[..., Planned],
        ok: Make,
        failed: Make,
    ) -> None:
        def counted() -> tuple[float, ...]:
            now = archive.run_by_id(run.id)
            return now.played_workloads, now.played_seconds, now.spared_workloads, now.spared_seconds

        assert counted() == (0, 0.0, 0, 0.0)
        add(0, replace(ok((1.0, 2.0, 3.0, 4.0)), seconds=2.0))
        assert counted() == (4, 2.0, 0, 0.0)
        stopped = replace(failed(Outcome.STOPPED), workloads=ok().workloads, seconds=3.0, spared=6)
        key = add(1, stopped)
        assert counted() == (6, 5.0, 6, 9.0)
        add(2, replace(failed(Outcome.STOPPED), seconds=1.0, spared=2))  # stopped before it finished any
        assert counted() == (6, 6.0, 8, 9.0)
        final = planned(0, purpose=Purpose.FINAL, split=Split.HIDDEN)
        archive.record(archive.plan(run.id, final), ok((5.0,), split=Split.HIDDEN))
        with pytest.raises(ArchiveError, match="recorded already"):
            archive.record(key, stopped)
        assert counted() == (6, 6.0, 8, 9.0)
        assert [one.evaluation.spared for _, one in archive.history(run.id) if one.evaluation] == [0, 6, 2, 0]

    def test_what_a_hostile_program_wrote_is_kept_readable(
        self, archive: Archive, run: RunRecord, add: Callable[..., int], failed: Make
    ) -> None:
        add(0, failed(reason="bad \ud800 end", log="a\0b é \udcff"))
        verdict = archive.evaluations(run.id, 0)[0].evaluation
        assert verdict is not None
        assert verdict.reason == "bad \\ud800 end"
        assert verdict.log == "a\\x00b é \\udcff"

    def test_sequence_and_counts_follow_the_order_of_recording(
        self,
        archive: Archive,
        run: RunRecord,
        add: Callable[..., int],
        planned: Callable[..., Planned],
        ok: Make,
        failed: Make,
    ) -> None:
        keys = [add(number) for number in range(3)]
        assert archive.record(keys[2], ok()) == 0
        assert archive.record(keys[0], failed()) == 1
        again = archive.plan(run.id, planned(2, purpose=Purpose.CARRY, block=1))
        assert [record.id for record in archive.unfinished(run.id)] == [keys[1], again]
        assert archive.record(again, ok(block=1)) == 2
        assert archive.record(keys[1], failed()) == 3
        assert archive.run_by_id(run.id).counts == {
            Purpose.SEARCH: {Outcome.OK: 1, Outcome.CRASHED: 2},
            Purpose.CARRY: {Outcome.OK: 1},
        }
        order = [(candidate.number, record.sequence) for candidate, record in archive.history(run.id)]
        assert order == [(2, 0), (0, 1), (2, 2), (1, 3)]

    def test_history_streams_every_evaluation_across_chunks(
        self,
        archive: Archive,
        run: RunRecord,
        add: Callable[..., int],
        ok: Make,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr("db.archive._HISTORY_CHUNK", 3)
        for number in range(7):
            add(number, ok((float(number), 1.0)), parents=(number - 1,) if number else ())
        seen = list(archive.history(run.id))
        assert [record.sequence for _, record in seen] == list(range(7))
        for candidate, record in seen:
            assert candidate == archive.candidate(run.id, candidate.number)
            assert record == archive.evaluations(run.id, candidate.number)[0]
        assert list(archive.history(run.id + 1)) == []

    def test_runs_keep_apart(
        self,
        archive: Archive,
        run: RunRecord,
        add: Callable[..., int],
        new_run: Callable[..., NewRun],
        new_candidate: Callable[..., NewCandidate],
        planned: Callable[..., Planned],
        ok: Make,
    ) -> None:
        add(0, ok())
        other = archive.create_run(new_run("second"))
        key = archive.register(other.id, new_candidate(0), planned(0))
        assert archive.unfinished(run.id) == []
        assert archive.record(key, ok((50.0, 60.0))) == 0
        assert [row.estimates[Split.TRAIN].mean for row in archive.standings(run.id)] == [12.0]
        assert [row.estimates[Split.TRAIN].mean for row in archive.standings(other.id)] == [55.0]
        assert archive.run_by_id(run.id).counts == {Purpose.SEARCH: {Outcome.OK: 1}}


class TestStandingConformance:
    def test_standings_are_sorted_and_cut(
        self, archive: Archive, run: RunRecord, add: Callable[..., int], ok: Make, failed: Make
    ) -> None:
        add(0, ok((10.0, 10.0), stderr=0.1))
        add(1, ok((30.0, 30.0), stderr=20.0))
        add(2, failed())
        add(3, ok((20.0, 20.0), stderr=0.1))
        add(4)
        add(5, ok((10.0, 10.0), stderr=0.1))

        def numbers(**options: object) -> list[int]:
            return [row.number for row in archive.standings(run.id, **options)]  # type: ignore[arg-type]

        assert numbers() == [3, 0, 5, 1]
        assert numbers(sort="score") == [1, 3, 0, 5]
        assert numbers(sort="number", top=None) == [0, 1, 3, 5]
        assert numbers(top=2) == [3, 0]
        assert numbers(split=Split.HIDDEN) == []
        with pytest.raises(ArchiveError, match="sorted by 'speed'; choose one of low, score, number"):
            numbers(sort="speed")

    def test_an_estimate_pools_all_ok_evaluations_of_a_split(
        self,
        archive: Archive,
        run: RunRecord,
        add: Callable[..., int],
        planned: Callable[..., Planned],
        ok: Make,
        failed: Make,
    ) -> None:
        add(0, ok((10.0, 14.0), stderr=0.5))
        assert archive.standing(run.id, 0).estimates == {Split.TRAIN: stratified([10.0, 14.0], [0.5, 0.5], ["a", "a"])}
        for block, verdict in ((1, ok((20.0, 21.5), block=1, stderr=1.5)), (2, failed(block=2))):
            archive.record(archive.plan(run.id, planned(0, block=block)), verdict)
        hidden = planned(0, purpose=Purpose.FINAL, split=Split.HIDDEN)
        archive.record(archive.plan(run.id, hidden), ok((5.0,), split=Split.HIDDEN))
        standing = archive.standing(run.id, 0)
        assert standing.estimates == {
            Split.TRAIN: stratified([10.0, 14.0, 20.0, 21.5], [0.5, 0.5, 1.5, 1.5], ["a", "a", "b", "b"]),
            Split.HIDDEN: stratified([5.0], [0.5], ["a"]),
        }
        assert standing.metrics == {"balance": 41.5 / 7, "moved": 0.0}
        assert archive.standings(run.id) == archive.standings(run.id, split=Split.HIDDEN) == [standing]

    def test_a_standing_tells_of_its_candidate(
        self,
        archive: Archive,
        run: RunRecord,
        add: Callable[..., int],
        planned: Callable[..., Planned],
        ok: Make,
        failed: Make,
    ) -> None:
        add(0, failed())
        add(1, parents=(0,))
        archive.record(archive.plan(run.id, planned(0, block=1)), ok(block=1))
        first, second = archive.standing(run.id, 0), archive.standing(run.id, 1)
        assert (first.outcome, first.parents, list(first.estimates)) == (Outcome.CRASHED, (), [Split.TRAIN])
        assert (second.outcome, second.parents, second.estimates, second.metrics) == (None, (0,), {}, {})
        assert (second.proposer, second.operator, second.note) == ("operators", "constant", "change 1")
