"""Draws requests: sessions that grow turn by turn, on shared prompts of unequal popularity, in bursts and drifts.

What is measured in public traces and held to here (tests/evaluators/request_router): mean prompt and answer, and
the share of prompt blocks that an endless cache finds. Mooncake (FAST 2025, table of its traces): conversation 12,035
and 343 tokens, 40 %; tool and agent 8,596 and 182 tokens, 59 %; synthetic (long documents among others) 15,325 and
149 tokens, 66 %.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evaluators.request_router.traffic import BLOCK_TOKENS, Request

TURN_CAP = 40
"""No session has more turns."""

CONTEXT_TOKENS = 128 * 1024
"""A session that would outgrow this ends."""


HASH_STOCK = 4096
"""Block hashes that are drawn at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogNormal:
    """A log-normal law by its median and the standard deviation of its logarithm."""

    median: float
    sigma: float

    def draw(self, rng: np.random.Generator) -> float:
        """One number."""
        return float(self.median * np.exp(self.sigma * rng.standard_normal()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of session.

    Args:
        shared: how many prompts sessions of this kind begin with; 0 where each has its own.
        zipf: exponent of their popularity.
        shared_tokens: length of such a prompt.
        first_tokens: what a session adds to it in its first request.
        turn_tokens: what each further request adds, beside the answer before it.
        output_tokens: length of an answer.
        mean_turns: requests of a session, geometric.
        gap_seconds: from one request of a session to its next.
    """

    shared: int
    zipf: float
    shared_tokens: LogNormal
    first_tokens: LogNormal
    turn_tokens: LogNormal
    output_tokens: LogNormal
    mean_turns: float
    gap_seconds: LogNormal


CONVERSATION = Kind(
    shared=40,
    zipf=1.0,
    shared_tokens=LogNormal(median=900, sigma=0.7),
    first_tokens=LogNormal(median=4500, sigma=1.1),
    turn_tokens=LogNormal(median=2600, sigma=1.1),
    output_tokens=LogNormal(median=280, sigma=0.7),
    mean_turns=1.9,
    gap_seconds=LogNormal(median=20, sigma=0.8),
)
AGENT = Kind(
    shared=16,
    zipf=1.1,
    shared_tokens=LogNormal(median=3000, sigma=0.5),
    first_tokens=LogNormal(median=2000, sigma=1.1),
    turn_tokens=LogNormal(median=1100, sigma=1.1),
    output_tokens=LogNormal(median=110, sigma=1.0),
    mean_turns=1.9,
    gap_seconds=LogNormal(median=4, sigma=0.8),
)
DOCUMENT = Kind(
    shared=600,
    zipf=0.6,
    shared_tokens=LogNormal(median=10000, sigma=0.8),
    first_tokens=LogNormal(median=900, sigma=1.0),
    turn_tokens=LogNormal(median=300, sigma=0.8),
    output_tokens=LogNormal(median=90, sigma=1.0),
    mean_turns=1.6,
    gap_seconds=LogNormal(median=10, sigma=0.8),
)
BATCH = Kind(
    shared=0,
    zipf=1.0,
    shared_tokens=LogNormal(median=1, sigma=0.0),
    first_tokens=LogNormal(median=2500, sigma=1.3),
    turn_tokens=LogNormal(median=1, sigma=0.0),
    output_tokens=LogNormal(median=200, sigma=0.9),
    mean_turns=1.0,
    gap_seconds=LogNormal(median=1, sigma=0.0),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrivals:
    """How the rate of new sessions moves; its mean is what it is scaled to.

    Args:
        burst: rate within a burst, over that outside.
        burst_share: share of the time that is burst.
        burst_seconds: mean length of a burst, exponential.
        swing: amplitude of the slow wave of the rate, as a share.
        churn_seconds: after so long, the popularity of the shared prompts is dealt anew; 0 for never.
    """

    burst: float
    burst_share: float
    burst_seconds: float
    swing: float
    churn_seconds: float


class _Hashes:
    """Random block hashes, so that they say nothing but whether two are equal; drawn in stock, for speed."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._stock: list[int] = []

    def new(self, count: int) -> list[int]:
        """So many new ones."""
        if count > len(self._stock):
            self._stock += self._rng.integers(1, 2**62, size=max(count, HASH_STOCK)).tolist()
        taken = self._stock[len(self._stock) - count :]
        del self._stock[len(self._stock) - count :]
        return taken


@dataclass(slots=True)
class _Prompt:
    """A growing prompt: its length, and the hashes of its full blocks."""

    tokens: int
    full: list[int]

    def grow(self, tokens: int, hashes: _Hashes) -> None:
        self.tokens += tokens
        self.full += hashes.new(self.tokens // BLOCK_TOKENS - len(self.full))

    def blocks(self, hashes: _Hashes) -> tuple[int, ...]:
        """All blocks, the one begun included: it has a hash of its own, for it will be another once it is full."""
        begun = hashes.new(1) if self.tokens % BLOCK_TOKENS else []
        return (*self.full, *begun)


def draw_requests(
    kinds: Sequence[tuple[float, Kind]], arrivals: Arrivals, rate: float, count: int, rng: np.random.Generator
) -> list[Request]:
    """Draw requests in the order of their arrival, from the midst of the traffic.

    Args:
        kinds: kinds of sessions with their share of the requests.
        arrivals: how the rate moves.
        rate: requests a second.
        count: how many requests.
        rng: where all chance comes from.
    """
    span = 1.2 * count / rate + arrivals.burst_seconds
    while len(found := _draw(kinds, arrivals, rate, span, rng)) < count:
        span *= 1.5  # a calm stretch: draw a longer one
    return found[:count]


def _draw(
    kinds: Sequence[tuple[float, Kind]], arrivals: Arrivals, rate: float, span: float, rng: np.random.Generator
) -> list[Request]:
    """All requests of a stretch of so many seconds, in the order of their arrival, after a lead that fills it."""
    hashes = _Hashes(rng)
    lead = max(2 * kind.mean_turns * kind.gap_seconds.median for _, kind in kinds)
    horizon = lead + span
    found: list[Request] = []
    for share, kind in kinds:
        starts = _session_starts(arrivals, share * rate / kind.mean_turns, horizon, rng)
        shared = [_shared_prompt(kind, hashes, rng) for _ in range(kind.shared)]
        for start, prompt in zip(starts, _openings(kind, arrivals, starts, shared, rng), strict=True):
            found += _session(kind, start, prompt, hashes, rng)
    found = [request for request in found if lead <= request.arrival_seconds < horizon]
    return sorted(found, key=lambda request: request.arrival_seconds)


def _session_starts(arrivals: Arrivals, rate: float, horizon: float, rng: np.random.Generator) -> list[float]:
    """Moments of a Poisson process whose rate switches between bursts and calm, on a slow wave, by thinning."""
    calm = 1 / (1 - arrivals.burst_share + arrivals.burst * arrivals.burst_share)
    calm_seconds = arrivals.burst_seconds * (1 - arrivals.burst_share) / max(arrivals.burst_share, 1e-9)
    edges, now, level = [], 0.0, int(rng.random() < arrivals.burst_share)
    first = level
    while now < horizon:
        now += rng.exponential(arrivals.burst_seconds if level else calm_seconds)
        edges.append(now)
        level = 1 - level
    phase, period = rng.random(), horizon * rng.uniform(0.5, 1.0)
    peak = rate * calm * max(1.0, arrivals.burst) * (1 + arrivals.swing)
    moments = np.sort(rng.random(rng.poisson(peak * horizon)) * horizon)
    bursting = (np.searchsorted(edges, moments, side="right") + first) % 2
    wave = 1 + arrivals.swing * np.sin(2 * np.pi * (moments / period + phase))
    local = rate * calm * np.where(bursting, arrivals.burst, 1.0) * wave
    kept: list[float] = moments[rng.random(len(moments)) * peak < local].tolist()
    return kept


def _shared_prompt(kind: Kind, hashes: _Hashes, rng: np.random.Generator) -> _Prompt:
    prompt = _Prompt(tokens=0, full=[])
    prompt.grow(max(1, round(kind.shared_tokens.draw(rng))), hashes)
    return prompt


def _openings(
    kind: Kind, arrivals: Arrivals, starts: Sequence[float], shared: Sequence[_Prompt], rng: np.random.Generator
) -> list[_Prompt]:
    """The prompt that each session begins with; which of them are popular changes now and then."""
    if not shared:
        return [_Prompt(tokens=0, full=[]) for _ in starts]
    weights = np.arange(1, len(shared) + 1) ** -kind.zipf
    ranks = rng.choice(len(shared), size=len(starts), p=weights / weights.sum())
    order, dealt = rng.permutation(len(shared)), 0.0
    chosen = []
    for start, rank in zip(starts, ranks.tolist(), strict=True):
        if arrivals.churn_seconds and start - dealt > arrivals.churn_seconds:
            # Half of the ranks change hands: what was popular stays so here and there.
            moved = rng.permutation(len(shared))[: len(shared) // 2]
            order[moved] = order[rng.permutation(moved)]
            dealt = start
        chosen.append(shared[order[rank]])
    return chosen


def _session(kind: Kind, start: float, opening: _Prompt, hashes: _Hashes, rng: np.random.Generator) -> list[Request]:
    prompt = _Prompt(tokens=opening.tokens, full=list(opening.full))
    prompt.grow(max(1, round(kind.first_tokens.draw(rng))), hashes)
    requests, now = [], start
    for _ in range(min(TURN_CAP, int(rng.geometric(1 / kind.mean_turns)))):
        if prompt.tokens > CONTEXT_TOKENS:
            break
        output = max(1, round(kind.output_tokens.draw(rng)))
        requests.append(
            Request(
                arrival_seconds=now,
                input_tokens=prompt.tokens,
                output_tokens=output,
                blocks=prompt.blocks(hashes),
            )
        )
        prompt.grow(output + max(1, round(kind.turn_tokens.draw(rng))), hashes)
        now += kind.gap_seconds.draw(rng)
    return requests
