"""Serves a workload: requests come one by one, are routed on a stale view of the instances, and are served."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluators.request_router.instance import Instance, Load, Served
from evaluators.request_router.traffic import Request, Traffic


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What the router sees of the instances when a request arrives, as it was ``age_seconds`` before.

    Args:
        age_seconds: how old the figures are.
        figures: float64 ``(6, instances)``; of each instance how many of the request's first blocks it caches, the
            requests that wait or are being read there, the tokens of these that were not cached when they arrived,
            the requests that decode, and since the start the uncached tokens read and the seconds spent on that.
    """

    age_seconds: float
    figures: NDArray[np.float64]


Choose = Callable[[Request, View], int]
"""Names the instance for a request, ``0 .. instances - 1``."""


def serve(traffic: Traffic, choose: Choose) -> list[Served]:
    """Route and serve all requests; gives what came of each, in their order."""
    served: dict[int, Served] = {}
    instances = [Instance(speeds, traffic.cache_blocks, traffic.costs, served) for speeds in traffic.fleet]
    for number, request, view in _arrivals(traffic, instances):
        instance = instances[choose(request, view)]
        instance.advance(request.arrival_seconds)
        instance.accept(number, request)
    for instance in instances:
        instance.advance(float("inf"))
    return [served[number] for number in range(len(traffic.requests))]


def _arrivals(traffic: Traffic, instances: list[Instance]) -> Iterator[tuple[int, Request, View]]:
    """Requests with what the router sees, all instances advanced to the moment of each new view and no further."""
    periods = [int(request.arrival_seconds // traffic.view_seconds) for request in traffic.requests]
    number = 0
    while number < len(periods):
        end = number
        while end < len(periods) and periods[end] == periods[number]:
            end += 1
        seen_at = periods[number] * traffic.view_seconds
        for instance in instances:
            instance.advance(seen_at)
        reports = _reports([instance.load(seen_at) for instance in instances])
        members = traffic.requests[number:end]
        # All looked up now: instances read on from one request of a view to its next.
        cached = [[instance.cache.match(request.blocks) for instance in instances] for request in members]
        for request, row in zip(members, cached, strict=True):
            age = max(0.0, request.arrival_seconds - seen_at)  # a rounding error is no age
            yield number, request, View(age_seconds=age, figures=np.vstack([row, reports]))
            number += 1


def _reports(loads: list[Load]) -> NDArray[np.float64]:
    """The figures that all requests of one view share: float64 ``(5, instances)``."""
    rows = [[load.waiting, load.queued_tokens, load.running, load.done_tokens, load.busy_seconds] for load in loads]
    return np.array(rows, dtype=np.float64).T
