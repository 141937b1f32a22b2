"""Small programs and verdicts to fill an archive with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from db.archive import Archive
from db.records import NewCandidate, NewRun, Planned, Purpose, RunRecord
from evaluators.model import Evaluation, Outcome, Split, WorkloadResult
from evaluators.statistics import stratified


def _new_run(name: str = "first") -> NewRun:
    return NewRun(name=name, problem="eplb", digest="d1", config={"seed": 1, "rate": 0.1}, secret=b"\0secret\xff")


def _new_candidate(number: int, *, source: str | None = None, parents: tuple[int, ...] = ()) -> NewCandidate:
    return NewCandidate(
        number=number,
        source=f"def plan():\n    return {number}\n" if source is None else source,
        digest=f"ast-{number}",
        proposer="operators" if parents else "seed",
        operator="constant" if parents else "contiguous",
        parents=parents,
        note=f"change {number}",
    )


def _planned(number: int, *, purpose: Purpose = Purpose.SEARCH, split: Split = Split.TRAIN, block: int = 0) -> Planned:
    return Planned(number=number, purpose=purpose, split=split, block=block)


def _stratum(position: int) -> str:
    """Every kind is drawn twice."""
    return f"law {position // 2}"


def _ok(
    shares: Sequence[float] = (10.0, 14.0), *, split: Split = Split.TRAIN, block: int = 0, stderr: float = 0.5
) -> Evaluation:
    strata = [_stratum(position) for position in range(len(shares))]
    pooled = stratified(shares, [stderr] * len(shares), strata)
    return Evaluation(
        problem="eplb",
        split=split,
        block=block,
        digest="w1",
        outcome=Outcome.OK,
        score=pooled.mean,
        stderr=pooled.stderr,
        low=pooled.low,
        high=pooled.high,
        workloads=tuple(
            WorkloadResult(
                name=f"kind{position}",
                objective=0.1 + share,
                baseline=0.1,
                reference=0.7,
                ceiling=1.0,
                share=share,
                stderr=stderr,
                stratum=strata[position],
                metrics={"balance": 0.3 + share / 7},
            )
            for position, share in enumerate(shares)
        ),
        metrics={"balance": sum(shares) / 7, "moved": -0.0},
        seconds=0.25,
        host={"machine": "here", "python": "3.11"},
        log="hello\n",
    )


def _failed(
    outcome: Outcome = Outcome.CRASHED, *, reason: str = "ValueError: no", block: int = 0, log: str = ""
) -> Evaluation:
    return Evaluation(
        problem="eplb", split=Split.TRAIN, block=block, digest="w1", outcome=outcome, reason=reason, log=log
    )


class CountingClock:
    """A clock that is one second later every time it is read."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.moment += timedelta(seconds=1)
        return self.moment


@pytest.fixture
def clock() -> CountingClock:
    return CountingClock()


@pytest.fixture
def new_run() -> Callable[..., NewRun]:
    return _new_run


@pytest.fixture
def new_candidate() -> Callable[..., NewCandidate]:
    return _new_candidate


@pytest.fixture
def planned() -> Callable[..., Planned]:
    return _planned


@pytest.fixture
def ok() -> Callable[..., Evaluation]:
    return _ok


@pytest.fixture
def failed() -> Callable[..., Evaluation]:
    return _failed


@pytest.fixture(params=["sqlite"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty place for an archive; every test that asks for it runs once for each kind of database here."""
    places = {"sqlite": f"sqlite:///{tmp_path / 'archive.db'}"}
    return places[request.param]


@pytest.fixture
def archive(url: str, clock: CountingClock) -> Iterator[Archive]:
    with Archive.open(url, create=True, now=clock) as archive:
        yield archive


@pytest.fixture
def run(archive: Archive) -> RunRecord:
    return archive.create_run(_new_run())


@pytest.fixture
def add(archive: Archive, run: RunRecord) -> Callable[..., int]:
    """Registers a candidate, records its verdict if there is one, and returns the evaluation's id."""

    def add(number: int, verdict: Evaluation | None = None, *, parents: tuple[int, ...] = ()) -> int:
        key = archive.register(run.id, _new_candidate(number, parents=parents), _planned(number))
        if verdict is not None:
            archive.record(key, verdict)
        return key

    return add
