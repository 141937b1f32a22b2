"""Estimates with their uncertainty, from paired samples."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
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
