"""The accounts of one arm."""

from __future__ import annotations

from dataclasses import dataclass

from db.records import ArmRecord
from evolve.bandit.arm import Arm
from evolve.bandit.protocol import Ending


@dataclass(slots=True, kw_only=True)
class Account:
    """Plain counts of an arm, and discounted sums over its verdicts and vain pulls.

    Args:
        weight: discounted number of candidates.
        earned: discounted sum of rewards.
        vain_pulls: discounted number of pulls of which no candidate came.
        spent: discounted sum of shares of the budget that candidates used.
        wasted: the same of pulls of which no candidate came.
    """

    pulls: int = 0
    in_flight: int = 0
    candidates: int = 0
    ok: int = 0
    improved: int = 0
    seconds: float = 0.0
    tokens: int = 0
    usd: float = 0.0
    weight: float = 0.0
    vain_pulls: float = 0.0
    earned: float = 0.0
    spent: float = 0.0
    wasted: float = 0.0

    def pulled(self) -> None:
        """One more is under way."""
        self.pulls += 1
        self.in_flight += 1

    def vain(self, count: int, tokens: int, usd: float, cost: float) -> None:
        """``count`` of them ended without a candidate and used ``cost`` of the budget together, besides their time."""
        self.in_flight = max(0, self.in_flight - count)
        self.tokens += tokens
        self.usd += usd
        self.vain_pulls += count
        self.wasted += cost

    def ended(self, ending: Ending) -> None:
        """One of them got a verdict."""
        self.in_flight = max(0, self.in_flight - 1)
        self.candidates += 1
        self.ok += ending.ok
        self.improved += ending.improved
        self.seconds += ending.seconds
        self.tokens += ending.tokens
        self.usd += ending.usd
        self.weight += 1.0
        self.earned += ending.reward
        self.spent += ending.cost

    def fade(self, discount: float) -> None:
        """What was learned so far counts ``discount`` of what it did."""
        self.weight *= discount
        self.vain_pulls *= discount
        self.earned *= discount
        self.spent *= discount
        self.wasted *= discount

    def state(self, arm: Arm, index: float) -> ArmRecord:
        """For the archive and for people."""
        return ArmRecord(
            arm=arm.key,
            pulls=self.pulls,
            in_flight=self.in_flight,
            candidates=self.candidates,
            ok=self.ok,
            improved=self.improved,
            weight=self.weight,
            reward=self.earned / self.weight if self.weight else 0.0,
            cost=(self.spent + self.wasted) / self.weight if self.weight else 0.0,
            seconds=self.seconds,
            tokens=self.tokens,
            usd=self.usd,
            index=index,
        )
