from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from db.archive import Archive
from db.records import NewCandidate, NewRun, Planned, Purpose
from evaluators.model import Evaluation, Outcome, Split, WorkloadResult
from evolve.finals import Contenders, FinalResult, run_final


class Table:
    """Stands where a runner does: records what a table says instead of judging."""

    def __init__(self, archive: Archive, run_id: int, shares: dict[int, list[float] | None]) -> None:
        self.archive, self.run_id, self.shares = archive, run_id, shares
        self.measured: list[Planned] = []

    def measure(self, planned: list[Planned], stopping: object) -> None:
        for item in planned:
            self.measured.append(item)
            key = self.archive.plan(self.run_id, item)
            self.archive.record(key, hidden(item.block, self.shares[item.number]))


def hidden(block: int, shares: list[float] | None) -> Evaluation:
    if shares is None:
        return Evaluation(
            problem="p",
            split=Split.HIDDEN,
            block=block,
            digest="d",
            outcome=Outcome.TIMEOUT,
            reason="too slow",
        )
    mean = sum(shares) / len(shares)
    return Evaluation(
        problem="p",
        split=Split.HIDDEN,
        block=block,
        digest="d",
        outcome=Outcome.OK,
        score=mean,
        stderr=0.1,
        low=mean - 1,
        high=mean + 1,
        workloads=tuple(
            WorkloadResult(name=f"w{i}", objective=0, baseline=0, reference=1, ceiling=1, share=share, stderr=0.5)
            for i, share in enumerate(shares)
        ),
    )


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with Archive.open(str(tmp_path / "a.db"), create=True, now=lambda: datetime.now(UTC)) as opened:
        run = opened.create_run(NewRun(name="r", problem="p", digest="d", config={}, secret=bytes(32)))
        for number in range(5):
            opened.register(
                run.id,
                NewCandidate(number=number, source=f"x={number}", digest=str(number), proposer="seed", operator="s"),
                Planned(number=number, purpose=Purpose.SEARCH, split=Split.TRAIN, block=0),
            )
        yield opened


def final(archive: Archive, shares: dict[int, list[float] | None], *, is_kernel: bool = False) -> FinalResult:
    """Seeds 0 and 1 against finalists 2, 3, 4 in this order of merit."""
    run = archive.run(None)
    contenders = Contenders(finalists=(2, 3, 4), seeds=(0, 1), is_kernel=is_kernel)
    table = Table(archive, run.id, shares)
    result = run_final(archive, run.id, table, contenders, lambda: False)  # type: ignore[arg-type]
    assert result is not None
    return result


SEEDS: dict[int, list[float] | None] = {0: [0.0, 1.0, 2.0], 1: [10.0, 11.0, 12.0]}


def test_the_winner_is_the_first_whose_advantage_survives_not_the_highest(archive: Archive) -> None:
    result = final(archive, {**SEEDS, 2: [0.0, 0.0, 60.0], 3: [20.0, 21.0, 22.0], 4: [50.0, 51.0, 52.0]})
    assert (result.best_seed, result.winner) == (1, 3)
    by_number = {placing.number: placing for placing in result.placings}
    lead = by_number[3].advantage
    assert lead is not None
    assert lead.mean == pytest.approx(10.0)
    assert by_number[0].advantage is None
    assert archive.run(None).best == 3
    assert archive.run(None).best_split is Split.HIDDEN


def test_with_no_proven_advantage_the_best_seed_stays_best(archive: Archive) -> None:
    result = final(archive, {**SEEDS, 2: [10.0, 11.0, 12.5], 3: [1.0, 2.0, 3.0], 4: None})
    assert result.winner == 1
    assert archive.run(None).best == 1


def test_times_are_compared_by_the_clock_s_errors_on_the_shapes_that_were_met(archive: Archive) -> None:
    """A kernel that gains on one shape of three gains on average: how far the shapes lie apart is no doubt of that."""
    table = {**SEEDS, 2: [10.0, 11.0, 24.0], 3: [10.0, 11.0, 13.5], 4: None}
    assert final(archive, table).winner == 1, "as draws of one population"
    result = final(archive, table, is_kernel=True)
    assert result.winner == 2
    lead, small = (placing.advantage for placing in result.placings[:2])
    assert lead is not None
    assert small is not None
    assert lead.mean == pytest.approx(4.0)
    assert lead.stderr == pytest.approx((3 * 2 * 0.5**2) ** 0.5 / 3)
    assert small.low < 0, "half a point is within the noise"


def test_every_final_draws_a_block_of_its_own(archive: Archive) -> None:
    table = {**SEEDS, 2: [20.0, 21.0, 22.0], 3: [1.0, 2.0, 3.0], 4: None}
    assert [final(archive, table).block for _ in range(3)] == [0, 1, 2]


def test_a_final_that_was_cut_short_goes_on_with_its_own_block(archive: Archive) -> None:
    run = archive.run(None)
    key = archive.plan(run.id, Planned(number=2, purpose=Purpose.FINAL, split=Split.HIDDEN, block=0))
    archive.record(key, hidden(0, [20.0, 21.0, 22.0]))
    archive.plan(run.id, Planned(number=3, purpose=Purpose.FINAL, split=Split.HIDDEN, block=0))

    class Resumed(Table):
        def measure(self, planned: list[Planned], stopping: object) -> None:
            assert [p.number for p in planned] == [3, 4, 0, 1]
            unfinished = {record.planned: record.id for record in self.archive.unfinished(self.run_id)}
            for item in planned:
                key = unfinished.get(item) or self.archive.plan(self.run_id, item)
                self.archive.record(key, hidden(item.block, self.shares[item.number]))

    shares = {**SEEDS, 3: [1.0, 2.0, 3.0], 4: [1.0, 2.0, 3.0]}
    result = run_final(
        archive,
        run.id,
        Resumed(archive, run.id, shares),  # type: ignore[arg-type]
        Contenders(finalists=(2, 3, 4), seeds=(0, 1)),
        lambda: False,
    )
    assert result is not None
    assert (result.block, result.winner) == (0, 2)
