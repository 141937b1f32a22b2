"""What a search asks of its bandit, and what it tells it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Protocol

from db.records import ArmRecord
from evolve.bandit.arm import Arm, Offer


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """The first verdict on the candidate of a pull, and what the pull used.

    Args:
        reward: what it earned, in 0..1; see `evolve.bandit.reward`.
        cost: largest share of any limit of the run that it used, above zero; see `evolve.bandit.costs`.
        seconds: wall time of its evaluation.
        tokens: read and written by language models for this candidate, its refused attempts left out.
        usd: what they cost, in US dollars.
        ok: whether the candidate was measured.
        improved: whether its lower bound lies above its parent's and above a usual candidate's.
    """

    reward: float
    cost: float
    seconds: float = 0.0
    tokens: int = 0
    usd: float = 0.0
    ok: bool = True
    improved: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.reward <= 1:
            raise ValueError(f"the reward of a pull must be in 0..1, not {self.reward}; see Credit.reward")
        if not self.cost > 0:
            raise ValueError(f"the cost of a pull must be above zero, not {self.cost}; see cost_share")


class Bandit(Protocol):
    """Decides which arm makes the next candidate; its state is a function of the calls made to it."""

    def choose(self, rng: Random, offers: Sequence[Offer]) -> Arm:
        """Who is next among those possible now; changes nothing.

        Raises:
            ValueError: nothing is offered, or something with a weight that is not above zero.
        """
        ...

    def pulled(self, arm: Arm) -> None:
        """A draft was handed out, or a stored candidate is taken in again."""
        ...

    def vain(self, arm: Arm, count: int = 1, tokens: int = 0, usd: float = 0.0) -> None:
        """Pulls ended of which no candidate came; tokens and US dollars are those of all ``count``."""
        ...

    def ended(self, arm: Arm, ending: Ending) -> None:
        """The candidate of a pull got its first verdict."""
        ...

    def table(self) -> tuple[ArmRecord, ...]:
        """Every arm ever pulled, in their order."""
        ...
