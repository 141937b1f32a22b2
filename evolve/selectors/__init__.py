"""Selectors: who becomes a parent. One small file each, no storage inside, one protocol."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from evolve.selectors.adaptive import Adaptive
from evolve.selectors.beam import Beam
from evolve.selectors.best_of_n import BestOfN
from evolve.selectors.pareto import Pareto
from evolve.selectors.protocol import Choice, Member, Selector
from evolve.selectors.sequential import Sequential

SELECTORS: Mapping[str, Callable[[], Selector]] = MappingProxyType(
    {
        "adaptive": Adaptive,
        "pareto": Pareto,
        "beam": Beam,
        "sequential": Sequential,
        "best_of_n": BestOfN,
    }
)

__all__ = ["SELECTORS", "Adaptive", "Beam", "BestOfN", "Choice", "Member", "Pareto", "Selector", "Sequential"]
