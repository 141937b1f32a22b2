"""Which parts a run's search is made of, by its settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evolve.bandit.costs import Limits
from evolve.bandit.discounted import DiscountedBandit
from evolve.bandit.fixed import FixedShares
from evolve.config import budget_of, left_out
from evolve.novelty import Novelty
from evolve.parts import Parts
from evolve.proposers.tuner.tuner import Tuner
from evolve.racing import Racing
from evolve.repeats import Repeats
from evolve.selectors import SELECTORS, Adaptive, Selector
from evolve.steering import Steering


def make_steering(settings: Mapping[str, Any]) -> Steering:
    """Selectors and bandit of a run."""
    out = left_out(settings)
    selectors: dict[str, Selector] = {
        name: Adaptive(islands=1) if name == "adaptive" and "islands" in out else SELECTORS[name]()
        for name in settings["selector"].split(",")
    }
    limits = Limits.of(budget_of(settings), settings["workers"] or 1)
    return Steering(selectors, FixedShares() if "bandit" in out else DiscountedBandit(limits), limits)


def make_parts(settings: Mapping[str, Any]) -> Parts:
    """What else the search of a run is made of."""
    out = left_out(settings)
    return Parts(
        # A replay judges what was judged, whatever its neighbours are this time.
        novelty=None if "novelty" in out or settings["proposer"] == "replay" else Novelty(),
        racing=None if "racing" in out else Racing(),
        repeats=None if "repeats" in out else Repeats(),
    )


def make_tuner(settings: Mapping[str, Any], entry: str) -> Tuner | None:
    """Who tunes marked constants; it learns in a replay too, for it says whom a tuned program races."""
    return None if "tuner" in left_out(settings) else Tuner(entry=entry)
