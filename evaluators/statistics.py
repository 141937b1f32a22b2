"""Estimates with their uncertainty, from paired samples."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, stdev

# Two-sided 95 % quantiles of Student's t by degrees of freedom; beyond 30 the Cornish-Fisher expansion
# z + (z^3 + z) / 4f is right to three digits (Abramowitz and Stegun, 26.7.5).
_T95 = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
    2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
    2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip


def t_quantile(degrees: int) -> float:
    """Two-sided 95 % quantile of Student's t distribution.

    Raises:
        ValueError: fewer than one degree of freedom.
    """
    if degrees < 1:
        raise ValueError("a t interval needs at least one degree of freedom (two samples)")
    if degrees <= len(_T95):
        return _T95[degrees - 1]
    z = 1.959964
    return z + (z**3 + z) / (4 * degrees) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * degrees**2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A mean with its standard error and two-sided 95 % interval, all in the samples' unit."""

    mean: float
    stderr: float
    n: int
    low: float
    high: float


def estimate(samples: Sequence[float]) -> Estimate:
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
    stderr = stdev(samples) / math.sqrt(len(samples))
    half = t_quantile(len(samples) - 1) * stderr
    return Estimate(mean=mean, stderr=stderr, n=len(samples), low=mean - half, high=mean + half)


def paired(ours: Sequence[float], theirs: Sequence[float]) -> Estimate:
    """Mean advantage of ``ours`` over ``theirs``, sample by sample on the same workloads.

    Raises:
        ValueError: the two were not measured on equally many workloads.
    """
    if len(ours) != len(theirs):
        raise ValueError(f"paired samples differ in number: {len(ours)} and {len(theirs)}")
    return estimate([a - b for a, b in zip(ours, theirs, strict=True)])


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
    return stdev(means) / math.sqrt(count)


def stratified(means: Sequence[float], stderrs: Sequence[float]) -> Estimate:
    """Estimate the average of workloads of different kinds, each with its own standard error.

    Every block holds the same kinds, so how far the kinds lie apart is no uncertainty of the average; only
    the error inside each counts (stratified sampling with proportional allocation; Cochran, Sampling
    Techniques, section 5.3). What the interval covers is what the errors cover: the noise of these workloads
    where each kind was drawn once, the draw as well where `with_draw_error` was applied. One degree of
    freedom for each workload, which is fewer than there are.

    Raises:
        ValueError: no workloads, or not one standard error for each.
    """
    if not means or len(means) != len(stderrs):
        raise ValueError(f"need one standard error for each mean, got {len(means)} and {len(stderrs)}")
    stderr = math.sqrt(math.fsum(error * error for error in stderrs)) / len(means)
    half = t_quantile(len(means)) * stderr
    mean = fmean(means)
    return Estimate(mean=mean, stderr=stderr, n=len(means), low=mean - half, high=mean + half)


def with_draw_error(shares: Sequence[float], stderrs: Sequence[float], strata: Sequence[str]) -> list[float]:
    """Standard errors that also cover the draw of the workloads, where a stratum was drawn more than once.

    One draw estimates its stratum's mean with the spread of such draws as its error, however exactly it was
    itself measured. A stratum with a single draw keeps its own error: its spread is unknown.

    Raises:
        ValueError: not one share, error and stratum for each workload.
    """
    groups: dict[str, list[float]] = {}
    for share, _, stratum in zip(shares, stderrs, strata, strict=True):
        groups.setdefault(stratum, []).append(share)
    spread = {stratum: stdev(values) for stratum, values in groups.items() if len(values) > 1}
    return [max(error, spread.get(stratum, 0.0)) for error, stratum in zip(stderrs, strata, strict=True)]
