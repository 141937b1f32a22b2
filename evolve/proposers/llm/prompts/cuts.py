"""What is left out of a prompt that is too long, in a fixed order, the least useful first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from evolve.brief import Attempt, Brief


@dataclass(frozen=True, slots=True, kw_only=True)
class Cuts:
    """How much is left out.

    Args:
        logs: whether the logs of failed programs are.
        inspirations: how many programs of inspirations are, worst first; their scores stay.
        attempts: how many attempts on this line are, oldest first.
        failures: how many failures are, oldest first.
        best: whether the best program is; its score stays.
    """

    logs: bool = False
    inspirations: int = 0
    attempts: int = 0
    failures: int = 0
    best: bool = False


def steps(brief: Brief, failures: tuple[Attempt, ...]) -> Iterator[Cuts]:
    """From nothing left out to everything that may be. Never the statement, the parent or what is to be repaired."""
    cuts = Cuts()
    yield cuts
    if brief.broken is not None and brief.broken.log:
        cuts = replace(cuts, logs=True)
        yield cuts
    for number in range(1, len(brief.inspirations) + 1):
        cuts = replace(cuts, inspirations=number)
        yield cuts
    for number in range(1, len(brief.line) + 1):
        cuts = replace(cuts, attempts=number)
        yield cuts
    for number in range(1, len(failures) + 1):
        cuts = replace(cuts, failures=number)
        yield cuts
    if brief.best is not None:
        yield replace(cuts, best=True)
