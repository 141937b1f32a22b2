"""A real archive with a small run in it, built candidate by candidate."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from db.archive import Archive
from db.records import ArmRecord, NewCandidate, NewRun, Planned, Purpose, RunRecord
from evaluators.model import Evaluation, Metric, Outcome, Split, WorkloadResult
from evaluators.statistics import stratified

SECRET = bytes(range(200, 232))
METRICS = (
    Metric(name="runtime", unit="ms", higher_is_better=False, description="time of one plan"),
    Metric(name="balance", unit="", higher_is_better=True, description="mean over max load"),
)
STDERR = 1.5  # standard error of every workload's share, in points
Shares = Sequence[float]


@dataclass
class RunBuilder:
    """Fills one run of an archive by the archive's own methods."""

    archive: Archive
    id: int
    number: int = 0

    @property
    def run(self) -> RunRecord:
        return next(run for run in self.archive.runs() if run.id == self.id)

    def add(
        self,
        verdict: Shares | Outcome | None,
        *,
        operator: str = "mutate:constant",
        proposer: str = "operators",
        parents: tuple[int, ...] = (),
        note: str = "",
        source: str | None = None,
        reason: str = "an expert is missing",
        log: str = "",
    ) -> int:
        """Register a candidate and record its first evaluation; None leaves it in flight."""
        number, self.number = self.number, self.number + 1
        candidate = NewCandidate(
            number=number,
            source=f"def plan():\n    return {number}\n" if source is None else source,
            digest=f"{number:064x}",
            proposer=proposer,
            operator=operator,
            parents=parents,
            note=note,
        )
        planned = Planned(number=number, purpose=Purpose.SEARCH, split=Split.TRAIN, block=0)
        evaluation_id = self.archive.register(self.id, candidate, planned)
        if isinstance(verdict, Outcome):
            self.archive.record(evaluation_id, failed(verdict, reason=reason, log=log))
        elif verdict is not None:
            self.archive.record(evaluation_id, measured(verdict, log=log))
        return number

    def stopped(self, shares: Shares, spared: int, seconds: float) -> None:
        """A candidate that was raced out after the workloads with these shares."""
        number, self.number = self.number, self.number + 1
        candidate = NewCandidate(number=number, source="", digest=f"{number}", proposer="operators", operator="o")
        planned = Planned(number=number, purpose=Purpose.SEARCH, split=Split.TRAIN, block=0)
        played = measured(shares).workloads if shares else ()
        verdict = replace(failed(Outcome.STOPPED, reason="behind"), workloads=played, spared=spared, seconds=seconds)
        self.archive.record(self.archive.register(self.id, candidate, planned), verdict)

    def seed(self, name: str, shares: Shares) -> int:
        return self.add(shares, operator=name, proposer="seed")

    def again(self, number: int, shares: Shares, split: Split, block: int = 0) -> None:
        """Measure a known candidate on another split or block."""
        purpose = Purpose.FINAL if split is Split.HIDDEN else Purpose.CONFIRM
        planned = Planned(number=number, purpose=purpose, split=split, block=block)
        self.archive.record(self.archive.plan(self.id, planned), measured(shares, split=split, block=block))


def measured(shares: Shares, *, split: Split = Split.TRAIN, block: int = 0, log: str = "") -> Evaluation:
    """An ok evaluation with these shares, one workload each."""
    names = [f"{split.value}-{index}" for index in range(len(shares))]
    pooled = stratified(shares, [STDERR] * len(shares), names)
    return Evaluation(
        problem="eplb",
        split=split,
        block=block,
        digest="d1" * 32,
        outcome=Outcome.OK,
        score=pooled.mean,
        stderr=pooled.stderr,
        low=pooled.low,
        high=pooled.high,
        workloads=tuple(
            WorkloadResult(
                name=name,
                objective=0.8 + share / 1000,
                baseline=0.8,
                reference=0.9,
                ceiling=0.95,
                share=share,
                stderr=STDERR,
                metrics={"runtime": 12.5, "balance": 0.91},
            )
            for name, share in zip(names, shares, strict=True)
        ),
        metrics={"runtime": 12.5, "balance": 0.91},
        seconds=1.25,
        host={"machine": "test host", "python": "3.11"},
        log=log,
    )


def failed(outcome: Outcome, *, reason: str = "an expert is missing", log: str = "") -> Evaluation:
    """An evaluation without a score."""
    return Evaluation(
        problem="eplb", split=Split.TRAIN, block=0, digest="d1" * 32, outcome=outcome, reason=reason, log=log
    )


@pytest.fixture
def arm() -> Callable[..., ArmRecord]:
    """An arm of a bandit, as the archive gives it."""

    def make(*parts: str, **changes: Any) -> ArmRecord:
        proposer, operator, model, selector = (*parts, "", "", "", "")[:4]
        values: dict[str, Any] = {
            "pulls": 20,
            "in_flight": 0,
            "candidates": 16,
            "ok": 12,
            "improved": 4,
            "weight": 15.0,
            "reward": 0.125,
            "cost": 0.0025,
            "seconds": 75.0,
            "tokens": 0,
            "usd": 0.0,
            "index": 0.2,
        }
        return ArmRecord(arm=(proposer, operator, model, selector), **{**values, **changes})

    return make


@pytest.fixture
def metrics() -> tuple[Metric, ...]:
    return METRICS


@pytest.fixture
def secret() -> bytes:
    return SECRET


@pytest.fixture
def measure() -> Callable[..., Evaluation]:
    return measured


@pytest.fixture
def fail() -> Callable[..., Evaluation]:
    return failed


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    created = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
    with Archive.open(str(tmp_path / "evolve.db"), create=True, now=lambda: created) as opened:
        yield opened


@pytest.fixture
def new_run(archive: Archive) -> Callable[..., RunBuilder]:
    """Begin a run in the archive, under the name given."""

    def create(name: str = "quiet-otter", **config: object) -> RunBuilder:
        values = {"seed": 7, "time_seconds": 180.0, "tokens": 5, **config}
        new = NewRun(name=name, problem="eplb", digest="d1" * 32, config=values, secret=SECRET)
        return RunBuilder(archive=archive, id=archive.create_run(new).id)

    return create


@pytest.fixture
def small(archive: Archive, new_run: Callable[..., RunBuilder]) -> RunBuilder:
    """Two seeds, three descendants, one failure; the best (#0004) went through all three splits."""
    built = new_run()
    built.seed("contiguous", [-10.0, -12.0, -8.0])
    built.seed("deepseek", [0.0, 1.0, -1.0])
    built.add([30.0, 32.0, 28.0], parents=(1,), note="forecast the next window")
    built.add(Outcome.WRONG, parents=(2,))
    built.add([60.0, 62.0, 61.0], operator="crossover:forecast", parents=(2, 0), note="hedge replicas")
    built.add([50.0], parents=(2,))
    built.again(4, [55.0, 57.0, 56.0], Split.VALIDATION)
    for number, shares in ((1, [1.0, 2.0, 3.0]), (2, [2.0, 1.0, 3.5]), (4, [51.0, 53.0, 52.0])):
        built.again(number, shares, Split.HIDDEN)
    archive.set_best(built.id, 4, Split.VALIDATION)
    archive.count_discarded(built.id, duplicates=1234, unusable=5)
    archive.add_elapsed(built.id, 492.0)
    return built
