"""Which model makes which kind of change: what a search with language models offers, and what came of a choice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from types import MappingProxyType

from evolve.bandit import arm as bandit
from evolve.proposers.llm.models import Model
from evolve.proposers.llm.prompts import Kind

LLM = "llm"

KIND_WEIGHTS: Mapping[Kind, float] = MappingProxyType(
    {Kind.EDIT: 5.0, Kind.REWRITE: 2.0, Kind.CROSSOVER: 2.0, Kind.REPAIR: 1.5}
)
"""How often each kind of change is asked for at first where it can be, relative to the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """A model and the kind of change that it is asked for."""

    model: Model
    kind: Kind

    @property
    def name(self) -> str:
        """Name in the archive, as the operator that made a candidate."""
        return f"{self.kind.value} by {self.model.name}"

    @property
    def weight(self) -> float:
        """How often it is taken at first, relative to the others."""
        return self.model.weight * KIND_WEIGHTS[self.kind]

    @property
    def pulled(self) -> bandit.Arm:
        """The same for a bandit, selector left open."""
        return bandit.Arm(proposer=LLM, operator=self.kind.value, model=self.model.label)


def offers_of(arms: Sequence[Arm], share: float) -> list[bandit.Offer]:
    """The arms that are possible now for a bandit; ``share`` is the weight of all together."""
    total = sum(arm.weight for arm in arms)
    return [bandit.Offer(arm=arm.pulled, weight=share * arm.weight / total) for arm in arms]


def find(pulled: bandit.Arm | None, possible: Sequence[Arm], rng: Random) -> Arm:
    """The arm that was pulled; where it is not possible any more, another kind of change by that model, or any.

    Args:
        pulled: by a bandit; None draws by weight.
        possible: at least one.
        rng: the only source of randomness.
    """
    if pulled is not None:
        same = [arm for arm in possible if arm.model.label == pulled.model]
        exact = [arm for arm in same if arm.kind.value == pulled.operator]
        possible = exact or same or possible
    return rng.choices(possible, [arm.weight for arm in possible])[0]
