"""An arm of a search: who writes the next program, how, and from whom."""

from __future__ import annotations

from dataclasses import dataclass

from db.records import ArmKey


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Arm:
    """One way to come by the next candidate.

    Args:
        proposer: who writes, such as ``"operators"``, ``"llm"`` or ``"tuner"``.
        operator: the kind of change that is asked for, such as ``"graft"`` or ``"rewrite"``; empty for any.
        model: the language model, as the archive names it; empty where none is asked.
        selector: who chooses the parent, such as ``"adaptive"``.
    """

    proposer: str
    operator: str = ""
    model: str = ""
    selector: str = ""

    @property
    def key(self) -> ArmKey:
        """As the archive keeps it."""
        return self.proposer, self.operator, self.model, self.selector

    @classmethod
    def of(cls, key: ArmKey) -> Arm:
        """As the archive kept it."""
        proposer, operator, model, selector = key
        return cls(proposer=proposer, operator=operator, model=model, selector=selector)

    @property
    def name(self) -> str:
        """Name in the archive: its parts, with the empty ones left out."""
        return " ".join(part for part in (self.proposer, self.operator, self.model, self.selector) if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """An arm that may be pulled, and how much is expected of it before anything is known.

    Args:
        arm: the arm.
        weight: its share of the first pulls, relative to the other offers; above zero.
    """

    arm: Arm
    weight: float = 1.0
