"""What selection hands to a proposer, and what a proposer hands back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Protocol


class ProposalError(RuntimeError):
    """A proposer found nothing to propose for this selection; another attempt may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """A program that a proposer may build on: its number in the run, its text, its seed name or operator."""

    number: int
    source: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What a selector chose: the parent, and further programs to learn from, worst first."""

    parent: Material
    inspirations: tuple[Material, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a proposer may know of the problem.

    Args:
        statement: what is asked, for a reader.
        entry: name of the function that a candidate must define.
        parameters: names of the entry's parameters, in order.
        optional_parameters: those of them that can be None.
        allowed_imports: modules that a candidate may import.
        seeds: the unmodified starting programs of this run.
        rng: the only source of randomness; derived from run seed, candidate number and attempt.
    """

    statement: str
    entry: str
    parameters: tuple[str, ...]
    optional_parameters: frozenset[str]
    allowed_imports: frozenset[str]
    seeds: Sequence[Material]
    rng: Random


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A new program: its text, how it was made, of what (main parent first), and the change in one line."""

    source: str
    operator: str
    parents: tuple[int, ...]
    note: str = ""


class Proposer(Protocol):
    """Writes candidate programs."""

    @property
    def name(self) -> str:
        """Name in the archive, such as ``"operators"``."""

    def propose(self, selection: Selection, context: Context) -> Proposal:
        """Write one program.

        Raises:
            ProposalError: nothing could be made of this selection.
        """
