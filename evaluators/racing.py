"""When a program need not meet the rest of a block's workloads, because it is surely no better than its rival."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean

from evaluators.block import Block
from evaluators.model import WorkloadResult
from evaluators.statistics import estimate, t_quantile

WORTHWHILE_GAIN = 0.25
"""A candidate whose advantage over its rival is surely below this, in points, is not worth finishing.

It is worse, or it behaves alike, as mutations of dead or neutral code do.
"""

FALSE_STOPS = 0.05
"""How often a candidate that is better by just `WORTHWHILE_GAIN` may be stopped on its way through a block, at most."""

# What a further look costs: by simulation of normal leads, for races of 2 to 8 workloads before the first look and up
# to 96 in all, no more than `FALSE_STOPS` are stopped; with 2.5 % at each look it would be up to 19 %.
_LOOK_FACTOR = 3.0


def look_level(first: int, total: int) -> float:
    """One-sided error allowed at each look at a race, so that all looks together keep to `FALSE_STOPS`.

    One level for all looks (Pocock 1977, Group sequential methods in the design and analysis of clinical trials,
    Biometrika 64). Looks at almost the same workloads see almost the same, so that what they cost together grows with
    the logarithm of how far the race goes on, and less than their number (which is Bonferroni's bound, used where it
    allows more). Never more than the 2.5 % of a single 95 % interval.

    Args:
        first: after how many workloads the first look is taken.
        total: how many workloads there are; the last look is one before that.
    """
    looks = max(1, total - first)
    return min(FALSE_STOPS / 2, FALSE_STOPS / min(looks, 1 + _LOOK_FACTOR * math.log(total / first)))


def raced_out(
    block: Block, met: Sequence[int], results: Sequence[WorkloadResult], rival: Sequence[float], *, first: int
) -> str | None:
    """Why a program stops short of the rest of a block; None to go on.

    Args:
        block: whose workloads it meets.
        met: positions of those that it met, in that order.
        results: what came of them.
        rival: the other's shares on the whole block, by position.
        first: after how many workloads it may be stopped at the earliest.
    """
    done, total = len(results), len(block.standards)
    first = max(2, first)  # one lead has no spread
    if not first <= done < total:
        return None
    leads = [result.share - rival[position] for position, result in zip(met, results, strict=True)]
    if not any(leads):
        return f"behaves like its rival after {done} of {total} workloads"
    weights = [(result.reference - result.baseline) / block.span for result in results]
    if _highest_lead(leads, weights, 1 - 2 * look_level(first, total)) >= WORTHWHILE_GAIN:
        return None
    return f"{fmean(leads):+.1f} points to its rival after {done} of {total} workloads"


def _highest_lead(leads: Sequence[float], weights: Sequence[float], confidence: float) -> float:
    """Upper end of the lead on the whole block, whether leads are alike everywhere or grow with a workload's span.

    The workloads played so far may be small ones: where leads grow with the span, a lead there says more about the
    rest than its own size, and the ratio of the leads to the spans is what carries over (Cochran, Sampling
    Techniques, section 6.4). As nobody knows which holds, the larger of both ends counts.

    Args:
        leads: in points, one for each workload played.
        weights: the spans of these as multiples of the block's mean span.
        confidence: of the two-sided interval.
    """
    plain = estimate(leads, confidence=confidence).high
    weight = fmean(weights)
    if weight <= 0:
        return math.inf
    ratio = fmean(leads) / weight
    squares = math.fsum((lead - ratio * span) ** 2 for lead, span in zip(leads, weights, strict=True))
    stderr = math.sqrt(squares / (len(leads) - 1) / len(leads)) / weight
    return max(plain, ratio + t_quantile(len(leads) - 1, confidence) * stderr)
