"""The least that any router needs: work of each request, and how many requests can be in time.

All of it holds for every router, whatever it knows:

- *Work.* An instance reads a prompt with those blocks cached that it has read before, and it reads in the order of
  arrival. So what it finds cached is at most the longest prefix that any request before has had in common with this
  one (an endless cache that all instances share). `Costs.prefill_seconds` falls with every cached block, decoding only
  adds, and restarts only forget: a prefill is at least `least_work` at speed 1.
- *Alone.* The work of a request is done by one instance from its arrival on, so its time to first token is at least
  that of an idle fleet's quickest instance.
- *Together.* In any stretch of time the fleet does no more work than its speeds add up to. Let one machine with the sum
  of all speeds do the same work at the same times, sharing itself out as the fleet does: whatever set of requests a
  router gets done in time, that machine can too. All requests have the same time limit, so deadlines come in the order
  of arrival; then the machine may as well do that set one by one in this order (earliest deadline first is optimal with
  interruptions, and here never interrupts), and the largest such set is found exactly (`most_in_time`). Requests that
  are not scored are left out, which only helps.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from evaluators.request_router.measures import LATENESS_CAP, LATENESS_PRICE
from evaluators.request_router.traffic import Speeds, Traffic

Values = NDArray[np.float64]

ROUNDING = 1e-9
"""Relative slack of comparisons between times, so that rounding never makes the bound too small."""


def least_work(traffic: Traffic) -> list[float]:
    """Seconds at speed 1 that each request's prefill takes at least."""
    known: set[int] = set()
    work = []
    for request in traffic.requests:
        cached = 0
        for block in request.blocks:
            if block not in known:
                break
            cached += 1
        known.update(request.blocks)
        work.append(traffic.costs.prefill_seconds(request.input_tokens, cached))
    return work


def ceiling(traffic: Traffic) -> float:
    """Proven upper bound of the objective over all routers; see the module's text."""
    first = traffic.warm_requests
    arrivals, work = traffic.arrivals[first:], least_work(traffic)[first:]
    alone = np.array(
        [
            min(speeds.finish(arrival, seconds) for speeds in traffic.fleet) - arrival
            for arrival, seconds in zip(arrivals.tolist(), work, strict=True)
        ]
    )
    limit = traffic.objective_seconds
    able = alone <= limit * (1 + ROUNDING)
    releases = fleet_work(traffic.fleet, arrivals[able])
    deadlines = fleet_work(traffic.fleet, arrivals[able] + limit)
    in_time = most_in_time(releases, deadlines, np.array(work)[able])
    lateness = np.minimum(alone / limit, LATENESS_CAP)
    return in_time / len(work) - LATENESS_PRICE * float(lateness.mean())


def fleet_work(fleet: Sequence[Speeds], seconds: Values) -> Values:
    """How much work all instances together can have done by these moments, in seconds at speed 1."""
    total = np.zeros(len(seconds))
    for speeds in fleet:
        starts, factors = np.array(speeds.starts), np.array(speeds.factors)
        done = np.concatenate([[0.0], np.cumsum(factors[:-1] * np.diff(starts))])
        piece = np.searchsorted(starts, seconds, side="right") - 1
        total += done[piece] + factors[piece] * (seconds - starts[piece])
    return total


def most_in_time(releases: Values, deadlines: Values, work: Values) -> int:
    """How many jobs one machine can do in time, where deadlines come in the order of releases.

    Jobs are added in that order; once the last of those kept would be late, the one is dropped without which the
    rest is done soonest (Kise, Ibaraki and Mine, Operations Research 26, 1978; their proof has a gap, for one
    without see Journal of Scheduling, doi 10.1007/s10951-010-0210-0). Releases are such that shared or interrupted work
    gains nothing: in the order of deadlines it can be undone.

    Args:
        releases: float64 ``(jobs,)``, rising, in the machine's own measure of work.
        deadlines: float64 ``(jobs,)``, rising.
        work: float64 ``(jobs,)``.
    """
    kept: list[int] = []
    end = -np.inf
    for job in range(len(work)):
        kept.append(job)
        end = max(end, releases[job]) + work[job]
        if end > deadlines[job] + ROUNDING * max(1.0, abs(deadlines[job])):
            ends = _ends_without_each(releases[kept], work[kept])
            dropped = int(ends.argmin())
            end = ends[dropped]
            del kept[dropped]
    return len(kept)


def _ends_without_each(releases: Values, work: Values) -> Values:
    """When the last job is done if one of them is left out, for each: float64 ``(jobs,)``."""
    total = np.cumsum(work)
    before = np.concatenate([[0.0], total[:-1]])
    # A busy stretch begins at some job's release: the end is the latest of release + work from there on.
    ends = total + np.maximum.accumulate(releases - before)
    previous = np.concatenate([[-np.inf], ends[:-1]])
    after = total[-1] - total
    begins = np.maximum.accumulate((releases + total[-1] - before)[::-1])[::-1]
    later = np.concatenate([begins[1:], [-np.inf]])
    without: Values = np.maximum(previous + after, later)
    return without
