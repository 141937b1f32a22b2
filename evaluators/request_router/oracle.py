"""The reference that score 100 stands for: one endless cache for all instances, and a router that knows their state."""

from __future__ import annotations

import heapq

import numpy as np

from evaluators.request_router.bounds import least_work
from evaluators.request_router.measures import values
from evaluators.request_router.traffic import Traffic


def ideal_objective(traffic: Traffic) -> float:
    """The objective where all instances share one cache that forgets nothing, and every request goes to the instance
    that gives its first token soonest, whose state and speed are known as they are.

    Queues, interference by decoding, speeds and stalls are those of `evaluators.request_router.instance`. Every
    bound of `evaluators.request_router.bounds` holds here too.
    """
    costs = traffic.costs
    free_at = [0.0] * len(traffic.fleet)
    decoding: list[list[float]] = [[] for _ in traffic.fleet]
    ttft = []
    for request, work in zip(traffic.requests, least_work(traffic), strict=True):
        ends = []
        for instance, speeds in enumerate(traffic.fleet):
            start = speeds.up_from(max(free_at[instance], request.arrival_seconds))
            # What has ended by then stays ended for whatever comes later: prompts are read in order.
            running = sum(end > start for end in decoding[instance])
            ends.append(speeds.finish(start, work * (1 + costs.interference * running)))
        chosen = int(np.argmin(ends))
        end, last = ends[chosen], decoding[chosen]
        while last and last[0] <= end:
            heapq.heappop(last)
        free_at[chosen] = end
        per_token = costs.step + costs.step_request * (len(last) + 1)
        heapq.heappush(last, traffic.fleet[chosen].finish(end, per_token * request.output_tokens))
        ttft.append(end - request.arrival_seconds)
    worth = values(np.array(ttft[traffic.warm_requests :]), traffic.objective_seconds)
    return float(worth.mean())
