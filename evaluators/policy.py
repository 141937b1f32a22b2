"""What problems of policies have in common: facts, statement and seeds from a folder, a digest of what scores mean."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import seeds
from evaluators.digests import facts_digest
from evaluators.model import Split
from evaluators.problem import Declaration, Guest, Measured, Problem, Relation
from seeds import Seed

POLICY_IMPORTS = frozenset({"numpy", "math", "heapq", "itertools", "functools", "collections"})
"""What a policy may import unless its problem says otherwise."""


class PolicyProblem(ABC):
    """A `Problem` whose statement and starting programs are files, to be completed by what is measured.

    Args:
        declaration: the fixed facts.
        folder: holds ``statement.md``, the seeds, one program a file, and the folder ``export`` (see `seeds`).
        facts: all numbers and digests that decide what a score means, by name; they are digested.
        marks: seeds that scores are read against beside the baseline: their text is digested too.
    """

    relations: tuple[Relation, ...] = ()
    """Metamorphic relations; see `Problem.relations`."""

    def __init__(
        self, declaration: Declaration, folder: Path, facts: Mapping[str, object], marks: Sequence[str] = ()
    ) -> None:
        self._declaration = declaration
        self._folder = folder
        self._facts = dict(facts)
        self._marks = (declaration.baseline, *marks)

    @property
    def declaration(self) -> Declaration:
        """The fixed facts."""
        return self._declaration

    @property
    def folder(self) -> Path:
        """Holds ``statement.md``, the seeds, and in ``export`` what goes beside an exported program."""
        return self._folder

    @cached_property
    def statement(self) -> str:
        """What a proposer is told."""
        return seeds.read_statement(self._folder)

    @cached_property
    def seeds(self) -> tuple[Seed, ...]:
        """Starting programs, the baseline among them."""
        return seeds.read_seeds(self._folder)

    @cached_property
    def digest(self) -> str:
        """Digest of the workloads' definition with the constants and the programs that a score is read against."""
        texts = [seed.source for seed in self.seeds if seed.name in self._marks]
        facts = {"problem": self._declaration.name, **self._facts, "marks": texts}
        return facts_digest(facts)

    @abstractmethod
    def workloads(self, split: Split, seed: bytes) -> Sequence[Any]:
        """Draw a block of workloads, the cheapest first; a function of its arguments alone."""

    @abstractmethod
    def play(self, workload: Any, guest: Guest) -> Measured:
        """Let a program meet a workload and measure it, checking every reply; see `Problem.play`."""

    @abstractmethod
    def reference_objective(self, workload: Any, open_seed: Callable[[str], Guest]) -> float:
        """J of the reference (score 100); see `Problem.reference_objective`."""

    @abstractmethod
    def ceiling(self, workload: Any) -> float:
        """A proven upper bound of J on this workload; see `Problem.ceiling`."""


def _is_a_problem(problem: PolicyProblem) -> Problem:
    """Never called: it has the type checker hold the two to each other."""
    return problem
