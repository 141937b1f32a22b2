"""The trusted simulator: a cache of experts, one link that fills it, and a clock.

Rules. When a layer's router has decided, the experts that it needs and that are not cached are loaded one after the
other; the GPU waits for all of them (stall), then computes. While it computes, the link fetches ahead what the policy
wants, one expert at a time. A transfer that has begun is finished before anything else is loaded, so one that nobody
needs delays those who do; what had not begun is forgotten. Room is made when a transfer begins, by dropping the cached
experts of the lowest value; those of the layer at work never leave. Where a layer alone needs more than the cache
holds, it gets it for as long as it computes, and everything else leaves.

Without prefetching this is the replay that BigMoeOnEdge publishes figures for (github.com/Helldez/BigMoeOnEdge,
docs/bench-data): a lookup for every different expert of a visit, eviction after the visit's own loads.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluators.expert_cache.session import Mask, Session, Visit

Value = NDArray[np.floating]
State = NDArray[np.int8]

CACHED, COMING = 1, 2
"""How a state tells an expert that is on the GPU, and one whose transfer is under way; 0 is in host memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What one visit cost.

    Args:
        needed: different experts that the layer needed.
        hits: how many of them were cached when its router decided.
        stall_seconds: how long the GPU waited.
        loaded_bytes: what was transferred because of the visit, on demand and ahead.
    """

    needed: int
    hits: int
    stall_seconds: float
    loaded_bytes: int


class ExpertCache:
    """A session's cache, link and clock, as they go.

    Args:
        session: the machine and what it holds at first; whose visits are then served in order.
    """

    def __init__(self, session: Session) -> None:
        self._bytes = np.repeat(session.expert_bytes, session.experts)
        self._seconds = self._bytes / session.link_bytes_per_second
        self._least_bytes = int(session.expert_bytes.min())
        self._least_seconds = self._least_bytes / session.link_bytes_per_second
        self._capacity = session.capacity_bytes
        self._experts = session.experts
        self._cached = session.cached.ravel().copy()
        self._used = int(self._bytes[self._cached].sum())
        self._last_use = np.zeros(len(self._bytes), dtype=np.int64)
        self._uses = 0
        self._clock = 0.0
        self._coming = -1
        self._coming_until = 0.0

    @property
    def state(self) -> State:
        """``(layers, experts)``: 1 for cached, 2 for on its way, 0 for neither."""
        state = self._cached.astype(np.int8)
        if self._coming >= 0:
            state[self._coming] = COMING
        return state.reshape(-1, self._experts)

    def serve(self, visit: Visit, needed: NDArray[np.int64], value: Value) -> Served:
        """Load what a visit needs, wait for it, compute, and fetch ahead meanwhile.

        Args:
            visit: the session's next one.
            needed: its different experts, numbered through.
            value: ``(layers, experts)``, the policy's reply. Of the cached experts those of the lowest value leave
                first, among equals the one not used for longest. Of those that were not cached when the policy replied,
                the ones with a value above 0 are fetched ahead, the highest first, as long as they are worth more than
                the least of the cached ones that may leave, and enough such ones can make room.
        """
        worth = np.asarray(value, dtype=np.float64).ravel()
        absent = ~self._cached
        missing = needed[~self._cached[needed]]
        hits = len(needed) - len(missing)
        began = self._clock
        if self._coming >= 0 and len(missing):
            self._clock = max(self._clock, self._coming_until)
            missing = missing[missing != self._coming]
            self._land()
        loaded = self._load(missing, needed, worth)
        self._touch(visit)
        stall = self._clock - began
        loaded += self._fetch_ahead(self._clock + visit.compute_seconds, needed, worth, absent)
        return Served(needed=len(needed), hits=hits, stall_seconds=stall, loaded_bytes=loaded)

    def _load(self, missing: NDArray[np.int64], needed: NDArray[np.int64], worth: Value) -> int:
        """Load on demand, and give back what a layer before had beyond the capacity; returns the bytes."""
        total = int(self._bytes[missing].sum())
        excess = self._used + total - self._capacity
        if excess > 0:
            for victim in self._victims(needed, worth, excess):
                if excess <= 0:
                    break
                excess -= self._drop(victim)
        self._cached[missing] = True
        self._used += total
        self._clock += float(self._seconds[missing].sum())
        return total

    def _fetch_ahead(self, until: float, needed: NDArray[np.int64], worth: Value, absent: Mask) -> int:
        """Advance the clock to the next router's decision, and use the link meanwhile; returns the bytes."""
        if self._coming >= 0 and self._coming_until <= until:
            free_at = self._coming_until
            self._land()
        else:
            free_at = self._coming_until if self._coming >= 0 else self._clock
        free_at = max(free_at, self._clock)
        self._clock = until
        if free_at >= until:
            return 0
        wanted = np.flatnonzero((worth > 0) & absent & ~self._cached)
        if not len(wanted):
            return 0
        most = int((until - free_at) / self._least_seconds) + 1
        wanted = wanted[_lowest(-worth[wanted], most)][:most]
        excess = int(self._bytes[wanted].sum()) + self._used - self._capacity
        victims = self._victims(needed, worth, max(1, excess))
        loaded = 0
        for expert in wanted.tolist():
            if free_at >= until or not self._make_room(int(self._bytes[expert]), victims, worth, worth[expert]):
                break
            size = int(self._bytes[expert])
            self._used += size
            loaded += size
            free_at += float(self._seconds[expert])
            self._coming, self._coming_until = expert, free_at
            if free_at <= until:
                self._land()
        return loaded

    def _make_room(self, size: int, victims: list[int], worth: Value, limit: float) -> bool:
        """Drop the first few victims, all of lower value than the limit; none where they are not enough.

        Also where there is room, nothing is worth a transfer that is not worth more than the least of what is there.
        """
        if victims and worth[victims[0]] >= limit:
            return False
        excess = self._used + size - self._capacity
        count = 0
        while excess > 0:
            if count == len(victims) or worth[victims[count]] >= limit:
                return False
            excess -= int(self._bytes[victims[count]])
            count += 1
        for victim in victims[:count]:
            self._drop(victim)
        del victims[:count]
        return True

    def _victims(self, needed: NDArray[np.int64], worth: Value, excess: int) -> list[int]:
        """Cached experts that may leave, the first to go first, at least as many as so many bytes may take."""
        if excess <= 0:
            return []
        movable = self._cached.copy()
        movable[needed] = False
        pool = np.flatnonzero(movable)
        pool = pool[np.argsort(self._last_use[pool], kind="stable")]
        order: list[int] = pool[_lowest(worth[pool], math.ceil(excess / self._least_bytes))].tolist()
        return order

    def _drop(self, expert: int) -> int:
        size = int(self._bytes[expert])
        self._cached[expert] = False
        self._used -= size
        return size

    def _land(self) -> None:
        """The expert on its way has arrived."""
        self._cached[self._coming] = True
        self._coming = -1

    def _touch(self, visit: Visit) -> None:
        """Note the order of use: token by token, in the order of the ids, the last use counts."""
        ids = visit.ids.ravel()
        self._last_use[visit.layer * self._experts + ids] = self._uses + 1 + np.arange(len(ids))
        self._uses += len(ids)


def _lowest(values: Value, count: int) -> NDArray[np.int64]:
    """Places of the lowest values, rising, at least so many of them; equal ones keep their order."""
    places = np.arange(len(values))
    if count < len(values):
        places = np.flatnonzero(values <= np.partition(values, count - 1)[count - 1])
    return places[np.argsort(values[places], kind="stable")]
