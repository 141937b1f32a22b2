"""Everything that the judge derives from a choice of experts: what gate mass each token keeps.

A choice is an int32 array ``(budget,)`` of different experts of the block. A token keeps the gate weights of its chosen
experts, over the sum of all its gate weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluators.block_coreset.blocks import TokenBlock, Values
from evaluators.replies import Expected, Rule

Choice = NDArray[np.int32]

LOW_SHARE = 20
"""The 5th percentile of n tokens is the one at rank n / 20, rounded up: the lowest of 20, the second of 21 to 40."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Gate mass that the tokens of a block keep, as shares of what they had.

    Args:
        mean: over tokens.
        low: the 5th percentile over tokens.
    """

    mean: float
    low: float

    @property
    def objective(self) -> float:
        """Mean plus 5th percentile, 0..2."""
        return self.mean + self.low


def choice_form(block: TokenBlock, experts: NDArray[np.int32]) -> Expected:
    """The form of a legal choice: as many different experts as the budget allows, all of them the block's.

    Args:
        block: what is chosen for.
        experts: the different experts of the block, rising.
    """
    return Expected(
        what="the choice",
        dtype="int32",
        shape=(block.budget,),
        values="experts",
        rules=(
            Rule(name="no expert twice", fault=_repeated, spoil=_repeat),
            Rule(name="experts of the block", fault=partial(_foreign, experts), spoil=partial(_stray, experts)),
        ),
    )


def rank(tokens: int) -> int:
    """Which of so many tokens, counted from 1 at the lowest, is the 5th percentile."""
    return -(-tokens // LOW_SHARE)


def kept(mass: Values, chosen: NDArray[np.bool_] | NDArray[np.integer[Any]]) -> Kept:
    """What a choice keeps.

    Args:
        mass: ``(tokens, distinct)``, see `TokenBlock.table`.
        chosen: columns of it, by number or as a mask.
    """
    held = mass[:, chosen].sum(axis=1)
    place = rank(len(held)) - 1
    return Kept(mean=float(held.mean()), low=float(np.partition(held, place)[place]))


def columns(experts: NDArray[np.int32], choice: Choice) -> NDArray[np.bool_]:
    """Which of a block's experts are chosen, ``(distinct,)``."""
    return np.isin(experts, choice)


def _repeated(choice: Choice) -> str | None:
    values, counts = np.unique(choice, return_counts=True)
    if (counts <= 1).all():
        return None
    return f"expert {values[counts.argmax()]} is chosen {counts.max()} times"


def _foreign(experts: NDArray[np.int32], choice: Choice) -> str | None:
    strange = choice[~np.isin(choice, experts)]
    return f"no token of the block chose expert {strange[0]}" if strange.size else None


def _repeat(choice: Choice, rng: np.random.Generator) -> Choice:
    """Choose one expert twice and another not at all; an expert alone becomes two."""
    if choice.size < 2:
        return np.repeat(choice, 2)
    spoilt = choice.copy()
    to, source = rng.choice(choice.size, size=2, replace=False)
    spoilt[to] = spoilt[source]
    return spoilt


def _stray(experts: NDArray[np.int32], choice: Choice, rng: np.random.Generator) -> Choice:
    """Choose an expert that the block does not have."""
    spoilt = choice.copy()
    spoilt[rng.integers(choice.size)] = int(experts.max()) + 1 + int(rng.integers(4))
    return spoilt
