"""Selectors: who becomes a parent. One small file each, no storage inside, one protocol."""

from __future__ import annotations

from evolve.selectors.adaptive import Adaptive
from evolve.selectors.best_of_n import BestOfN
from evolve.selectors.protocol import Choice, Member, Selector

SELECTORS: dict[str, type[Adaptive] | type[BestOfN]] = {"adaptive": Adaptive, "best_of_n": BestOfN}

__all__ = ["SELECTORS", "Adaptive", "BestOfN", "Choice", "Member", "Selector"]
