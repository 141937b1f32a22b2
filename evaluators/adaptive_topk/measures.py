"""Everything that the judge derives from a mask of visits: mass lost by each token, load of the busiest GPU.

A reply is an int8 array ``(tokens, experts)`` of 1 and 0 for one call, its mask the same as bool. The mass of a token
is the sum of its chosen affinities over that of its ``top_k`` largest, so 1 at most. The load of a GPU is the visits to
its experts, in units of what the budget would give it if all were even.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from evaluators.adaptive_topk.streams import Values
from evaluators.replies import Expected, Rule

Mask = NDArray[np.bool_]
Marks = NDArray[np.int8]

TIME_PRICE = 0.05
"""What a step costs that takes twice as long as an even one within the budget, in units of squared mass."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What a call may spend.

    Args:
        tokens: of the call.
        experts: of the layer.
        top_k: most experts of a token.
        visits: most visits of the call: what its buffers hold, and what is left once every later token has one.
    """

    tokens: int
    experts: int
    top_k: int
    visits: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Routed:
    """What one call's visits are worth.

    Args:
        lost: mean over tokens of the squared mass that it lost.
        kept: mean over tokens of the mass.
        peak: visits of the busiest GPU over what the budget would give each.
        visits: visits.
    """

    lost: float
    kept: float
    peak: float
    visits: int

    @property
    def objective(self) -> float:
        """Minus squared mass lost, minus the price of the time by which the busiest GPU exceeds an even one."""
        return -self.lost - TIME_PRICE * (self.peak - 1)


def mask_form(allowance: Allowance) -> Expected:
    """The form of a legal reply."""
    return Expected(
        what="the mask",
        dtype="int8",
        shape=(allowance.tokens, allowance.experts),
        low=0,
        high=1,
        values="marks",
        rules=(
            Rule(name="an expert for every token", fault=_unserved, spoil=_forget),
            Rule(
                name="at most top_k experts for a token",
                fault=partial(_greedy_token, allowance.top_k),
                spoil=partial(_spoil_token, allowance),
            ),
            Rule(
                name="visits within the budget",
                fault=partial(_overspent, allowance.visits),
                spoil=partial(_overspend, allowance),
            ),
        ),
    )


def routed(mass: Values, mask: Mask, gpus: int, even: float) -> Routed:
    """What a legal mask is worth.

    Args:
        mass: ``(tokens, experts)``; see `TokenStream.mass`.
        mask: ``(tokens, experts)``.
        gpus: over which experts are spread evenly, in order.
        even: visits of a GPU if the budget were spent evenly over calls and GPUs.
    """
    kept = np.where(mask, mass, 0).sum(axis=1)
    loads = mask.sum(axis=0).reshape(gpus, -1).sum(axis=1)
    lost = np.maximum(0, 1 - kept)
    return Routed(
        lost=float((lost * lost).mean()),
        kept=float(kept.mean()),
        peak=float(loads.max() / even),
        visits=int(mask.sum()),
    )


def _unserved(marks: Marks) -> str | None:
    visits = marks.sum(axis=1)
    return None if (visits > 0).all() else f"token {int(visits.argmin())} visits no expert"


def _greedy_token(top_k: int, marks: Marks) -> str | None:
    visits = marks.sum(axis=1)
    if (visits <= top_k).all():
        return None
    return f"token {int(visits.argmax())} visits {visits.max()} experts, more than {top_k}"


def _overspent(most: int, marks: Marks) -> str | None:
    visits = int(marks.sum())
    return None if visits <= most else f"{visits} visits, and the call may have {most}"


def _forget(marks: Marks, rng: np.random.Generator) -> Marks:
    """Let one token visit nothing."""
    spoilt = marks.copy()
    spoilt[rng.integers(len(marks))] = 0
    return spoilt


def _spoil_token(allowance: Allowance, marks: Marks, rng: np.random.Generator) -> Marks:
    """Give one token more than it may have, and the others one each."""
    spoilt = np.zeros_like(marks)
    spoilt[np.arange(len(marks)), marks.argmax(axis=1)] = 1
    spoilt[rng.integers(len(marks)), : allowance.top_k + 1] = 1
    return spoilt


def _overspend(allowance: Allowance, marks: Marks, rng: np.random.Generator) -> Marks:
    """Give every token as much as a token may have."""
    del rng
    spoilt = np.zeros_like(marks)
    spoilt[:, : allowance.top_k] = 1
    return spoilt
