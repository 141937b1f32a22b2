"""What an operator is given and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from evaluators.program import ProgramError
from evolve.proposal import Material, ProposalError
from evolve.proposers.operators.kinds import Kinds, kinds_of
from evolve.proposers.operators.source import Edit, Program


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A parent to change, and programs to take from; `entry` and its optional parameters as in `Context`.

    `parse` may remember programs that it has met: they do not change.
    """

    parent: Program
    donors: Sequence[Material]
    entry: str
    optional_parameters: frozenset[str]
    rng: Random
    parse: Callable[[str], Program] = Program

    @property
    def kinds(self) -> Kinds:
        """What the parent's expressions are."""
        return kinds_of(self.parent, self.entry)

    def draw_donor(self) -> tuple[Material, Program]:
        """Choose a program to take something from.

        Raises:
            ProposalError: there is none, or the one chosen does not parse.
        """
        if not self.donors:
            raise ProposalError("no other program to take from")
        material = self.rng.choice(self.donors)
        try:
            return material, self.parse(material.source)
        except ProgramError as error:
            raise ProposalError(f"program {material.number} does not parse: {error}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A changed program: its text, the operator's name, one line on the change, the donors' numbers.

    `may_orphan` tells whether definitions may be left that nothing refers to any more.
    """

    source: str
    operator: str
    note: str
    donors: tuple[int, ...] = ()
    may_orphan: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One of the changes that an operator could make: edits to the parent, and how likely it should be."""

    weight: float
    edits: tuple[Edit, ...]
    note: str


Operator = Callable[[Task], Change]


def draw(rng: Random, options: Sequence[Option], what: str) -> Option:
    """Choose by weight; where all weights together are below 1, mostly nothing, as all options are risky then.

    Raises:
        ProposalError: there is nothing to choose from, or nothing was chosen.
    """
    if not options or rng.random() > sum(option.weight for option in options):
        raise ProposalError(f"the program has no {what}")
    return rng.choices(options, [option.weight for option in options])[0]


def one_line(text: str, limit: int = 60) -> str:
    """Shorten a piece of program to one line for a note."""
    flat = " ".join(text.split())
    return flat if len(flat) <= limit else f"{flat[: limit - 3]}..."
