"""What can be known about a session in hindsight: Belady's replacement, and the least stall that any policy can have.

Both follow L. A. Belady, A study of replacement algorithms for a virtual-storage computer, IBM Systems Journal 5(2),
1966: drop what is needed furthest in the future.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluators.expert_cache.cache import ExpertCache
from evaluators.expert_cache.session import Session

NEVER = np.int64(2**40)
"""Stands for the next use of what is not needed any more; far beyond any number of visits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NextUses:
    """When experts are needed next, in numbers of visits.

    Args:
        first: first visit that needs an expert, ``(layers * experts,)``; `NEVER` for none.
        after: for each visit, the next one that needs each of its experts, in the order of `Session.needed`.
    """

    first: NDArray[np.int64]
    after: tuple[NDArray[np.int64], ...]


def next_uses(session: Session) -> NextUses:
    """Look into the future of a session."""
    coming = np.full(session.layers * session.experts, NEVER, dtype=np.int64)
    after = []
    for number in range(len(session.visits) - 1, -1, -1):
        needed = session.needed[number]
        after.append(coming[needed])
        coming[needed] = number
    return NextUses(first=coming, after=tuple(reversed(after)))


def belady_stalls(session: Session, *, ahead: bool) -> NDArray[np.float64]:
    """Seconds that the GPU waits at each visit if it drops what is needed furthest in the future: ``(visits,)``.

    Args:
        session: what is played.
        ahead: whether the link fetches, while it is free, what is needed next and not cached, as long as something
            cached is needed later than that (the rule Aggressive of Cao, Felten, Karlin and Li, A study of integrated
            prefetching and caching strategies, SIGMETRICS 1995); else experts are loaded on demand alone.
    """
    uses = next_uses(session)
    coming = uses.first.copy()
    cache = ExpertCache(session)
    stalls = []
    for number, visit in enumerate(session.visits):
        needed = session.needed[number]
        coming[needed] = uses.after[number]
        value = float(NEVER if ahead else 0) - coming
        stalls.append(cache.serve(visit, needed, value).stall_seconds)
    return np.array(stalls)


def least_loaded_bytes(session: Session) -> int:
    """Fewest bytes that any policy transfers in a session, fetching ahead or not.

    Split every expert into pages of one byte, each of which may be kept or dropped alone; whatever a policy does with
    whole experts can be done with pages. A page is transferred at each visit that needs it unless it stayed on the GPU
    since the visit before that needed it, or since the beginning. Staying from visit i to visit j takes a place at
    every visit in between, where the pages that are not needed have max(0, capacity - bytes needed) places: fetching
    ahead takes places and never makes any. So the fewest transfers keep the most intervals of which no more overlap at
    a visit than there are places, and to drop the interval that ends last wherever there are too many is optimal for
    that (Carlisle and Lloyd, On the k-coloring of intervals, Discrete Applied Mathematics 59, 1995, where the number
    of places may differ from point to point). That is Belady's rule, page by page. Where all experts are of one size,
    only whole experts fit, so that the capacity is rounded down to a multiple of it.
    """
    uses = next_uses(session)
    size = np.repeat(session.expert_bytes, session.experts)
    capacity = session.capacity_bytes
    if (size == size[0]).all():
        capacity -= capacity % int(size[0])
    held = np.where(session.cached.ravel(), size, 0).astype(np.int64)
    coming = uses.first.copy()
    loaded = 0
    total = int(held.sum())
    for number, needed in enumerate(session.needed):
        missing = int((size[needed] - held[needed]).sum())
        loaded += missing
        held[needed] = size[needed]
        total += missing
        coming[needed] = uses.after[number]
        total -= _drop_furthest(held, needed, coming, total - capacity)
    return loaded


def least_stall_seconds(session: Session) -> float:
    """A lower bound of the stall under any policy.

    The link carries one transfer at a time, and works for the session only while the GPU computes before the last
    visit, or waits. So it has no more than all computing before the last visit, plus all stall, for what must be
    transferred at least.
    """
    computing = sum(visit.compute_seconds for visit in session.visits[:-1])
    return max(0.0, least_loaded_bytes(session) / session.link_bytes_per_second - computing)


def _drop_furthest(held: NDArray[np.int64], needed: NDArray[np.int64], coming: NDArray[np.int64], excess: int) -> int:
    """Drop so many pages of what is held and not needed now, the furthest needed first; returns how many went."""
    if excess <= 0:
        return 0
    movable = held > 0
    movable[needed] = False
    pool = np.flatnonzero(movable)
    pool = pool[np.argsort(-coming[pool], kind="stable")]
    gone_before = np.cumsum(held[pool]) - held[pool]
    cuts = np.clip(excess - gone_before, 0, held[pool])
    held[pool] -= cuts
    return int(cuts.sum())
