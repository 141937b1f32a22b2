from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

import pytest

from evaluators.block import Block
from evaluators.judge import Judge
from evaluators.model import EvaluatorError, Outcome, Split
from evaluators.problem import Draw, Measured, Problem
from evaluators.registry import load_problem
from evaluators.replies import Expected
from evaluators.seeding import draw_secret, secret_from_seed, workload_seed
from evaluators.statistics import t_quantile
from evaluators.tasks import CountingClock
from sandbox import Sandbox, SandboxError

PLACES = list(itertools.product(range(2), range(4)))
HALF = "import numpy as np\n\n\ndef answer(size):\n    return np.full(size, 0.5)\n"


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


def test_the_interval_hangs_on_the_strata_that_the_problem_declares(
    trivial: ModuleType, judge_of: Callable[..., Judge]
) -> None:
    """Four kinds drawn twice; the draws of each differ alike, so that all errors are one float."""

    @dataclass(frozen=True)
    class Part(trivial.Size):  # type: ignore[name-defined, misc]
        law: str

        @property
        def stratum(self) -> str:
            return self.law

    class Drawn(trivial.Trivial):  # type: ignore[name-defined, misc]
        laws = "abcd"

        def workloads(self, split: Split, seed: bytes) -> Any:
            return [Part(name=f"{n}/{place}", size=1 + n, law=self.laws[place : place + 1]) for n, place in PLACES]

    class Alone(Drawn):
        laws = ""

    source = HALF.replace("0.5)", "0.25 * size)")
    drawn, alone = (
        judge.evaluate(source, judge.block(Split.TRAIN, 0)) for judge in (judge_of(Drawn(8)), judge_of(Alone(8)))
    )
    assert [result.stratum for result in drawn.workloads] == list("abcd") * 2
    assert len({result.stderr for result in drawn.workloads}) == 1
    assert drawn.score is not None
    assert drawn.low is not None
    assert drawn.stderr is not None
    assert drawn.score - drawn.low == pytest.approx(t_quantile(4) * drawn.stderr)
    assert alone.stderr == 0.0, "each is a kind of its own, and inside it nothing varies"


class TestOrder:
    """In which order the workloads are played is seen in nothing but what a race spares."""

    ROUGH = HALF.replace("    return np.full(size, 0.5)", "    print(size)\n    return np.full(size, size / 16)")

    def test_an_ok_verdict_is_the_same_bit_for_bit(self, trivial: ModuleType, judge_of: Callable[..., Judge]) -> None:
        verdicts = []
        for order in (None, (0, 1, 2, 3, 4, 5), (5, 2, 0, 4, 1, 3)):
            judge = judge_of(trivial.Trivial(6))
            block = judge.block(Split.TRAIN, 0)
            verdicts.append(judge.evaluate(self.ROUGH, block, order=order))
        plain = verdicts[0]
        assert len(set(plain.shares)) > 1, "workloads must differ for this test"
        assert [result.name for result in plain.workloads] == [f"size-{place}" for place in range(6)]
        assert plain.log.count("\n") == 12
        for verdict in verdicts[1:]:
            timeless = [replace(result, metrics={}) for result in verdict.workloads]
            assert timeless == [replace(result, metrics={}) for result in plain.workloads]
            assert verdict.metrics["distance"] == plain.metrics["distance"]
            assert replace(verdict, metrics=plain.metrics, workloads=plain.workloads, seconds=plain.seconds) == plain

    def test_the_race_pairs_what_was_played(self, trivial: ModuleType, judge_of: Callable[..., Judge]) -> None:
        judge = judge_of(trivial.Trivial(4))
        block = judge.block(Split.TRAIN, 0)
        shares = judge.evaluate(self.ROUGH, block).shares
        ahead_at_the_end = (shares[0] + 30, shares[1] + 30, shares[2] - 30, shares[3] - 30)
        raced = judge.evaluate(self.ROUGH, block, rival=ahead_at_the_end)
        assert (raced.outcome, raced.n, raced.spared) == (Outcome.STOPPED, 2, 2)
        raced = judge.evaluate(self.ROUGH, block, rival=ahead_at_the_end, order=(3, 1, 2, 0))
        assert (raced.outcome, raced.n, raced.spared) == (Outcome.OK, 4, 0)
        raced = judge.evaluate(self.ROUGH, block, rival=tuple(share + 30 for share in shares), order=(3, 1, 2, 0))
        assert (raced.outcome, raced.spared) == (Outcome.STOPPED, 2)
        assert "-30.0 points to its rival after 2 of 4" in raced.reason
        assert [result.name for result in raced.workloads] == ["size-1", "size-3"], "in the block's order"

    def test_what_was_played_before_a_failure_comes_in_the_blocks_order(
        self, trivial: ModuleType, judge_of: Callable[..., Judge]
    ) -> None:
        judge = judge_of(trivial.Trivial(4))
        block = judge.block(Split.TRAIN, 0)
        sizes = [standard.workload.size for standard in block.standards]  # type: ignore[attr-defined]
        assert sizes[1] not in (sizes[2], sizes[3]), "the secret must draw different sizes for this test"
        source = HALF.replace("    return", f"    print('at', size)\n    assert size != {sizes[1]}\n    return")
        failed = judge.evaluate(source, block, order=(3, 2, 1, 0))
        assert (failed.outcome, failed.spared) == (Outcome.CRASHED, 0)
        assert [result.name for result in failed.workloads] == ["size-2", "size-3"]
        assert failed.reason.startswith("size-1: ")
        assert failed.log.split("\n")[0] == f"at {sizes[1]}", "logs too"

    def test_a_bad_order_is_our_fault(self, trivial: ModuleType, judge_of: Callable[..., Judge]) -> None:
        judge = judge_of(trivial.Trivial(3))
        with pytest.raises(EvaluatorError, match=r"each position from 0 to 2 once, not \[0, 2, 2\]"):
            judge.evaluate(HALF, judge.block(Split.TRAIN, 0), order=(0, 2, 2))


def test_sandboxes_are_closed_whatever_fails(
    trivial: ModuleType, judge_of: Callable[..., Judge], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Sandbox] = []
    closed: list[Sandbox] = []
    make, close = Sandbox.__init__, Sandbox.close

    def counted(sandbox: Sandbox, **options: Any) -> None:
        if len(opened) == limit:
            raise SandboxError("no further sandbox")
        make(sandbox, **options)
        opened.append(sandbox)

    def noted(sandbox: Sandbox) -> None:
        close(sandbox)
        closed.append(sandbox)
        if len(closed) <= failures:
            raise OSError("cannot be ended")

    class Timed(trivial.Trivial):  # type: ignore[name-defined, misc]
        declaration = replace(trivial.DECLARATION, timed=True)

    monkeypatch.setattr(Sandbox, "__init__", counted)
    monkeypatch.setattr(Sandbox, "close", noted)
    failures = 0
    for limit in (1, 2):
        opened.clear()
        closed.clear()
        with pytest.raises(SandboxError, match="no further"):
            Judge(Timed(1), secret=bytes(32), clock=CountingClock())
        assert len(opened) == limit
        assert set(closed) == set(opened)
    opened.clear()
    closed.clear()
    limit, failures = 9, 2
    judge = Judge(Timed(1), secret=bytes(32), clock=CountingClock())
    with pytest.raises(OSError, match="cannot be ended"):
        judge.close()
    assert len(opened) == 3
    assert set(closed) == set(opened)


def test_comparing_times_without_declaring_it_is_our_fault(trivial: ModuleType, judge_of: Callable[..., Judge]) -> None:
    class Undeclared(trivial.Trivial):  # type: ignore[name-defined, misc]
        def play(self, workload: Any, guest: Any) -> Measured:
            expected = Expected(what="the answer", dtype="float64", shape=(workload.size,))
            draws = lambda number: Draw(arguments={"size": workload.size}, expected=expected)  # noqa: E731
            return Measured.of_timing(guest.compare(draws, 1.0), {})

    with pytest.raises(EvaluatorError, match=r"not declared timed; set Declaration.timed to True"):
        judge_of(Undeclared(1)).block(Split.TRAIN, 0)


def test_a_timed_problem_that_compares_nothing_is_our_fault(
    trivial: ModuleType, judge_of: Callable[..., Judge]
) -> None:
    class Silent(trivial.Trivial):  # type: ignore[name-defined, misc]
        declaration = replace(trivial.DECLARATION, timed=True)

        def reference_objective(self, workload: object, open_seed: object) -> float:
            return 0.5

        def ceiling(self, workload: object) -> float:
            return 1.0

    judge = judge_of(Silent(1))
    with pytest.raises(EvaluatorError, match=r"workload size-0: it is declared timed, but .*call Guest.compare"):
        judge.evaluate(HALF, judge.block(Split.TRAIN, 0))


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
