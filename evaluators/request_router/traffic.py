"""Values: requests, a fleet of serving instances, and one workload of both."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BLOCK_TOKENS = 512
"""Tokens of one block of the prefix cache, as in the request traces of Mooncake (FAST 2025)."""

Blocks = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request.

    Args:
        arrival_seconds: when it reaches the router.
        input_tokens: length of its prompt.
        output_tokens: how many tokens it will generate; nobody knows before they are there.
        blocks: hashes of its prompt's blocks, each over everything up to the end of that block, so that equal hashes
            mean equal prefixes; one for every `BLOCK_TOKENS` tokens begun.
    """

    arrival_seconds: float
    input_tokens: int
    output_tokens: int
    blocks: Blocks

    def hashes(self) -> NDArray[np.int64]:
        """The blocks as a router is given them, ``(blocks,)``."""
        return np.array(self.blocks, dtype=np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What serving costs at speed 1.

    Reading ``u`` of ``n`` prompt tokens anew takes ``fixed + linear * u + quadratic * u * (n - u / 2)`` seconds: the
    projections cost the same for each token, attention one unit for each pair of a new token and one before it.

    Args:
        fixed: seconds for each prompt.
        linear: seconds for each token that is not cached.
        quadratic: seconds for each pair of tokens.
        interference: by how much each decoding request slows down a prefill, as a share.
        step: seconds for a decoding step.
        step_request: seconds more for each request in the step.
    """

    fixed: float
    linear: float
    quadratic: float
    interference: float
    step: float
    step_request: float

    def for_reading(self) -> NDArray[np.float64]:
        """Fixed, linear and quadratic cost and interference, ``(4,)``: what a router is told."""
        return np.array([self.fixed, self.linear, self.quadratic, self.interference])

    def prefill_seconds(self, input_tokens: int, cached_blocks: int) -> float:
        """Seconds at speed 1 and with nothing decoding; the last token is read in any case."""
        new = input_tokens - min(cached_blocks * BLOCK_TOKENS, input_tokens - 1)
        return self.fixed + self.linear * new + self.quadratic * new * (input_tokens - new / 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Speeds:
    """How fast one instance works, in pieces.

    Args:
        starts: seconds at which each piece begins, rising, the first at 0.
        factors: speed in each piece; 0 means that it is down, and it comes back with an empty cache. The last is
            above 0.
    """

    starts: tuple[float, ...] = (0.0,)
    factors: tuple[float, ...] = (1.0,)

    def __post_init__(self) -> None:
        """Refuse pieces that do not cover all time."""
        rising = all(a < b for a, b in zip(self.starts, self.starts[1:], strict=False))
        if len(self.starts) != len(self.factors) or self.starts[0] != 0 or not rising:
            raise ValueError(f"speeds need one factor for each start, the first at 0 and rising, got {self}")
        if min(self.factors) < 0 or self.factors[-1] <= 0:
            raise ValueError(f"speeds must not be negative and the last above 0, got {self}")

    def finish(self, start_seconds: float, work_seconds: float) -> float:
        """When work that takes so long at speed 1 is done."""
        last = len(self.starts) - 1
        now, left = start_seconds, work_seconds
        for piece, factor in enumerate(self.factors):
            if piece == last:
                return now + left / factor
            end = self.starts[piece + 1]
            if now >= end:
                continue
            if factor * (end - now) >= left > 0:
                return now + left / factor
            left -= factor * (end - now)
            now = end
        raise AssertionError("the last piece has no end")

    def up_from(self, seconds: float) -> float:
        """The first moment from this one on at which it is not down."""
        for piece in range(len(self.starts) - 1):
            if self.factors[piece] == 0 and self.starts[piece] <= seconds < self.starts[piece + 1]:
                seconds = self.starts[piece + 1]
        return seconds

    @property
    def restarts(self) -> tuple[float, ...]:
        """Moments at which it comes back with an empty cache."""
        pairs = zip(self.factors, self.starts[1:], strict=False)
        return tuple(start for factor, start in pairs if factor == 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """A workload: requests that meet a fleet.

    Args:
        name: unique within its block.
        stratum: the law that it was drawn from.
        requests: in the order of their arrival.
        warm_requests: how many of the first are served and not scored.
        stretches: into how many equal parts the scored requests are divided for the error of the score.
        fleet: one entry for each instance.
        cache_blocks: capacity of an instance's prefix cache.
        costs: what serving costs.
        objective_seconds: time to first token that counts as good.
        view_seconds: how often the router's view of the instances is renewed.
    """

    name: str
    stratum: str
    requests: tuple[Request, ...]
    warm_requests: int
    stretches: int
    fleet: tuple[Speeds, ...]
    cache_blocks: int
    costs: Costs
    objective_seconds: float
    view_seconds: float

    def __post_init__(self) -> None:
        """Refuse scored requests that do not divide evenly, or fewer than two stretches."""
        scored = len(self.requests) - self.warm_requests
        if self.stretches < 2 or scored < self.stretches or scored % self.stretches:
            raise ValueError(f"traffic {self.name}: {scored} scored requests do not make {self.stretches} equal parts")

    @property
    def scored(self) -> tuple[Request, ...]:
        """The requests that are scored."""
        return self.requests[self.warm_requests :]

    @property
    def arrivals(self) -> NDArray[np.float64]:
        """Arrival of every request in seconds."""
        return np.array([request.arrival_seconds for request in self.requests])
