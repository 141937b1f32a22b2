"""Reference and proven bound of a whole stream, by prices of visits: its Lagrangian dual and what that chooses.

Over C calls of T tokens let x be visits, w mass, and D what the budget gives a GPU in a call. The problem is

    maximise  1/C sum over calls of  - 1/T sum over tokens (1 - w.x)^2  - mu (L - 1)
    subject to  load of every GPU <= D L in each call,  all visits <= B,  1 <= visits of a token <= top_k.

Put a price lambda >= 0 on each visit, and in every call prices pi >= 0 on the visits of each GPU, which sum to mu / D
there, so that L drops out. Because (1 - m)^2 is convex, -(1 - m)^2 <= y^2 / 4 - y (1 - m) for every y. What is left of
a token is linear in x: the best is its top_k most gainful experts y w / T - pi - lambda as far as they are positive,
and one in any case. So for any lambda, pi and y

    1/C [ lambda B + sum over calls of mu + sum over tokens of ( y^2 / 4 - y ) / T + best of x ]

bounds J from above. Prices move by the multiplicative and plain subgradient steps, y to 2 (1 - m); the least bound met
counts. Choices at these prices, cut or filled to the budget by their marginal gains, are solutions; the best one met,
its busiest GPUs relieved call by call, is the reference. Whoever uses it has seen the whole stream.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluators.adaptive_topk.measures import TIME_PRICE, Mask, routed
from evaluators.adaptive_topk.relief import relieved
from evaluators.adaptive_topk.streams import TokenStream, Values

PRICES_VERSION = 1
"""Raise with every change of what comes out."""

ROUNDS = 160
"""Steps of the prices."""

REPAIR_EVERY = 8
"""How often a solution is made of the prices."""

STEP = 0.7
"""Of the GPUs' prices, in the exponent; falls with the root of the round."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """What is known of a stream.

    Args:
        reference: J of the best solution met.
        bound: no solution has a larger J.
        masks: that solution, bool ``(calls, tokens, experts)``.
    """

    reference: float
    bound: float
    masks: NDArray[np.bool_]


@dataclass(slots=True)
class _Prices:
    """Dual variables: of a visit, of visits to each GPU ``(calls, gpus)``, and y ``(calls, tokens, 1)``."""

    visit: float
    gpu: Values
    slope: Values


def even_load(stream: TokenStream) -> float:
    """Visits of a GPU in a call if the budget were spent evenly."""
    return stream.visits / (len(stream.calls) * stream.gpus)


def solve(stream: TokenStream) -> Marks:
    """Reference and bound of a stream."""
    mass = stream.mass
    calls, tokens, experts = mass.shape
    total = TIME_PRICE / even_load(stream)
    lost = 1 - stream.budget / stream.top_k
    prices = _Prices(
        visit=lost / (tokens * stream.top_k),
        gpu=np.full((calls, stream.gpus), total / stream.gpus),
        slope=np.full((calls, tokens, 1), 2 * lost),
    )
    scale = prices.visit
    best, bound, masks, visit = -np.inf, np.inf, np.zeros(mass.shape, dtype=bool), 0.0
    for number in range(ROUNDS):
        cost = prices.visit + np.repeat(prices.gpu, experts // stream.gpus, axis=1)[:, None]
        gain = prices.slope * mass / tokens - cost
        chosen = _best_visits(gain, stream.top_k)
        bound = min(bound, _dual(stream, prices, gain, chosen))
        if number % REPAIR_EVERY == REPAIR_EVERY - 1:
            solution = _repaired(stream, chosen, prices)
            value = objective(stream, solution)
            if value > best:
                best, masks, visit = value, solution, prices.visit
        _move(stream, prices, chosen, total, scale, number)
    for price in (visit, visit + total / stream.gpus):
        solution = _relieved(stream, masks, prices, price)
        value = objective(stream, solution)
        if value > best:
            best, masks = value, solution
    return Marks(reference=best, bound=bound + 1e-9, masks=masks)


def _relieved(stream: TokenStream, masks: Mask, prices: _Prices, price: float) -> Mask:
    """Relieve every call's busiest GPUs, and spend what that left over where it is worth most."""
    even = even_load(stream)
    found = np.stack(
        [relieved(mass, mask, stream.gpus, even, price) for mass, mask in zip(stream.mass, masks, strict=True)]
    )
    cost = np.repeat(prices.gpu, masks.shape[2] // stream.gpus, axis=1)[:, None]
    for _ in range(stream.top_k):
        if not _fill(stream, found, cost):
            break
    return found


def objective(stream: TokenStream, masks: Mask) -> float:
    """J of masks for all calls."""
    even = even_load(stream)
    found = [routed(mass, mask, stream.gpus, even).objective for mass, mask in zip(stream.mass, masks, strict=True)]
    return float(np.mean(found))


def _best_visits(gain: Values, top_k: int) -> Mask:
    """The most gainful experts of each token: those above 0, ``top_k`` at most, and one in any case."""
    order = np.argpartition(-gain, top_k - 1, axis=2)[:, :, :top_k]
    values = np.take_along_axis(gain, order, axis=2)
    chosen = np.zeros(gain.shape, dtype=bool)
    np.put_along_axis(chosen, order, values > 0, axis=2)
    np.put_along_axis(chosen, gain.argmax(axis=2)[:, :, None], True, axis=2)
    return chosen


def _dual(stream: TokenStream, prices: _Prices, gain: Values, chosen: Mask) -> float:
    """The bound at these prices."""
    calls, tokens, _ = gain.shape
    slope = prices.slope
    tangents = float((slope * slope / 4 - slope).sum()) / tokens
    visits = float(np.where(chosen, gain, 0).sum())
    return float((prices.visit * stream.visits + calls * TIME_PRICE + tangents + visits) / calls)


def _move(stream: TokenStream, prices: _Prices, chosen: Mask, total: float, scale: float, number: int) -> None:
    """Raise prices of what is asked for too much, lower the others, and follow the tokens' losses."""
    calls = len(chosen)
    pace = 1 / np.sqrt(1 + number / 8)
    loads = chosen.sum(axis=1).reshape(calls, stream.gpus, -1).sum(axis=2)
    excess = loads / np.maximum(loads.mean(axis=1, keepdims=True), 1e-9) - 1
    prices.gpu *= np.exp(STEP * pace * excess)
    prices.gpu *= total / prices.gpu.sum(axis=1, keepdims=True)
    prices.visit = max(0.0, prices.visit + scale * pace * (float(chosen.sum()) / stream.visits - 1))
    kept = np.where(chosen, stream.mass, 0).sum(axis=2, keepdims=True)
    prices.slope += 0.5 * pace * (2 * np.maximum(0, 1 - kept) - prices.slope)


def _repaired(stream: TokenStream, chosen: Mask, prices: _Prices) -> Mask:
    """Cut visits to what calls and stream allow, those of least worth first, then fill with those of most worth."""
    masks = chosen.copy()
    cost = np.repeat(prices.gpu, masks.shape[2] // stream.gpus, axis=1)[:, None]
    for _ in range(stream.top_k):  # one visit of each token at a time: its worth changes with every other
        excess = np.maximum(0, masks.sum(axis=(1, 2)) - stream.most_of_call)
        if not excess.any() and masks.sum() <= stream.visits:
            break
        _cut(stream, masks, cost, excess)
    for _ in range(stream.top_k):
        if not _fill(stream, masks, cost):
            break
    return masks


def _cut(stream: TokenStream, masks: Mask, cost: Values, excess: NDArray[np.int64]) -> None:
    """Take one visit of tokens that have several: in calls that have too many, then anywhere; in place."""
    tokens = masks.shape[1]
    lost = 1 - np.where(masks, stream.mass, 0).sum(axis=2, keepdims=True)
    worth = np.where(masks, stream.mass * (2 * lost + stream.mass) / tokens - cost, np.inf)
    place = worth.argmin(axis=2)
    least = np.where(masks.sum(axis=2) > 1, worth.min(axis=2), np.inf)
    for call in np.flatnonzero(excess):
        for token in np.argsort(least[call], kind="stable")[: excess[call]]:
            if np.isfinite(least[call, token]):
                masks[call, token, place[call, token]] = False
                least[call, token] = np.inf
    over = int(masks.sum()) - stream.visits
    for pick in np.argsort(least, axis=None, kind="stable")[: max(0, over)]:
        call, token = divmod(int(pick), tokens)
        if np.isfinite(least[call, token]):
            masks[call, token, place[call, token]] = False


def _fill(stream: TokenStream, masks: Mask, cost: Values) -> bool:
    """Give tokens the visit of most worth where budget, call and token have room, in place; whether any was given."""
    tokens = masks.shape[1]
    left = stream.visits - int(masks.sum())
    room = stream.most_of_call - masks.sum(axis=(1, 2))
    lost = 1 - np.where(masks, stream.mass, 0).sum(axis=2, keepdims=True)
    worth = np.where(masks, -np.inf, stream.mass * (2 * lost - stream.mass) / tokens - cost)
    place = worth.argmax(axis=2)
    most = np.where(masks.sum(axis=2) < stream.top_k, worth.max(axis=2), -np.inf)
    given = False
    for pick in np.argsort(-most, axis=None, kind="stable"):
        call, token = divmod(int(pick), tokens)
        if left <= 0 or most[call, token] <= 0:
            break
        if room[call] > 0:
            masks[call, token, place[call, token]] = True
            room[call] -= 1
            left -= 1
            given = True
    return given
