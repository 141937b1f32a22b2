"""Estimates with their uncertainty, from paired samples."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Two-sided 95 % quantiles of Student's t by degrees of freedom; beyond 30 the Cornish-Fisher expansion
# z + (z^3 + z) / 4f is right to three digits (Abramowitz and Stegun, 26.7.5).
_T95 = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
    2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
    2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip


CONFIDENCE = 0.95


def t_quantile(degrees: int, confidence: float = CONFIDENCE) -> float:
    """Two-sided quantile of Student's t distribution.

    Raises:
        ValueError: fewer than one degree of freedom.
    """
    if degrees < 1:
        raise ValueError("a t interval needs at least one degree of freedom (two samples)")
    if confidence != CONFIDENCE:
        # Imported here: the archive and the reports import this module and seldom need another confidence.
        from scipy.special import stdtrit  # noqa: PLC0415

        return float(stdtrit(degrees, (1 + confidence) / 2))
    if degrees <= len(_T95):
        return _T95[degrees - 1]
    z = 1.959964
    return z + (z**3 + z) / (4 * degrees) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * degrees**2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A mean with its standard error and two-sided interval, 95 % unless said otherwise, in the samples' unit."""

    mean: float
    stderr: float
    n: int
    low: float
    high: float


def _spread(samples: Sequence[float]) -> float:
    """Standard deviation of a sample; the library's exact one takes ten times as long, and a search lives on it."""
    mean = fmean(samples)
    return math.sqrt(math.fsum((sample - mean) ** 2 for sample in samples) / (len(samples) - 1))


def estimate(samples: Sequence[float], *, confidence: float = CONFIDENCE) -> Estimate:
    """Mean of independent samples with a Student's t interval.

    One sample has no spread to measure: its interval is the whole line, ``(-inf, inf)``.

    Raises:
        ValueError: no samples.
    """
    if not samples:
        raise ValueError("no samples to estimate from")
    mean = fmean(samples)
    if len(samples) == 1:
        return Estimate(mean=mean, stderr=math.inf, n=1, low=-math.inf, high=math.inf)
    stderr = _spread(samples) / math.sqrt(len(samples))
    half = t_quantile(len(samples) - 1, confidence) * stderr
    return Estimate(mean=mean, stderr=stderr, n=len(samples), low=mean - half, high=mean + half)


def paired(
    ours: Sequence[float],
    theirs: Sequence[float],
    *,
    strata: Sequence[Hashable] | None = None,
    errors: Sequence[float] | None = None,
    confidence: float = CONFIDENCE,
) -> Estimate:
    """Mean advantage of ``ours`` over ``theirs``, sample by sample on the same workloads.

    Args:
        ours: one figure for each workload.
        theirs: those of the other.
        strata: the kind of each workload. Where every kind was drawn more than once, the error comes from the
            spread between the draws of a kind; how much the advantage differs from kind to kind is then no
            uncertainty of its mean over these kinds. Otherwise, and if None, the workloads count as draws from
            one population, unless ``errors`` are given.
        errors: standard error of each gain, where it is known by other means, as that of a time is, which allows for
            having been found from few seatings itself (`evaluators.timing.pooled`). Then a kind that was drawn once
            is no draw from a population either: its own error counts.
        confidence: of the interval; see `simultaneous`.

    Raises:
        ValueError: the two were not measured on equally many workloads, or there are more or fewer errors.
    """
    if len(ours) != len(theirs):
        raise ValueError(f"paired samples differ in number: {len(ours)} and {len(theirs)}")
    if errors is not None and len(errors) != len(ours):
        raise ValueError(f"{len(errors)} errors for {len(ours)} gains")
    gains = [a - b for a, b in zip(ours, theirs, strict=True)]
    if errors is not None and strata is not None and len(set(strata)) == len(strata):
        return _clocked(gains, errors, confidence)
    if strata is None or (errors is None and min(Counter(strata).values(), default=0) < 2):
        return estimate(gains, confidence=confidence)
    own = [0.0] * len(gains) if errors is None else errors
    return stratified(gains, with_draw_error(gains, own, strata), strata, confidence=confidence)


CLOCK_FREEDOM = 3
"""Degrees of freedom of the error of a time: programs are seated in memory four times."""


def _clocked(gains: Sequence[float], errors: Sequence[float], confidence: float) -> Estimate:
    """The mean of gains whose errors are known as those of times are.

    Each error is a 95 % half-width over the normal quantile, with Student's t inside. Their sum has the degrees of
    freedom of Welch and Satterthwaite (Biometrics Bulletin 2, 1946), and a wider interval the wider t of these: where
    one time dominates, its tail is that of so few seatings.
    """
    mean = fmean(gains)
    variance = math.fsum(error**2 for error in errors)
    freedom = variance**2 / math.fsum(error**4 / CLOCK_FREEDOM for error in errors) if variance > 0 else CLOCK_FREEDOM
    stderr = math.sqrt(variance) / len(gains)
    wider = t_quantile(max(1, int(freedom)), confidence) / t_quantile(max(1, int(freedom)))
    half = t_quantile(1_000_000) * wider * stderr
    return Estimate(mean=mean, stderr=stderr, n=len(gains), low=mean - half, high=mean + half)


def simultaneous(claims: int) -> float:
    """Confidence that each of several intervals needs for all to hold at once with 95 % (Bonferroni).

    Right whatever the dependence between the claims, such as that of finalists compared with the same seed.
    """
    return 1 - (1 - CONFIDENCE) / claims if claims > 1 else CONFIDENCE


def batch_stderr(samples: Sequence[float], *, batches: int = 6) -> float:
    """Standard error of the mean of an autocorrelated series, by non-overlapping batch means.

    Neighbouring windows of a stream share their drift, so their plain standard error is too small; the
    means of ``batches`` consecutive stretches are nearly independent (Law and Kelton, Simulation Modeling
    and Analysis, section 9.5.3). A shorter series has fewer batches: of two samples, and of one below four.

    Raises:
        ValueError: fewer than two samples, which have no spread.
    """
    if len(samples) < 2:
        raise ValueError("the spread of a series needs at least two samples")
    count = min(batches, len(samples) // 2) if len(samples) >= 4 else len(samples)
    edges = [round(index * len(samples) / count) for index in range(count + 1)]
    means = [fmean(samples[start:end]) for start, end in pairwise(edges)]
    return _spread(means) / math.sqrt(count)


def stratified(
    means: Sequence[float],
    stderrs: Sequence[float],
    strata: Sequence[Hashable],
    *,
    confidence: float = CONFIDENCE,
) -> Estimate:
    """Estimate the average of workloads of different kinds, each with its own standard error.

    Every block holds the same kinds, so how far the kinds lie apart is no uncertainty of the average; only
    the error inside each counts (stratified sampling with proportional allocation; Cochran, Sampling
    Techniques, section 5.3). What the interval covers is what the errors cover: the noise of these workloads
    where each kind was drawn once, the draw as well where `with_draw_error` was applied.

    Degrees of freedom are pooled over the kinds: m draws of one kind, whose error is the spread between them, give
    m - 1; a workload that is the only one of its kind gives one, which is fewer than there are; where nothing varies,
    nothing is learnt about the error. That is exact where the kinds vary alike, and covers some 93 % where half of
    them vary four times as much as the others. Satterthwaite's formula would cover 95 to 98 %, but with one degree for
    each kind its half-widths are 1.3 to 2 times as wide, and jump from one candidate to the next, which would spoil
    a ranking by lower bound.

    Args:
        means: one for each workload.
        stderrs: each one's standard error.
        strata: each one's kind. Workloads of several blocks name the block as well: their errors come from the
            spread inside a block, so that a kind drawn twice in each of k blocks gives k degrees.
        confidence: of the interval.

    Raises:
        ValueError: no workloads, or not one standard error and one stratum for each.
    """
    if not means or not len(means) == len(stderrs) == len(strata):
        raise ValueError(
            "need one standard error and one stratum for each mean, "
            f"got {len(means)} means, {len(stderrs)} errors and {len(strata)} strata"
        )
    stderr = math.sqrt(math.fsum(error * error for error in stderrs)) / len(means)
    drawn = Counter(strata)
    varying = {stratum for error, stratum in zip(stderrs, strata, strict=True) if error > 0}
    degrees = sum(max(1, drawn[stratum] - 1) for stratum in varying)
    half = t_quantile(max(1, degrees), confidence) * stderr
    mean = fmean(means)
    return Estimate(mean=mean, stderr=stderr, n=len(means), low=mean - half, high=mean + half)


def with_draw_error(
    shares: Sequence[float],
    stderrs: Sequence[float],
    strata: Sequence[Hashable],
    *,
    spans: Sequence[float] | None = None,
) -> list[float]:
    """Standard errors that also cover the draw of the workloads, where a stratum was drawn more than once.

    One draw estimates its stratum's mean with the spread of such draws as its error. That spread holds the noise
    inside the draws as well, so it takes the place of their own errors: the larger of the two would be too large on
    average. A stratum with a single draw keeps its own error: its spread is unknown.

    Args:
        shares: one for each workload.
        stderrs: each one's own error.
        strata: each one's kind.
        spans: each workload's distance from baseline to reference. Shares are read against the mean of these,
            which was drawn too and is common to all of them, so their spread alone does not show its error. The
            score is a ratio of two means, and its error is the spread of the residuals, share minus score
            x span / mean span (combined ratio estimator; Cochran, Sampling Techniques, section 6.11).

    Raises:
        ValueError: not one share, error, stratum and span for each workload.
    """
    score, mean_span = fmean(shares), fmean(spans) if spans else 1.0
    groups: dict[Hashable, list[float]] = {}
    for share, _, stratum, span in zip(shares, stderrs, strata, spans or [0.0] * len(shares), strict=True):
        groups.setdefault(stratum, []).append(share - score * span / mean_span)
    spread = {stratum: _spread(values) for stratum, values in groups.items() if len(values) > 1}
    return [spread.get(stratum, error) for error, stratum in zip(stderrs, strata, strict=True)]


def bootstrap(
    samples: Sequence[NDArray[np.float64]],
    statistic: Callable[..., Any],
    *,
    seed: int,
    resamples: int,
    stretch: int = 1,
) -> Any:
    """Values of a statistic on resampled rows; their quantiles are its percentile bootstrap interval.

    See Efron and Tibshirani, An Introduction to the Bootstrap, section 13.3, and 8.6 for stretches of rows.

    Args:
        samples: arrays ``(n, ...)``; the n-th rows of all of them belong together and are drawn together.
        statistic: of one array ``(resamples, n, ...)`` for each sample; its first axis is kept.
        seed: the same seed draws the same rows.
        resamples: how often to draw.
        stretch: how many consecutive rows are drawn at a time, the first after the last, so that what neighbours
            share stays together.

    Raises:
        ValueError: no samples, fewer than two rows, samples of different lengths, or no stretch.
    """
    # Imported here: the archive and the reports import this module and need no arrays.
    import numpy as np  # noqa: PLC0415

    lengths = {len(rows) for rows in samples}
    if len(lengths) != 1 or min(lengths) < 2 or stretch < 1:
        raise ValueError(
            "a bootstrap needs equally long samples of at least two rows and stretches of at least one, "
            f"got {sorted(lengths)} rows and stretches of {stretch}"
        )
    (count,) = lengths
    starts = np.random.default_rng(seed).integers(count, size=(resamples, -(-count // stretch), 1))
    picks = ((starts + np.arange(stretch)) % count).reshape(resamples, -1)[:, :count]
    return statistic(*(np.asarray(rows)[picks] for rows in samples))
