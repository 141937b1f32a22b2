from __future__ import annotations

import importlib.util
import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from evaluators.judge import Block, Judge, Standard
from evaluators.model import EvaluatorError, Outcome, Split
from evaluators.problem import Measured, Problem
from evaluators.registry import load_problem
from evaluators.seeding import draw_secret, secret_from_seed, workload_seed
from evaluators.tasks import CountingClock
from evaluators.timing import Timing

TRIVIAL = Path(__file__).parents[2] / "bench" / "trivial" / "problem.py"
HALF = "import numpy as np\n\n\ndef answer(size):\n    return np.full(size, 0.5)\n"


@pytest.fixture(scope="module")
def trivial() -> ModuleType:
    """The trivial problem's module, to derive faulty problems from."""
    spec = importlib.util.spec_from_file_location("trivial_for_judge", TRIVIAL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["trivial_for_judge"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def judge_of() -> Iterator[Callable[..., Judge]]:
    opened: list[Judge] = []

    def make(problem: Problem, secret: bytes = bytes(32)) -> Judge:
        opened.append(Judge(problem, secret=secret, clock=CountingClock()))
        return opened[-1]

    yield make
    for judge in opened:
        judge.close()


def test_baseline_is_0_and_reference_100(trivial: ModuleType, judge_of: Callable[..., Judge]) -> None:
    problem = trivial.Trivial(3)
    judge = judge_of(problem)
    block = judge.block(Split.TRAIN, 0)
    baseline = next(seed for seed in problem.seeds if seed.name == "zero")
    assert judge.evaluate(baseline.source, block).score == pytest.approx(0.0)
    best = judge.evaluate(HALF, block)
    assert best.score == pytest.approx(100.0)
    assert best.low is not None
    assert best.high is not None
    assert best.low <= 100.0 <= best.high
    assert set(best.metrics) == {"distance", "call_ms"}
    assert best.host["python"]
    assert best.log == ""


def test_what_the_program_prints_is_kept(trivial: ModuleType, judge_of: Callable[..., Judge]) -> None:
    judge = judge_of(trivial.Trivial(1))
    source = HALF.replace("    return", "    print('hello')\n    return")
    assert "hello" in judge.evaluate(source, judge.block(Split.TRAIN, 0)).log


def test_one_failure_on_any_workload_leaves_no_score(trivial: ModuleType, judge_of: Callable[..., Judge]) -> None:
    judge = judge_of(trivial.Trivial(3))
    block = judge.block(Split.TRAIN, 0)
    sizes = [standard.workload.size for standard in block.standards]  # type: ignore[attr-defined]
    assert len(set(sizes)) > 1, "the secret must draw different sizes for this test"
    source = HALF.replace("0.5)", f"0.5)[: 0 if size == {sizes[-1]} else size]")
    evaluation = judge.evaluate(source, block)
    assert (evaluation.outcome, evaluation.score) == (Outcome.WRONG, None)
    assert evaluation.reason.startswith("size-")


def test_beyond_the_proven_ceiling_is_quarantined(trivial: ModuleType, judge_of: Callable[..., Judge]) -> None:
    class Low(trivial.Trivial):  # type: ignore[name-defined, misc]
        def reference_objective(self, workload: object, open_seed: object) -> float:
            return -0.2

        def ceiling(self, workload: object) -> float:
            return -0.1

    judge = judge_of(Low(1))
    evaluation = judge.evaluate(HALF, judge.block(Split.TRAIN, 0))
    assert (evaluation.outcome, evaluation.score) == (Outcome.QUARANTINED, None)
    assert "beyond the proven ceiling -0.100000" in evaluation.reason


def test_a_measure_may_know_its_own_error_and_ceiling(trivial: ModuleType, judge_of: Callable[..., Judge]) -> None:
    class Own(trivial.Trivial):  # type: ignore[name-defined, misc]
        def play(self, workload: Any, guest: Any) -> Measured:
            measured = super().play(workload, guest)
            return Measured(
                series=measured.series[:1], metrics=measured.metrics, stderr=0.01, ceiling=-0.1 if alone else 0.0
            )

    alone = False
    judge = judge_of(Own(1))
    block = judge.block(Split.TRAIN, 0)
    result = judge.evaluate(HALF, block).workloads[0]
    assert result.stderr == pytest.approx(100 * 0.01 / 0.5)
    alone = True
    evaluation = judge.evaluate(HALF, block)
    assert evaluation.outcome is Outcome.QUARANTINED
    assert "beyond the proven ceiling -0.100000" in evaluation.reason


def test_a_series_that_tells_no_error_is_our_fault(trivial: ModuleType, judge_of: Callable[..., Judge]) -> None:
    class Short(trivial.Trivial):  # type: ignore[name-defined, misc]
        def play(self, workload: Any, guest: Any) -> Measured:
            measured = super().play(workload, guest)
            return Measured(series=measured.series[:1], metrics=measured.metrics)

    judge = judge_of(Short(1))
    block = judge.block(Split.TRAIN, 0)
    with pytest.raises(EvaluatorError, match="two samples"):
        judge.evaluate(HALF, block)


@pytest.mark.parametrize(("offset", "stderr"), [(0.0, 1.0), (0.05, 2.5)])
def test_no_timing_is_surer_than_the_baseline_against_itself(trivial: ModuleType, offset: float, stderr: float) -> None:
    floor = Timing(
        ratio=2**offset,
        low=2 ** (offset - 0.01),
        high=2 ** (offset + 0.01),
        stderr=0.005,
        n=24,
        seconds=0.01,
        baseline_seconds=0.01,
        channel_seconds=0.001,
        ceiling=3.0,
    )
    work = trivial.Trivial(1).workloads(Split.TRAIN, bytes(32))[0]
    standard = Standard(workload=work, baseline=(0.0,), reference=2.0, ceiling=3.0, floor=floor)
    assert standard.stderr(Measured(series=(1.0,), stderr=0.02), [50.0], span=2.0) == pytest.approx(stderr)


def test_a_reference_beyond_the_ceiling_is_our_fault(trivial: ModuleType, judge_of: Callable[..., Judge]) -> None:
    class Impossible(trivial.Trivial):  # type: ignore[name-defined, misc]
        def reference_objective(self, workload: object, open_seed: object) -> float:
            return 1.0

    with pytest.raises(EvaluatorError, match="beyond the proven ceiling"):
        judge_of(Impossible(1)).block(Split.TRAIN, 0)


def test_a_reference_no_better_than_the_baseline_is_our_fault(
    trivial: ModuleType, judge_of: Callable[..., Judge]
) -> None:
    class Flat(trivial.Trivial):  # type: ignore[name-defined, misc]
        def reference_objective(self, workload: object, open_seed: object) -> float:
            return -0.5

    judge = judge_of(Flat(1))
    with pytest.raises(EvaluatorError, match="not better than the baseline"):
        judge.evaluate(HALF, judge.block(Split.TRAIN, 0))


def test_a_failing_baseline_is_our_fault_and_named(trivial: ModuleType, judge_of: Callable[..., Judge]) -> None:
    class Broken(trivial.Trivial):  # type: ignore[name-defined, misc]
        seeds = tuple(
            trivial.Seed(name=s.name, summary=s.summary, source=s.source.replace("np.full", "np.fool"))
            for s in trivial.Trivial.seeds
        )

    with pytest.raises(EvaluatorError, match="baseline or reference program fails"):
        judge_of(Broken(1)).block(Split.TRAIN, 0)


def test_a_program_that_cannot_be_legal_is_rejected_unrun(trivial: ModuleType, judge_of: Callable[..., Judge]) -> None:
    judge = judge_of(trivial.Trivial(1))
    evaluation = judge.evaluate("import socket\n" + HALF, judge.block(Split.TRAIN, 0))
    assert evaluation.outcome is Outcome.REJECTED
    assert "socket" in evaluation.reason


def test_workloads_follow_from_secret_split_and_block_alone() -> None:
    secret = draw_secret()
    seeds = [workload_seed(secret, split, block) for split, block in itertools.product(Split, range(3))]
    assert len(set(seeds)) == 9
    assert seeds == [workload_seed(secret, split, block) for split, block in itertools.product(Split, range(3))]
    assert workload_seed(draw_secret(), Split.TRAIN, 0) not in seeds
    assert secret_from_seed(1, "eplb") != secret_from_seed(2, "eplb") != secret_from_seed(2, "other")


class TestEplb:
    """The real problem in a real sandbox, once."""

    def test_seeds_score_as_they_should(self, judge_of: Callable[..., Judge]) -> None:
        problem = load_problem("eplb")
        judge = judge_of(problem, secret_from_seed(7, "eplb"))
        drawn = judge.draw(Split.TRAIN, 0)
        # The whole block costs seconds; its three cheapest streams tell the same.
        small = Block(split=Split.TRAIN, number=0, standards=tuple(judge.mark(w) for w in drawn[:3]))
        scores = {
            seed.name: judge.evaluate(seed.source, small).score
            for seed in problem.seeds
            if seed.name in ("deepseek_hierarchical", "relabel", "threshold", "contiguous")
        }
        assert scores["deepseek_hierarchical"] == pytest.approx(0.0, abs=1e-9)
        assert scores["contiguous"] is not None
        assert scores["relabel"] is not None
        assert scores["threshold"] is not None
        assert scores["contiguous"] < -100 < 0 < scores["relabel"] < 100
        assert scores["threshold"] > 0
        for standard in small.standards:
            assert standard.baseline_objective < standard.reference < standard.ceiling <= 1.0
