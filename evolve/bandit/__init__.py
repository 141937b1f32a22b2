"""Who proposes next: a bandit over proposer, operator, model and selector."""

from __future__ import annotations

from evolve.bandit.arm import Arm, Offer
from evolve.bandit.costs import Limits, cost_share
from evolve.bandit.discounted import DiscountedBandit
from evolve.bandit.fixed import FixedShares
from evolve.bandit.protocol import Bandit, Ending
from evolve.bandit.reward import Credit

__all__ = [
    "Arm",
    "Bandit",
    "Credit",
    "DiscountedBandit",
    "Ending",
    "FixedShares",
    "Limits",
    "Offer",
    "cost_share",
]
