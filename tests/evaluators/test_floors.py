"""What the baseline against itself (A/A) and the empty program say to a judge, and to no other."""

from __future__ import annotations

import time
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest

from evaluators.judge import Judge
from evaluators.model import Outcome, Split
from evaluators.timing import Plan, Timing
from sandbox import Sandbox, Session

QUICK = Plan(fewest_rounds=2, most_rounds=2, most_warm_rounds=1)

TIMING = Timing(
    ratio=1.0,
    low=0.99,
    high=1.01,
    stderr=0.005,
    n=24,
    seconds=0.01,
    baseline_seconds=0.01,
    channel_seconds=0.001,
    ceiling=3.0,
)


@pytest.fixture(scope="module")
def small(speed: ModuleType) -> Any:
    """The timed benchmark problem with one small workload."""

    class Small(speed.Speed):  # type: ignore[name-defined, misc]
        def workloads(self, split: Split, seed: bytes) -> Any:
            return [replace(work, size=12_000) for work in super().workloads(split, seed)]

    return Small(1)


def source_of(problem: Any, name: str) -> str:
    return str(next(seed.source for seed in problem.seeds if seed.name == name))


def test_a_judge_measures_its_own_floor_once_for_each_workload(small: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    sources: list[str] = []
    opened = Sandbox.open

    def noted(sandbox: Sandbox, source: str, *rest: Any) -> Session:
        sources.append(source)
        return opened(sandbox, source, *rest)

    monkeypatch.setattr(Sandbox, "open", noted)
    ours, baseline = source_of(small, "partition"), source_of(small, "sort")
    block = None
    for _ in range(2):
        judge = Judge(small, secret=bytes(32), clock=time.perf_counter, plan=QUICK)
        try:
            # The second judge meets a block that the first has marked, as the workers of a pool do.
            block = block or judge.block(Split.TRAIN, 0)
            played = []
            for _ in range(2):
                sources.clear()
                assert "few" in judge.evaluate(ours, block).host["A/A noise floor"]
                # At first A/A takes two sessions of the baseline; the comparison takes one of each in any case.
                played.append((sources.count(ours), sources.count(baseline)))
            assert played == [(1, 3), (1, 1)]
        finally:
            judge.close()


@pytest.mark.parametrize(("own", "outcome"), [(3.0, Outcome.OK), (0.5, Outcome.QUARANTINED)])
def test_only_the_ceiling_of_the_same_breath_counts(
    small: Any, monkeypatch: pytest.MonkeyPatch, own: float, outcome: Outcome
) -> None:
    """On another processor, or a minute ago, less or more may have been possible."""
    found = iter([replace(TIMING, ceiling=3.5 - own), replace(TIMING, ratio=2.0, low=1.9, high=2.1, ceiling=own)])
    monkeypatch.setattr("evaluators.timed_guest.compare", lambda *_: next(found))
    judge = Judge(small, secret=bytes(32), clock=time.perf_counter)
    try:
        evaluation = judge.evaluate(source_of(small, "partition"), judge.block(Split.TRAIN, 0))
    finally:
        judge.close()
    assert evaluation.outcome is outcome, evaluation.reason


@pytest.mark.parametrize(("offset", "stderr"), [(0.0, 1.0), (0.05, 2.5)])
def test_no_timing_is_surer_than_the_baseline_against_itself(
    small: Any, monkeypatch: pytest.MonkeyPatch, offset: float, stderr: float
) -> None:
    floor = replace(TIMING, ratio=2**offset, low=2 ** (offset - 0.01), high=2 ** (offset + 0.01))
    found = iter([floor, replace(TIMING, stderr=0.02)])
    monkeypatch.setattr("evaluators.timed_guest.compare", lambda *_: next(found))
    judge = Judge(small, secret=bytes(32), clock=time.perf_counter)
    try:
        evaluation = judge.evaluate(source_of(small, "partition"), judge.block(Split.TRAIN, 0))
    finally:
        judge.close()
    assert evaluation.workloads[0].stderr == pytest.approx(stderr), "in points; 100 are 2 in log2"
    assert evaluation.stderr == pytest.approx(stderr)
