"""Makes a program smaller piece by piece, as long as whoever asks says that nothing is lost.

Delta debugging (Zeller and Hildebrandt, Simplifying and Isolating Failure-Inducing Input, IEEE TSE 28, 2002) on a
syntax tree, greedy, the biggest part first: what looks dead, all at once; then steps with the functions that only they
need, runs of statements, branches, operands, arguments. A state machine without a clock, a judge or randomness.
"""

from __future__ import annotations

import ast
from collections import deque
from collections.abc import Callable

from evaluators.model import Evaluation, Outcome
from evaluators.program import ProgramError, parse_program
from evaluators.statistics import paired
from evolve.proposal import ProposalError
from evolve.proposers.operators.cuts import Cut, combined, cuts
from evolve.proposers.operators.idle import count_nodes
from evolve.proposers.operators.source import Program, prune

MARGIN_POINTS = 0.5
"""A simpler program may be worse by this much at most, with 95 % confidence."""

TOLERANCE_POINTS = 0.1
"""And by this much in the mean."""


class Simplifier:
    """Proposes smaller programs one after the other.

    Every program from `next` is smaller than `current` by `size`, passes the screen and has not been tried before. How
    many it takes is for the caller to bound: the first ones save the most.
    A part whose removal failed is tried again only after a whole round in which something else went.
    A program of more than `evolve.proposers.operators.source.MOST_NODES` syntax nodes is left as it is.

    Args:
        source: the program.
        entry: its entry.
        objection: why a program is not worth trying, None where nothing speaks against it; see `Context.objection`.

    Raises:
        ProgramError: the text is not a program.
    """

    def __init__(self, source: str, entry: str, objection: Callable[[str], str | None]) -> None:
        self._entry = entry
        self._objection = objection
        self._program = Program(source)
        self._current = source
        self._size = size(source)
        self._tried = {source}
        self._pending: tuple[str, tuple[str, ...]] | None = None
        self._failed: set[str] = set()
        self._succeeded = False
        self._restart()

    @property
    def current(self) -> str:
        """The smallest program that was kept so far."""
        return self._current

    @property
    def note(self) -> str:
        """What the pending program lacks, in one line; empty where none is pending."""
        return "; ".join(self._pending[1]) if self._pending else ""

    def next(self) -> str | None:
        """A smaller program to be tried, the same until it is told about; None when there is none left.

        It may do the very same as `current`, where only dead parts go.
        """
        while self._pending is None:
            batch = self._batch()
            if not batch:
                if not self._succeeded:
                    return None
                self._succeeded = False
                self._failed.clear()
                self._restart()
                continue
            self._pending = self._made(batch)
        return self._pending[0]

    def tell(self, kept: bool) -> None:
        """Say whether the last program from `next` is as good; if so, it is the current one from now on.

        Raises:
            RuntimeError: no program is waiting for an answer.
        """
        if self._pending is None:
            raise RuntimeError("no simpler program is waiting for an answer; call next() first")
        source, notes = self._pending
        self._pending = None
        if kept:
            self._current, self._size, self._succeeded = source, size(source), True
            self._program = Program(source)
            self._restart()
        else:
            self._failed.update(notes if len(notes) == 1 else ())

    def _restart(self) -> None:
        self._queue = deque([] if self._program.is_large else cuts(self._program, self._entry))
        self._together = True

    def _batch(self) -> list[Cut]:
        """What to cut next: first all that looks dead at once, then one part at a time."""
        if self._together:
            self._together = False
            dead = [cut for cut in self._queue if cut.likely and cut.note not in self._failed]
            if len(dead) > 1:
                return dead
        while self._queue:
            cut = self._queue.popleft()
            if cut.note not in self._failed:
                return [cut]
        return []

    def _made(self, batch: list[Cut]) -> tuple[str, tuple[str, ...]] | None:
        """The program without these parts; None where it is none, not smaller, not screened, or known."""
        try:
            text, applied = combined(self._program, batch)
            source = prune(text, self._entry)
            if source in self._tried or size(source) >= self._size:
                return None
        except (ProgramError, ProposalError):
            return None
        self._tried.add(source)
        return (source, tuple(cut.note for cut in applied)) if self._objection(source) is None else None


def size(source: str) -> int:
    """How many nodes a program's syntax tree has, without docstrings and the nodes that only name an operator.

    Raises:
        ProgramError: the text is not a program.
    """
    return count_nodes(ast.walk(parse_program(source)))


def keeps_the_score(ours: Evaluation, theirs: Evaluation) -> bool:
    """Say whether a simplified program is as good as the original, by their verdicts on the same block.

    Either all shares are equal, or the program is not inferior: the lower end of the 95 % interval of the paired
    difference lies above -`MARGIN_POINTS` and the mean is at least -`TOLERANCE_POINTS` (a one-sided test at 2.5 %;
    Wellek, Testing Statistical Hypotheses of Equivalence and Noninferiority, 2nd edition, section 5.3).

    Args:
        ours: of the simplified program.
        theirs: of the original.

    Raises:
        ValueError: they met different workloads.
    """
    if not Outcome.OK is ours.outcome is theirs.outcome:
        return False
    if (ours.split, ours.block, ours.digest) != (theirs.split, theirs.block, theirs.digest):
        raise ValueError(
            f"only verdicts on the same block compare: {ours.split.value} {ours.block} and "
            f"{theirs.split.value} {theirs.block}"
        )
    if ours.shares == theirs.shares:
        return True
    advantage = paired(ours.shares, theirs.shares, strata=[result.kind for result in ours.workloads])
    return advantage.low > -MARGIN_POINTS and advantage.mean >= -TOLERANCE_POINTS
