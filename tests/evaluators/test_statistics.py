from __future__ import annotations

import math
import random

import pytest
from scipy import stats

from evaluators.statistics import batch_stderr, estimate, paired, stratified, t_quantile, with_draw_error


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
    near, far = stratified([1.0, 1.0], [0.5, 0.5]), stratified([-99.0, 101.0], [0.5, 0.5])
    assert near.stderr == far.stderr == pytest.approx(math.sqrt(0.5) / 2)
    assert near.mean == far.mean == 1.0


def test_stratified_interval_covers_the_truth_about_95_times_in_100() -> None:
    covered = 0
    for seed in range(400):
        rng = random.Random(seed)
        rows = [[kind + rng.gauss(0, 2) for _ in range(24)] for kind in (0.0, 10.0, 40.0, 70.0)]
        ours = stratified([sum(r) / 24 for r in rows], [batch_stderr(r) for r in rows])
        covered += ours.low <= 30.0 <= ours.high
    assert 0.93 <= covered / 400 <= 0.99


def test_stratified_needs_one_error_for_each_mean() -> None:
    with pytest.raises(ValueError, match="one standard error"):
        stratified([1.0], [])


def test_repeated_draws_let_the_interval_cover_the_draw_too() -> None:
    """Four draws of each of six laws; the draws differ far more than each one's own noise."""
    covered = naive = 0
    for seed in range(400):
        rng = random.Random(seed)
        laws = [0.0, 5.0, 10.0, 20.0, 40.0, 60.0]
        strata = [str(law) for law in laws for _ in range(4)]
        shares = [law + rng.gauss(0, 5) for law in laws for _ in range(4)]
        truth = sum(laws) / len(laws)
        plain = stratified(shares, [0.5] * 24)
        drawn = stratified(shares, with_draw_error(shares, [0.5] * 24, strata))
        naive += plain.low <= truth <= plain.high
        covered += drawn.low <= truth <= drawn.high
    assert 0.92 <= covered / 400 <= 0.99
    assert naive / 400 < 0.5


def test_a_single_draw_keeps_its_own_error() -> None:
    assert with_draw_error([1.0, 9.0, 3.0], [0.5, 0.5, 0.7], ["a", "a", "b"])[2] == 0.7
    assert with_draw_error([1.0, 1.0], [0.5, 0.5], ["a", "a"]) == [0.5, 0.5]
