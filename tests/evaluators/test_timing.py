from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from evaluators.block import Block
from evaluators.judge import Judge
from evaluators.model import Evaluation, EvaluatorError, Outcome, Split
from evaluators.seeding import timing_seed
from evaluators.tasks import CountingClock
from evaluators.timing import Plan, Players, Timing, compare, pooled
from sandbox import Limits

HONEST = "\n\ndef honest(values, count):\n    return np.argsort(-values, kind='stable')[:count].astype(np.int32)\n"


class Machine:
    """A synthetic clock: programs that take a known time, with noise and the drift of the machine."""

    def __init__(self, seed: int, *, noise: float = 0.05, drift: float = 0.0) -> None:
        self._rng = np.random.default_rng(seed)
        self._noise = noise
        self._drift = drift
        self.calls = 0

    def program(self, seconds: float) -> Callable[[int], float]:
        def call(number: int) -> float:
            self.calls += 1
            return float(seconds * math.exp(self._noise * self._rng.normal() + self._drift * self.calls))

        return call

    def compare(self, ratio: float, plan: Plan | None = None, seed: int = 0) -> Timing:
        players = Players(program=self.program(0.01), baseline=self.program(0.01 * ratio), empty=self.program(0.001))
        return compare(players, lambda number: number, np.random.default_rng(seed), plan)


class TestStatistics:
    def test_the_interval_covers_the_truth(self) -> None:
        plan = Plan(most_rounds=24)
        timings = [Machine(seed).compare(1.3, plan, seed) for seed in range(200)]
        covered = sum(timing.low <= 1.3 <= timing.high for timing in timings)
        assert 184 <= covered <= 196
        spread = np.std([timing.gain.mean for timing in timings])
        assert spread == pytest.approx(np.mean([timing.stderr for timing in timings]), rel=0.2)

    def test_a_machine_that_slows_down_does_so_for_both(self) -> None:
        plan = Plan(fewest_rounds=24, most_rounds=24, half_width=0.0)
        timing = Machine(0, noise=1e-6, drift=0.002).compare(1.3, plan)
        assert timing.ratio == pytest.approx(1.3, rel=0.01)
        assert timing.seconds > 0.0105

    def test_the_hopeless_get_fewer_calls_than_contenders(self) -> None:
        plan = Plan(hopeless_below=0.0)
        hopeless, contender = Machine(1, noise=0.1), Machine(1, noise=0.1)
        assert hopeless.compare(0.5, plan).high < 1.0
        assert contender.compare(1.3, plan).low > 1.0
        assert hopeless.calls < contender.calls / 2

    def test_a_rival_far_ahead_makes_a_contender_hopeless(self) -> None:
        alone, behind = Machine(2, noise=0.1), Machine(2, noise=0.1)
        alone.compare(1.3, Plan(hopeless_below=0.0))
        behind.compare(1.3, Plan(hopeless_below=2.0))
        assert behind.calls < alone.calls / 2

    def test_quiet_machines_need_fewer_calls_than_noisy_ones(self) -> None:
        quiet, noisy = Machine(3, noise=0.001), Machine(3, noise=0.1)
        assert quiet.compare(1.3).n < noisy.compare(1.3).n
        assert noisy.calls <= 6 * (Plan().most_rounds + Plan().most_warm_rounds)

    def test_slow_calls_end_a_comparison_by_their_time(self) -> None:
        machine = Machine(4, noise=0.5)
        timing = machine.compare(1.0, Plan(most_seconds=0.2))
        assert timing.n < 2 * Plan().fewest_rounds

    def test_an_empty_program_sets_the_ceiling(self) -> None:
        timing = Machine(5, noise=0.01).compare(4.0)
        assert timing.channel_seconds == pytest.approx(0.001, rel=0.05)
        assert math.log2(40) < timing.ceiling < math.log2(40) + 0.2

    def test_order_and_warm_up_cannot_be_foreseen(self) -> None:
        seen = set()
        for seed in range(20):
            order: list[str] = []
            players: Players[int] = Players(
                program=lambda n, order=order: order.append("A") or 1.0,  # type: ignore[misc]
                baseline=lambda n, order=order: order.append("B") or 1.0,  # type: ignore[misc]
                empty=lambda n: 0.1,
            )
            plan = Plan(fewest_rounds=2, most_rounds=2)
            compare(players, lambda n: n, np.random.default_rng(seed), plan)
            rounds = ["".join(order[i : i + 4]) for i in range(0, len(order), 4)]
            assert set(rounds) <= {"ABBA", "BAAB"}
            assert 3 <= len(rounds) <= 2 + plan.most_warm_rounds
            seen.add(tuple(rounds))
        assert len(seen) > 5

    def test_the_seed_of_the_order_hangs_on_secret_workload_and_program(self) -> None:
        seeds = {timing_seed(secret, work, source) for secret in (b"a", b"b") for work in "xy" for source in "pq"}
        assert len(seeds) == 8

    def test_an_offset_of_the_baseline_against_itself_is_no_noise(self) -> None:
        plain = Machine(6, noise=0.01)
        assert plain.compare(1.0).bias == 0.0
        assert Machine(6, noise=0.01).compare(1.1).bias == pytest.approx(math.log2(1.1), rel=0.1)


def small(speed: ModuleType, **changes: object) -> Any:
    """The problem with one small workload, and its declaration changed."""

    class Small(speed.Speed):  # type: ignore[name-defined, misc]
        declaration = replace(speed.DECLARATION, **changes)

        def workloads(self, split: Split, seed: bytes) -> Any:
            return [replace(work, size=12_000) for work in super().workloads(split, seed)]

    return Small(1)


@pytest.fixture(scope="module")
def court(speed: ModuleType) -> Iterator[tuple[Judge, Block]]:
    """A judge that screens nothing, and a block of one small workload."""
    judge = Judge(small(speed), secret=bytes(32), clock=time.perf_counter, off=frozenset({"screen"}))
    yield judge, judge.block(Split.TRAIN, 0)
    judge.close()


def source_of(speed: ModuleType, name: str) -> str:
    return str(next(seed.source for seed in speed.Speed.seeds if seed.name == name))


class TestInSandboxes:
    def test_a_faster_program_scores_and_carries_its_error(self, speed: ModuleType, court: tuple[Judge, Block]) -> None:
        judge, block = court
        evaluation = judge.evaluate(source_of(speed, "partition"), block)
        assert evaluation.outcome is Outcome.OK, evaluation.reason
        assert evaluation.score is not None
        assert evaluation.score > 10
        result = evaluation.workloads[0]
        assert result.baseline == 0.0
        assert result.share == pytest.approx(100 * result.objective / result.reference)
        assert result.objective == pytest.approx(math.log2(result.metrics["speed_up"]))
        assert result.stderr > 0
        assert result.objective <= result.ceiling < 20
        assert evaluation.host["objective"] == "time"
        assert "few" in evaluation.host["A/A noise floor"]

    def test_by_a_counting_clock_everything_is_reproducible(self, speed: ModuleType) -> None:
        found = []
        for _ in range(2):
            judge = Judge(small(speed), secret=bytes(32), clock=CountingClock())
            try:
                found.append(judge.evaluate(source_of(speed, "partition"), judge.block(Split.TRAIN, 0)).workloads)
            finally:
                judge.close()
        assert found[0] == found[1]

    def test_draws_that_repeat_are_our_fault(self, speed: ModuleType) -> None:
        class Stale(speed.Speed):  # type: ignore[name-defined, misc]
            def play(self, workload: Any, guest: Any) -> Any:
                return guest.compare(lambda number: workload.draw(number % 3), 1.0)

        judge = Judge(Stale(1), secret=bytes(32), clock=time.perf_counter)
        try:
            with pytest.raises(EvaluatorError, match="same contents twice"):
                judge.evaluate(source_of(speed, "sort"), judge.block(Split.TRAIN, 0))
        finally:
            judge.close()

    def test_programs_that_start_processes_cannot_be_timed(self, speed: ModuleType) -> None:
        with pytest.raises(EvaluatorError, match="may not start processes"):
            Judge(small(speed, limits=Limits(processes=1)), secret=bytes(32), clock=time.perf_counter)


CACHE_BY_CONTENTS = """
KNOWN = {}


def top(values, count):
    key = values.tobytes()
    if key in KNOWN:
        print("REMEMBERED")
    else:
        KNOWN[key] = honest(values, count)
    return KNOWN[key]
"""

CACHE_BY_POINTER = """
KNOWN = {}


def top(values, count):
    key = (values.ctypes.data, values.shape, count)
    if key not in KNOWN:
        KNOWN[key] = honest(values, count)
    return KNOWN[key]
"""

LAST_CALL = """
LAST = []


def top(values, count):
    if not LAST:
        LAST.append(honest(values, count))
    return LAST[0]
"""

WARM_UP_DETECTION = """
CALLS = []


def top(values, count):
    CALLS.append(1)
    if len(CALLS) <= 4:
        return honest(values, count)
    return np.arange(count, dtype=np.int32)
"""

PATCHED_CLOCK = """
import time

for name in ("perf_counter", "perf_counter_ns", "monotonic", "time", "process_time"):
    setattr(time, name, lambda: 0)


def top(values, count):
    return honest(values, count)
"""

LAZY_ARRAY = """
class Lazy(np.ndarray):
    def tobytes(self, *arguments, **options):
        return b""

    def __array_finalize__(self, other):
        pass


def top(values, count):
    return honest(values, count).view(Lazy)
"""

LAZY_OBJECT = """
class Promise:
    def __init__(self, values, count):
        self.made = lambda: honest(values, count)

    def __array__(self, *arguments, **options):
        return self.made()


def top(values, count):
    return Promise(values, count)
"""

WORK_BEFORE_THE_CLOCK = """
GUESS = honest(np.random.default_rng(0).standard_normal(12_000, dtype=np.float32), 64)


def top(values, count):
    return GUESS[:count]
"""

THREAD_DEFERRAL = """
import threading


def top(values, count):
    reply = np.arange(count, dtype=np.int32)

    def finish():
        reply[:] = honest(values, count)

    threading.Timer(0.001, finish).start()
    return reply
"""

SLOWED_BASELINE = """
import threading
import time


def spin():
    while True:
        time.sleep(0.001)
        rested = time.perf_counter()
        while time.perf_counter() < rested + 0.001:
            pass


threading.Thread(target=spin, daemon=True).start()


def top(values, count):
    return honest(values, count)
"""

REPLY_TO_THE_NEXT = """
import os
import stat

CHANNEL = [n for n in range(3, 64) if os.path.exists(f"/proc/self/fd/{n}") and stat.S_ISSOCK(os.fstat(n).st_mode)]


def top(values, count):
    found = honest(values, count)
    for descriptor in CHANNEL:
        os.write(descriptor, b"sbx1" + bytes(12))
    return found
"""

ALLOWED_ENDS = {
    "CACHE_BY_CONTENTS": {Outcome.OK},
    "CACHE_BY_POINTER": {Outcome.OK, Outcome.WRONG},  # harmless where no address comes twice
    "LAST_CALL": {Outcome.WRONG},
    "WARM_UP_DETECTION": {Outcome.WRONG},
    "PATCHED_CLOCK": {Outcome.OK},
    "LAZY_ARRAY": {Outcome.OK},
    "LAZY_OBJECT": {Outcome.CRASHED},
    "WORK_BEFORE_THE_CLOCK": {Outcome.WRONG},
    "THREAD_DEFERRAL": {Outcome.WRONG},
    "SLOWED_BASELINE": {Outcome.OK},  # held while it is not its turn
    "REPLY_TO_THE_NEXT": {Outcome.CHEATED},
}


@pytest.fixture(scope="module")
def lenient_court(speed: ModuleType) -> Iterator[tuple[Judge, Block]]:
    """The same where programs may start threads, which a sandbox forbids otherwise."""
    problem = small(speed, limits=Limits(load_seconds=5.0, threads=2))
    judge = Judge(problem, secret=bytes(32), clock=time.perf_counter, off=frozenset({"screen"}))
    yield judge, judge.block(Split.TRAIN, 0)
    judge.close()


def attack(name: str, court: tuple[Judge, Block]) -> Evaluation:
    judge, block = court
    return judge.evaluate("import numpy as np" + HONEST + globals()[name], block)


@pytest.mark.parametrize("name", list(ALLOWED_ENDS))
def test_a_cheat_on_time_gains_nothing(name: str, lenient_court: tuple[Judge, Block]) -> None:
    evaluation = attack(name, lenient_court)
    assert evaluation.outcome in ALLOWED_ENDS[name], (evaluation.outcome, evaluation.reason)
    assert "REMEMBERED" not in evaluation.log
    if evaluation.outcome is Outcome.OK:
        # The cheats would be many times as fast; on a loaded machine an honest program may seem half as fast again.
        assert evaluation.workloads[0].objective < 0.6


def test_where_no_thread_can_start_nothing_is_deferred(court: tuple[Judge, Block]) -> None:
    evaluation = attack("SLOWED_BASELINE", court)
    assert evaluation.outcome is Outcome.CRASHED
    assert "can't start new thread" in evaluation.reason


class TestPooled:
    def timing(self, gain: float, stderr: float = 0.005) -> Timing:
        return Timing(
            ratio=2**gain,
            low=2 ** (gain - 2 * stderr),
            high=2 ** (gain + 2 * stderr),
            stderr=stderr,
            n=10,
            seconds=1e-5,
            baseline_seconds=1e-5 * 2**gain,
            channel_seconds=3e-6,
            ceiling=1.0,
        )

    def test_one_seating_needs_a_spread_from_elsewhere(self) -> None:
        with pytest.raises(ValueError, match="give the spread"):
            pooled([self.timing(0.3)])
        found = pooled([self.timing(0.3)], spread=0.05)
        assert found.stderr == pytest.approx(math.hypot(0.005, 0.05))
        assert found.gain.high == pytest.approx(0.3 + 1.96 * found.stderr, rel=1e-3)

    def test_the_spread_between_seatings_counts_where_it_is_larger(self) -> None:
        found = pooled([self.timing(gain) for gain in (-0.04, 0.0, 0.0, 0.04)])
        assert found.gain.mean == pytest.approx(0.0, abs=1e-12)
        assert found.gain.high == pytest.approx(3.182 * 0.03266 / 2, rel=1e-3)
        assert found.stderr == pytest.approx(found.gain.high / 1.96, rel=1e-3)
        assert found.n == 40

    def test_equal_seatings_leave_their_own_errors(self) -> None:
        found = pooled([self.timing(0.1, stderr=0.02)] * 4)
        assert found.stderr == pytest.approx(0.01)
        assert found.baseline_seconds / found.seconds == pytest.approx(found.ratio)

    def test_equal_programs_are_covered_as_often_as_promised(self) -> None:
        rng = np.random.default_rng(5)
        covered = 0
        for _ in range(400):
            seated = [self.timing(float(gain)) for gain in rng.normal(0.0, 0.03, size=4)]
            found = pooled(seated).gain
            covered += found.low <= 0 <= found.high
        assert 0.92 <= covered / 400 <= 0.98
