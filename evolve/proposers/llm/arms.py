"""Which model makes which kind of change: the arms of a search with language models, and who draws one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from types import MappingProxyType
from typing import Protocol

from evolve.proposers.llm.models import Model
from evolve.proposers.llm.prompts import Kind

KIND_WEIGHTS: Mapping[Kind, float] = MappingProxyType(
    {Kind.EDIT: 5.0, Kind.REWRITE: 2.0, Kind.CROSSOVER: 2.0, Kind.REPAIR: 1.5}
)
"""How often each kind of change is asked for where it can be, relative to the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """A model and the kind of change that it is asked for."""

    model: Model
    kind: Kind

    @property
    def name(self) -> str:
        """Name in the archive, as the operator that made a candidate."""
        return f"{self.kind.value} by {self.model.name}"


class Arms(Protocol):
    """Draws arms."""

    def choose(self, rng: Random, arms: Sequence[Arm]) -> Arm:
        """Choose one of the arms that are possible now; there is at least one."""


class WeightedArms:
    """Draws by the models' weights and the kinds' weights, whatever came of earlier draws."""

    def __init__(self, kinds: Mapping[Kind, float] = KIND_WEIGHTS) -> None:
        self._kinds = kinds

    def choose(self, rng: Random, arms: Sequence[Arm]) -> Arm:
        """See `Arms`."""
        return rng.choices(arms, [arm.model.weight * self._kinds[arm.kind] for arm in arms])[0]
