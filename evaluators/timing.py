"""Times a program against the baseline in one breath: interleaved, ratio of medians, bootstrap interval, racing.

A *round* is A B B A or B A A B on two draws, so that a machine that speeds up or slows down steadily does so for
both; then the empty program twice, which shows what the channel costs. What follows comes from `compare`:

- ratio = median seconds of the baseline / median seconds of the program, its interval by the percentile bootstrap
  over stretches of rounds (Efron and Tibshirani, An Introduction to the Bootstrap, sections 8.6 and 13.3), so that
  what neighbouring calls share stays together;
- the empty program bounds every other one on the same channel, so log2 of baseline / empty is a ceiling. The quicker
  of its two calls counts: the first finds caches and processor colder than the program did, and would be no bound.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import fmean, geometric_mean, median, stdev
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from evaluators.statistics import Estimate, bootstrap, t_quantile

Draw = TypeVar("Draw")
Samples = NDArray[np.float64]

RESAMPLES = 1000
"""Bootstrap resamples; their own noise moves an end of an interval by some 3 % of its width."""

RESAMPLING_SEED = 20_240_607
"""Fixed, so that the same times always give the same interval."""

HOPELESS_ERRORS = 3.0
"""A program is hopeless once so many standard errors above its estimate still lie below the bound; looking again
and again would find two of them by luck."""

CEILING_ERRORS = 3.0
"""Noise may lift the value of a program at the very ceiling above it so far."""

FLOOR_SLACK = 0.01
"""An A/A offset up to this, in log2 (0.7 %), is taken for an interval that missed by luck."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How long to go on.

    Args:
        fewest_rounds: measured rounds before the first look.
        growth: how many times as many rounds until the next look; few looks, or luck would end it too early.
        most_rounds: rounds after which it ends in any case.
        most_seconds: time of all measured calls together after which it ends in any case.
        most_warm_rounds: one to this many rounds are played, checked and not counted; how many is drawn.
        half_width: half width of the 95 % interval of log2(ratio) at which it is good enough (0.03 is 2.1 %).
        hopeless_below: bound of log2(ratio); a program surely below it ends early, with a wide interval. None: never.
    """

    fewest_rounds: int = 12
    growth: float = 1.4
    most_rounds: int = 48
    most_seconds: float = 10.0
    most_warm_rounds: int = 3
    half_width: float = 0.03
    hopeless_below: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long a program takes, against the baseline.

    Args:
        ratio: median seconds of the baseline / median seconds of the program; above 1 the program is quicker.
        low: lower end of the ratio's 95 % interval.
        high: upper end.
        stderr: standard error of log2(ratio).
        n: how many calls of the program were counted, with as many of the baseline.
        seconds: median of one call of the program, channel included.
        baseline_seconds: median of one call of the baseline, channel included.
        channel_seconds: median of one call of an empty program.
        ceiling: log2(baseline / empty program), no program's objective lies above: upper end of its interval, and
            `CEILING_ERRORS` standard errors of log2(ratio) more.
    """

    ratio: float
    low: float
    high: float
    stderr: float
    n: int
    seconds: float
    baseline_seconds: float
    channel_seconds: float
    ceiling: float

    @property
    def gain(self) -> Estimate:
        """log2(ratio), the objective of a timed workload: 0 is the baseline, 1 is twice as fast."""
        low, high = math.log2(self.low), math.log2(self.high)
        return Estimate(mean=math.log2(self.ratio), stderr=self.stderr, n=self.n, low=low, high=high)

    @property
    def bias(self) -> float:
        """Of the baseline against itself: how far log2(ratio) is surely off zero, else 0."""
        gain = self.gain
        surely_off = gain.low > FLOOR_SLACK or gain.high < -FLOOR_SLACK
        return abs(gain.mean) if surely_off else 0.0

    def __str__(self) -> str:
        """The ratio with its interval."""
        return f"{self.ratio:.3f} ({self.low:.3f} to {self.high:.3f})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Players(Generic[Draw]):
    """Three programs on one channel, each a function that answers a draw and gives the seconds that it took."""

    program: Callable[[Draw], float]
    baseline: Callable[[Draw], float]
    empty: Callable[[Draw], float]


@dataclass(slots=True)
class _Times:
    """Seconds by round: program and baseline twice, the empty program at its quicker."""

    program: list[tuple[float, float]] = field(default_factory=list)
    baseline: list[tuple[float, float]] = field(default_factory=list)
    empty: list[float] = field(default_factory=list)

    @property
    def total(self) -> float:
        return sum(map(sum, self.program)) + sum(map(sum, self.baseline)) + sum(self.empty)

    def timing(self) -> Timing:
        """What the times say so far."""
        program, baseline = np.asarray(self.program), np.asarray(self.baseline)
        empty = np.asarray(self.empty)[:, None]
        seconds, baseline_seconds, channel_seconds = (float(np.median(x)) for x in (program, baseline, empty))
        # Stretches of consecutive rounds are drawn, not single ones, because other load on a machine comes in bursts.
        stretch = max(1, round(len(program) ** 0.5 / 2))
        gains, ceilings = bootstrap(
            [baseline, program, empty], _log_ratios, seed=RESAMPLING_SEED, resamples=RESAMPLES, stretch=stretch
        )
        # Of few rounds the bootstrap knows too little spread: widen by Student's t, as for a mean of so many.
        widening = t_quantile(max(1, len(program) - 1)) / t_quantile(1_000_000)
        gain = math.log2(baseline_seconds / seconds)
        low, high = gain + widening * (np.quantile(gains, [0.025, 0.975]) - gain)
        stderr = widening * float(gains.std())
        return Timing(
            ratio=baseline_seconds / seconds,
            low=float(2**low),
            high=float(2**high),
            stderr=stderr,
            n=program.size,
            seconds=seconds,
            baseline_seconds=baseline_seconds,
            channel_seconds=channel_seconds,
            ceiling=float(np.quantile(ceilings, 0.975)) + CEILING_ERRORS * stderr,
        )


def compare(
    players: Players[Draw], draw: Callable[[int], Draw], rng: np.random.Generator, plan: Plan | None = None
) -> Timing:
    """Time a program against the baseline, a few rounds for the hopeless, more for contenders.

    Args:
        players: whom to call; what they raise ends the comparison.
        draw: gives the draw of that number; each number is asked for once.
        rng: decides on warm-up and order, so that nobody can foresee them.
        plan: how long to go on.
    """
    plan = plan or Plan()
    warm = int(rng.integers(1, plan.most_warm_rounds + 1))
    times = _Times()
    number, look = 0, plan.fewest_rounds
    while True:
        if number == 2 * warm:
            times = _Times()
        _play_round(players, [draw(number), draw(number + 1)], times, ours_first=bool(rng.integers(2)))
        number += 2
        rounds = number // 2 - warm
        if rounds < 1:
            continue
        if rounds >= plan.most_rounds or (times.total >= plan.most_seconds and rounds > 1):
            return times.timing()
        if rounds >= look:
            timing = times.timing()
            look = math.ceil(plan.growth * rounds)
            if _is_enough(timing, plan):
                return timing


def pooled(timings: Sequence[Timing], *, spread: float | None = None) -> Timing:
    """One figure of several comparisons of the same two programs, each with both seated anew in memory.

    Where code and buffers come to lie favours one of two equal programs by more than the noise of its calls, and no
    number of calls shows that; the spread between seatings does. So the interval is the wider one of Student's t over
    seatings and of their own errors together.

    Args:
        timings: one for each seating, at least one.
        spread: standard deviation of log2(ratio) over seatings, where it is known better than by these few; None where
            they must tell it themselves.

    Raises:
        ValueError: there are too few.
    """
    gains = [timing.gain.mean for timing in timings]
    count, gain = len(gains), fmean(gains)
    within = math.sqrt(sum(timing.stderr**2 for timing in timings)) / count
    normal = t_quantile(1_000_000)
    if spread is not None:
        half = normal * math.hypot(within, spread / math.sqrt(count))
    elif count < 2:
        raise ValueError("one seating does not tell how far seatings lie apart; give the spread")
    else:
        half = max(t_quantile(count - 1) * stdev(gains) / math.sqrt(count), normal * within)
    seconds = geometric_mean(timing.seconds for timing in timings)
    return Timing(
        ratio=2**gain,
        low=2 ** (gain - half),
        high=2 ** (gain + half),
        stderr=half / normal,
        n=sum(timing.n for timing in timings),
        seconds=seconds,
        baseline_seconds=seconds * 2**gain,
        channel_seconds=median(timing.channel_seconds for timing in timings),
        ceiling=fmean(timing.ceiling for timing in timings),
    )


def _play_round(players: Players[Draw], draws: list[Draw], times: _Times, *, ours_first: bool) -> None:
    first, second = (players.program, players.baseline) if ours_first else (players.baseline, players.program)
    outer, inner = first(draws[0]), second(draws[0])
    inner_again, outer_again = second(draws[1]), first(draws[1])
    pairs = (outer, outer_again), (inner, inner_again)
    ours, theirs = pairs if ours_first else pairs[::-1]
    times.program.append(ours)
    times.baseline.append(theirs)
    times.empty.append(min(players.empty(draws[0]), players.empty(draws[1])))


def is_hopeless(timing: Timing, plan: Plan, *, spare: float = 0.0) -> bool:
    """Whether a program is surely below the plan's bound, by so much more in log2."""
    gain, bound = timing.gain, plan.hopeless_below
    return bound is not None and gain.mean + HOPELESS_ERRORS * gain.stderr + spare < bound


def _is_enough(timing: Timing, plan: Plan) -> bool:
    gain = timing.gain
    if is_hopeless(timing, plan):
        return True
    return (gain.high - gain.low) / 2 <= plan.half_width


def _log_ratios(baseline: Samples, program: Samples, empty: Samples) -> tuple[Samples, Samples]:
    """log2 of baseline / program and of baseline / empty, medians over rounds and calls, (resamples,) each."""
    theirs, ours, least = (np.median(x.reshape(len(x), -1), axis=1) for x in (baseline, program, empty))
    return np.log2(theirs / ours), np.log2(theirs / least)
