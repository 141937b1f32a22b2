"""What the judge derives from the instances that a router named."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from evaluators.replies import Expected
from evaluators.request_router.instance import Served
from evaluators.request_router.traffic import BLOCK_TOKENS, Traffic

Values = NDArray[np.float64]

LATENESS_PRICE = 0.05
"""Objective lost for each time limit that passes until the first token."""

LATENESS_CAP = 20.0
"""So many time limits are counted at most: a request that is starved costs as much as one in time gains."""


def choice_form(instances: int) -> Expected:
    """The form of a legal choice: int32 ``(1,)``, an instance."""
    return Expected(
        what="the instance", dtype="int32", shape=(1,), low=0, high=instances - 1, values="instances from 0 on"
    )


def values(ttft_seconds: Values, objective_seconds: float) -> Values:
    """What each request is worth: 1 if its first token comes in time, minus a price for how long it takes."""
    late = ttft_seconds / objective_seconds
    worth: Values = (late <= 1) - LATENESS_PRICE * np.minimum(late, LATENESS_CAP)
    return worth


def series(traffic: Traffic, served: Sequence[Served]) -> tuple[float, ...]:
    """Mean value of the scored requests, stretch by stretch in the order of arrival."""
    ttft = np.array([one.ttft_seconds for one in served[traffic.warm_requests :]])
    worth = values(ttft, traffic.objective_seconds)
    return tuple(worth.reshape(traffic.stretches, -1).mean(axis=1).tolist())


def metrics(traffic: Traffic, served: Sequence[Served]) -> dict[str, float]:
    """Goodput, times to first token and per further token, and how much of the prompts was found cached."""
    scored, requests = served[traffic.warm_requests :], traffic.scored
    ttft = np.array([one.ttft_seconds for one in scored])
    found = sum(
        min(one.cached_blocks * BLOCK_TOKENS, request.input_tokens - 1)
        for one, request in zip(scored, requests, strict=True)
    )
    return {
        "goodput": 100 * float((ttft <= traffic.objective_seconds).mean()),
        "p90_ttft": float(np.quantile(ttft, 0.9) / traffic.objective_seconds),
        "p50_ttft": float(np.quantile(ttft, 0.5) / traffic.objective_seconds),
        "tpot_ms": 1000 * float(np.mean([one.tpot_seconds for one in scored])),
        "hit": 100 * found / sum(request.input_tokens for request in requests),
    }
