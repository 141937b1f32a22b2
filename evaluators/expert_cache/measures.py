"""The form of a reply, and what the judge derives from a session that was played."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from evaluators.expert_cache.cache import Served
from evaluators.expert_cache.session import Session
from evaluators.replies import Expected

WINDOWS = 12
"""A session's series has so many samples, each over a stretch of consecutive forward passes."""


def value_form(session: Session) -> Expected:
    """The form of a legal reply: a finite float32 for every expert of every layer. Any such reply can be obeyed."""
    return Expected(
        what="the value of experts",
        dtype="float32",
        shape=(session.layers, session.experts),
        values="values",
    )


def series_of(session: Session, stalls: NDArray[np.float64]) -> tuple[float, ...]:
    """Share of the transfer time that the GPU did not wait for, by window; the mean is the share of the session.

    A window's sample is 1 - windows x its stall / stall of the whole session without a cache, so that the mean over
    windows is 1 - stall / stall without a cache, however much the windows differ in what they need.

    Args:
        session: what was played.
        stalls: seconds that the GPU waited at each visit, ``(visits,)``.
    """
    count = min(WINDOWS, session.steps)
    edges = [round(window * session.steps / count) for window in range(count + 1)]
    step_of = np.array([visit.step for visit in session.visits])
    by_step = np.bincount(step_of, weights=stalls, minlength=session.steps)
    whole = session.uncached_seconds
    return tuple(1 - count * float(by_step[start:stop].sum()) / whole for start, stop in pairwise(edges))


def share_of(session: Session, stall_seconds: float) -> float:
    """The objective for a stall of the whole session."""
    return 1 - stall_seconds / session.uncached_seconds


def metrics_of(session: Session, served: Sequence[Served], call_seconds: Sequence[float]) -> dict[str, float]:
    """The declared metrics."""
    loaded = sum(visit.loaded_bytes for visit in served)
    stall = sum(visit.stall_seconds for visit in served)
    busy = loaded / session.link_bytes_per_second
    return {
        "hits": 100 * sum(visit.hits for visit in served) / sum(visit.needed for visit in served),
        "moved": 100 * loaded / float(session.requested_bytes.sum()),
        "overlap": 100 * max(0.0, 1 - stall / busy) if busy else 100.0,
        "stall_ms": 1000 * stall / session.steps,
        "call_us": 1e6 * float(np.median(call_seconds)),
    }
