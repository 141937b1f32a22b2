"""What selection hands to a proposer, and what a proposer hands back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Protocol

from evaluators.screen import screen


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
        template: a program whose text must stay outside the regions that it marks; None where all may change.
        repeats: whether a program is in the run already, however it is written; may be asked from any thread.
    """

    statement: str
    entry: str
    parameters: tuple[str, ...]
    optional_parameters: frozenset[str]
    allowed_imports: frozenset[str]
    seeds: Sequence[Material]
    rng: Random
    template: str | None = None
    repeats: Callable[[str], bool] = lambda _: False

    def objection(self, source: str) -> str | None:
        """Why a program is not worth judging, in one sentence; None when nothing speaks against it."""
        return screen(
            source,
            entry=self.entry,
            parameters=self.parameters,
            allowed_imports=self.allowed_imports,
            template=self.template,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A new program.

    Args:
        source: its text.
        proposer: who wrote it, as the archive names it, such as ``"operators"`` or ``"llm"``.
        operator: how it was made, such as ``"crossover"``.
        parents: numbers of the candidates it was made of, the main parent first.
        note: the change in one line.
    """

    source: str
    proposer: str
    operator: str
    parents: tuple[int, ...]
    note: str = ""


class Proposer(Protocol):
    """Writes candidate programs at once, one after the other; `evolve.desk` has what takes its time."""

    @property
    def name(self) -> str:
        """Name in the archive, such as ``"operators"``."""

    def propose(self, selection: Selection, context: Context) -> Proposal:
        """Write one program.

        Raises:
            ProposalError: nothing could be made of this selection.
        """
