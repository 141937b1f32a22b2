from __future__ import annotations

import math
import random
from collections.abc import Callable, Hashable, Sequence
from functools import partial
from typing import Any

import numpy as np
import pytest
from scipy import stats

from evaluators.statistics import (
    batch_stderr,
    bootstrap,
    estimate,
    paired,
    simultaneous,
    stratified,
    t_quantile,
    with_draw_error,
)


@pytest.mark.parametrize("degrees", [1, 2, 5, 30, 31, 50, 120, 1000])
def test_t_quantile_agrees_with_scipy(degrees: int) -> None:
    assert t_quantile(degrees) == pytest.approx(stats.t.ppf(0.975, degrees), abs=1e-3)


def test_t_quantile_needs_a_degree_of_freedom() -> None:
    with pytest.raises(ValueError, match="two samples"):
        t_quantile(0)


def test_estimate_agrees_with_scipy() -> None:
    samples = [1.0, 2.5, 4.0, 8.0]
    ours = estimate(samples)
    low, high = stats.t.interval(0.95, 3, loc=ours.mean, scale=stats.sem(samples))
    assert (ours.low, ours.high) == pytest.approx((low, high), abs=1e-3)
    assert ours.n == 4


def test_one_sample_says_nothing_about_its_spread() -> None:
    ours = estimate([3.0])
    assert (ours.mean, ours.low, ours.high) == (3.0, -math.inf, math.inf)


def test_no_samples_is_an_error() -> None:
    with pytest.raises(ValueError, match="no samples"):
        estimate([])


def test_paired_removes_what_both_share() -> None:
    common = [0.0, 50.0, 100.0]
    assert paired([c + 1 for c in common], common).low == pytest.approx(1.0)


def test_paired_refuses_unequal_numbers() -> None:
    with pytest.raises(ValueError, match="differ in number"):
        paired([1.0], [1.0, 2.0])


def test_batch_means_see_through_autocorrelation() -> None:
    """For an AR(1) series the plain standard error is far too small; batch means come close to the truth."""
    truths, batched, plain = [], [], []
    for seed in range(200):
        rng = random.Random(seed)
        value, series = 0.0, []
        for _ in range(240):
            value = 0.8 * value + rng.gauss(0, 1)
            series.append(value)
        truths.append(sum(series) / len(series))
        batched.append(batch_stderr(series) ** 2)
        plain.append(estimate(series).stderr ** 2)
    spread = estimate(truths).stderr * math.sqrt(len(truths))
    assert 0.8 < math.sqrt(sum(batched) / 200) / spread < 1.2
    assert math.sqrt(sum(plain) / 200) / spread < 0.5


@pytest.mark.parametrize("length", [2, 3, 4, 5, 12, 24])
def test_batch_stderr_takes_short_series(length: int) -> None:
    assert batch_stderr([float(i % 2) for i in range(length)]) >= 0


def test_batch_stderr_of_one_sample_is_an_error() -> None:
    with pytest.raises(ValueError, match="two samples"):
        batch_stderr([1.0])


def test_stratified_interval_ignores_how_far_kinds_lie_apart() -> None:
    near, far = stratified([1.0, 1.0], [0.5, 0.5], "ab"), stratified([-99.0, 101.0], [0.5, 0.5], "ab")
    assert near.stderr == far.stderr == pytest.approx(math.sqrt(0.5) / 2)
    assert near.mean == far.mean == 1.0


def test_stratified_interval_covers_the_truth_about_95_times_in_100() -> None:
    covered = 0
    for seed in range(400):
        rng = random.Random(seed)
        rows = [[kind + rng.gauss(0, 2) for _ in range(24)] for kind in (0.0, 10.0, 40.0, 70.0)]
        ours = stratified([sum(r) / 24 for r in rows], [batch_stderr(r) for r in rows], "abcd")
        covered += ours.low <= 30.0 <= ours.high
    assert 0.93 <= covered / 400 <= 0.99


def test_stratified_needs_one_error_for_each_mean() -> None:
    for means, stderrs, strata in (([1.0], [], ["a"]), ([1.0], [1.0], []), ([], [], [])):
        with pytest.raises(ValueError, match="one standard error and one stratum"):
            stratified(means, stderrs, strata)


def test_repeated_draws_let_the_interval_cover_the_draw_too() -> None:
    """Four draws of each of six laws; the draws differ far more than each one's own noise."""
    covered = naive = 0
    for seed in range(400):
        rng = random.Random(seed)
        laws = [0.0, 5.0, 10.0, 20.0, 40.0, 60.0]
        strata = [str(law) for law in laws for _ in range(4)]
        shares = [law + rng.gauss(0, 5) for law in laws for _ in range(4)]
        truth = sum(laws) / len(laws)
        plain = stratified(shares, [0.5] * 24, range(24))
        drawn = stratified(shares, with_draw_error(shares, [0.5] * 24, strata), strata)
        naive += plain.low <= truth <= plain.high
        covered += drawn.low <= truth <= drawn.high
    assert 0.92 <= covered / 400 <= 0.99
    assert naive / 400 < 0.5


def test_a_single_draw_keeps_its_own_error_and_a_drawn_kind_does_not() -> None:
    assert with_draw_error([1.0, 9.0, 3.0], [0.5, 0.5, 0.7], ["a", "a", "b"]) == [math.sqrt(32)] * 2 + [0.7]
    assert with_draw_error([1.0, 1.0], [0.5, 0.5], ["a", "a"]) == [0.0, 0.0]


def coverage(spreads: Sequence[float], draws: int, runs: int = 2000) -> float:
    """How often the 95 % interval of the mean over kinds holds the truth, with normal noise of the draw."""
    rng = np.random.default_rng(7)
    kinds = np.arange(len(spreads)) * 10.0
    drawn = kinds[:, None] + np.array(spreads)[:, None] * rng.normal(size=(runs, len(spreads), draws))
    strata = [str(kind) for kind in kinds for _ in range(draws)]
    covered = 0
    for shares in drawn.reshape(runs, -1).tolist():
        ours = stratified(shares, with_draw_error(shares, [0.1] * len(shares), strata), strata)
        covered += ours.low <= kinds.mean() <= ours.high
    return covered / runs


def test_eight_kinds_drawn_twice_cover_the_truth_95_times_in_100() -> None:
    assert 0.935 <= coverage([5.0] * 8, 2) <= 0.965


def test_pooled_degrees_cover_a_little_less_where_the_kinds_vary_unlike() -> None:
    assert 0.92 <= coverage([2.0] * 4 + [4.0] * 4, 2) <= 0.965
    assert 0.91 <= coverage([2.0] * 4 + [8.0] * 4, 2) <= 0.95


def test_the_error_of_a_score_covers_the_draw_of_the_span_that_it_is_read_against() -> None:
    """Shares that agree within a block and move together from block to block, as their common yardstick does."""
    rng = np.random.default_rng(3)
    strata = [kind for kind in "abcdefgh" for _ in range(2)]
    blind, covered = 0, 0
    for _ in range(1000):
        spans = rng.normal(10, 2, size=16)
        gains = 4 + rng.normal(0, 0.1, size=16)
        shares = (100 * gains / spans.mean()).tolist()
        for given in (None, spans.tolist()):
            ours = stratified(shares, with_draw_error(shares, [0.1] * 16, strata, spans=given), strata)
            holds = ours.low <= 40 <= ours.high
            blind, covered = blind + (holds and given is None), covered + (holds and given is not None)
    assert blind / 1000 < 0.5
    assert 0.92 <= covered / 1000 <= 0.98


def quantile_used(stderrs: Sequence[float], strata: Sequence[Hashable]) -> float:
    ours = stratified([0.0] * len(stderrs), stderrs, strata)
    return ours.high / ours.stderr


def test_a_kind_gives_one_degree_less_than_it_was_drawn() -> None:
    assert quantile_used([1.0, 1.0, 2.0, 2.0], "aabb") == pytest.approx(t_quantile(2))
    assert quantile_used([1.0] * 4 + [2.0] * 4, "aaaabbbb") == pytest.approx(t_quantile(6))
    assert quantile_used([1.0, 2.0, 3.0], "abc") == pytest.approx(t_quantile(3))
    never = quantile_used([1.0, 1.0, 0.0, 0.0, 0.0], "aabbb")
    assert never == pytest.approx(t_quantile(1)), "what never varies teaches nothing"
    assert stratified([2.0, 2.0], [0.0, 0.0], "aa").low == 2.0


def test_a_kind_drawn_twice_in_each_of_several_blocks_gives_a_degree_for_each_block() -> None:
    strata = [(block, kind) for block in range(3) for kind in "aabb"]
    assert quantile_used([1.0] * 12, strata) == pytest.approx(t_quantile(6))


def test_degrees_hang_on_the_kinds_and_not_on_errors_that_happen_to_be_equal() -> None:
    """Gains that are 0 or 1 give every kind the same spread, to the last bit."""
    strata = "aabbccdd"
    gains = [0.0, 1.0] * 4
    errors = with_draw_error(gains, [0.0] * 8, strata)
    assert len(set(errors)) == 1
    assert quantile_used(errors, strata) == pytest.approx(t_quantile(4))
    assert paired(gains, [0.0] * 8, strata=strata).low == pytest.approx(0.5 - t_quantile(4) * errors[0] / math.sqrt(8))
    singles = quantile_used([1.0] * 4, "abcd")
    assert singles == pytest.approx(t_quantile(4)), "equal errors of different kinds are no draws of one"


@pytest.mark.parametrize("strata", ["aabbccdd", "abcdefgh"])
def test_a_larger_error_never_makes_an_interval_narrower(strata: str) -> None:
    errors = [1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 4.0, 4.0]
    raised = [[max(error, floor) for error in errors] for floor in (0.0, 0.5, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0)]
    widths = [stratified([0.0] * 8, given, strata).high for given in raised]
    assert widths == sorted(widths)


def test_paired_by_kind_ignores_how_the_advantage_differs_from_kind_to_kind() -> None:
    ours, theirs = [1.0, 2.0, 41.0, 42.0], [0.0] * 4
    by_kind = paired(ours, theirs, strata=["a", "a", "b", "b"])
    assert by_kind.low > 0 > paired(ours, theirs).low
    assert by_kind.mean == paired(ours, theirs).mean
    assert paired(ours, theirs, strata=["a", "a", "b", "c"]) == paired(ours, theirs), "c was drawn once"


def test_a_kind_drawn_once_counts_with_the_error_that_is_known_of_it() -> None:
    ours, theirs, strata = [1.0, 2.0, 41.0, 42.0], [0.0] * 4, ["a", "a", "b", "c"]
    lead = paired(ours, theirs, strata=strata, errors=[9.0, 9.0, 0.3, 0.4])
    assert lead.mean == paired(ours, theirs).mean
    draws = 0.5  # the variance between the two draws of a takes the place of what is known of each
    assert lead.stderr == pytest.approx(math.sqrt(2 * draws + 0.3**2 + 0.4**2) / 4)


def test_known_errors_of_kinds_drawn_once_count_and_not_how_kinds_differ() -> None:
    lead = paired([1.0, 2.0, 42.0], [0.0] * 3, strata="abc", errors=[0.3, 0.4, 1.2])
    assert (lead.mean, lead.n) == (15.0, 3)
    assert lead.stderr == pytest.approx(1.3 / 3)
    assert lead.high - lead.mean == pytest.approx(1.959964 * 1.3 / 3, rel=1e-4)
    wide = paired([1.0, 2.0, 42.0], [0.0] * 3, strata="abc", errors=[0.3, 0.4, 1.2], confidence=simultaneous(3))
    freedom = 4  # 1.3^4 / ((0.3^4 + 0.4^4 + 1.2^4) / 3) = 4.07
    tail = t_quantile(freedom, simultaneous(3)) / t_quantile(freedom)
    assert wide.high - wide.mean == pytest.approx(1.959964 * tail * 1.3 / 3, rel=1e-4)
    with pytest.raises(ValueError, match="2 errors for 3 gains"):
        paired([1.0, 2.0, 42.0], [0.0] * 3, strata="abc", errors=[0.3, 0.4])


@pytest.mark.parametrize("others", [0.0, 0.3, 1.0])
def test_clocked_leads_hold_as_often_as_they_say_also_where_one_time_dominates(others: float) -> None:
    """Times of six shapes, each the mean of four seatings that have to tell their own spread."""
    rng = np.random.default_rng(5)
    spreads = np.array([1.0, *[others] * 5])
    confidence, runs = simultaneous(3), 4000
    seatings = rng.normal(size=(runs, 6, 4)) * spreads[None, :, None]
    errors = t_quantile(3) / t_quantile(1_000_000) * seatings.std(axis=2, ddof=1) / 2
    held = 0
    for gains, known in zip(seatings.mean(axis=2).tolist(), errors.tolist(), strict=True):
        lead = paired(gains, [0.0] * 6, strata="abcdef", errors=known, confidence=confidence)
        held += lead.low <= 0 <= lead.high
    assert held / runs > confidence - 0.004


@pytest.mark.parametrize("claims", [1, 2, 3, 8])
def test_simultaneous_intervals_hold_all_at_once(claims: int) -> None:
    rng = np.random.default_rng(claims)
    seed = rng.normal(size=(1500, 1, 24))
    leads = (rng.normal(size=(1500, claims, 24)) - seed).tolist()
    confidence = simultaneous(claims)
    held = sum(
        all((found := paired(lead, [0.0] * 24, confidence=confidence)).low <= 0 <= found.high for lead in run)
        for run in leads
    )
    assert 0.94 <= held / 1500 <= 0.985


def test_another_confidence_agrees_with_scipy() -> None:
    assert t_quantile(7, 0.99) == pytest.approx(stats.t.ppf(0.995, 7))
    with pytest.raises(ValueError, match="two samples"):
        t_quantile(0, 0.99)


def interval(samples: Sequence[Any], statistic: Callable[..., Any], **options: int) -> tuple[float, float]:
    values = bootstrap(samples, statistic, **{"seed": 1, "resamples": 400, **options})
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


def ratio_of_medians(ours: Any, theirs: Any) -> Any:
    return np.median(ours, axis=1) / np.median(theirs, axis=1)


mean_of_rows = partial(np.mean, axis=1)


def test_bootstrap_of_a_ratio_of_medians_covers_the_truth() -> None:
    """Pairs that share their noise, as interleaved timings do; the true ratio is 1.2."""
    covered, widths = 0, []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        common = rng.lognormal(0, 0.2, size=40)
        ours, theirs = 1.2 * common * rng.lognormal(0, 0.05, size=40), common * rng.lognormal(0, 0.05, size=40)
        low, high = interval([ours, theirs], ratio_of_medians)
        covered += low <= 1.2 <= high
        widths.append(high - low)
    # The percentile interval of medians errs on the safe side: resampled medians jump between few values.
    assert 0.93 <= covered / 300 <= 0.998
    assert np.mean(widths) < 0.15


@pytest.mark.parametrize(("stretch", "lowest", "highest"), [(1, 0.0, 0.82), (10, 0.86, 0.98)])
def test_stretches_keep_together_what_neighbours_share(stretch: int, lowest: float, highest: float) -> None:
    """Rounds of an AR(1) series: drawn one by one they look far surer than they are."""
    covered = 0
    for seed in range(200):
        noise = np.random.default_rng(seed).normal(size=200)
        series = [noise[0]]
        for step in noise[1:]:
            series.append(0.5 * series[-1] + step)
        low, high = interval([np.array(series)], mean_of_rows, stretch=stretch)
        covered += low <= 0.0 <= high
    assert lowest <= covered / 200 <= highest


def test_bootstrap_of_a_mean_covers_the_truth_95_times_in_100() -> None:
    covered = 0
    for seed in range(400):
        samples = np.random.default_rng(seed).gamma(2.0, 1.0, size=50)
        low, high = interval([samples], mean_of_rows, seed=2)
        covered += low <= 2.0 <= high
    assert 0.92 <= covered / 400 <= 0.98


def test_bootstrap_of_a_mean_agrees_with_scipy() -> None:
    samples = np.random.default_rng(0).normal(5, 2, size=60)
    theirs = stats.bootstrap(
        (samples,), np.mean, n_resamples=5000, method="percentile", rng=np.random.default_rng(2)
    ).confidence_interval
    assert interval([samples], mean_of_rows, resamples=5000) == pytest.approx((theirs.low, theirs.high), abs=0.05)


def test_bootstrap_is_deterministic_and_draws_rows_together() -> None:
    first = np.array([1.0, 2.0, 3.0, 7.0, 11.5, 13.25, 20.0, 21.0])
    assert interval([2 * first, first], ratio_of_medians, seed=5, stretch=3) == (2.0, 2.0)
    same, again, other = (interval([first], mean_of_rows, seed=seed) for seed in (5, 5, 6))
    assert same == again != other


def test_bootstrap_refuses_what_does_not_pair_up() -> None:
    for samples, stretch in (([[1.0, 2.0], [1.0]], 1), ([[1.0]], 1), ([], 1), ([[1.0, 2.0]], 0)):
        with pytest.raises(ValueError, match="equally long samples of at least two rows"):
            interval(samples, mean_of_rows, stretch=stretch)
