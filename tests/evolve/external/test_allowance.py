from __future__ import annotations

import itertools
from pathlib import Path

from db.archive import Archive
from db.records import NewCandidate, NewRun, Planned, Purpose
from evaluators.model import Evaluation, Outcome, Split
from evolve.budget import Budget
from evolve.external.allowance import Allowance


def test_what_is_left_counts_what_is_under_way_but_no_final(tmp_path: Path) -> None:
    with Archive.open(str(tmp_path / "a.db"), create=True) as archive:
        run = archive.create_run(NewRun(name="r", problem="p", digest="d", config={}, secret=bytes(32)))
        allowance = Allowance(archive, run.id, Budget(evaluations=3), itertools.count().__next__)
        assert (allowance.left(), allowance.spent()) == (3, "")
        candidate = NewCandidate(number=0, source="x = 1", digest="d" * 64, proposer="seed", operator="s")
        planned = Planned(number=0, purpose=Purpose.SEARCH, split=Split.TRAIN, block=0)
        key = archive.register(run.id, candidate, planned)
        assert allowance.left() == 2
        archive.plan(run.id, Planned(number=0, purpose=Purpose.FINAL, split=Split.HIDDEN, block=0))
        archive.plan(run.id, Planned(number=0, purpose=Purpose.CARRY, split=Split.TRAIN, block=1))
        assert allowance.left() == 1
        verdict = Evaluation(
            problem="p", split=Split.TRAIN, block=0, digest="d", outcome=Outcome.WRONG, reason="it is wrong"
        )
        archive.record(key, verdict)
        assert (allowance.used().recorded, allowance.used().in_flight) == (1, 1)
        archive.plan(run.id, Planned(number=0, purpose=Purpose.CONFIRM, split=Split.VALIDATION, block=0))
        assert (allowance.left(), allowance.spent()) == (0, "the budget of 3 evaluations is spent")


def test_time_counts_from_the_beginning_of_the_search_over_all_sittings(tmp_path: Path) -> None:
    with Archive.open(str(tmp_path / "a.db"), create=True) as archive:
        run = archive.create_run(NewRun(name="r", problem="p", digest="d", config={}, secret=bytes(32)))
        archive.add_elapsed(run.id, 90.0)
        times = iter([1000.0, 1005.0, 1011.0])
        allowance = Allowance(archive, run.id, Budget(seconds=100), lambda: next(times))
        assert allowance.elapsed_seconds == 90.0
        allowance.begin()
        assert (allowance.left(), allowance.spent()) == (None, "")
        assert allowance.spent() == "the budget of 100 seconds is spent"
