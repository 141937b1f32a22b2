"""A program that is timed against the baseline: three sandboxes on one processor, called in turn."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import numpy as np

from evaluators.guest import SandboxGuest
from evaluators.model import EvaluatorError
from evaluators.problem import Clock, Declaration, Draw, Draws, RefusedError
from evaluators.replies import Expected
from evaluators.timing import Plan, Players, Timing, compare
from sandbox import Sandbox, Session

# A reply of the right form that costs nothing to make; made while the program loads, which is not timed.
_EMPTY = """import numpy

REPLY = numpy.zeros({shape}, {dtype!r})


def {entry}(**arguments):
    return REPLY
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """What a comparison needs beside the program.

    Args:
        opponents: the programs that it is compared with.
        rng: decides on warm-up and order; seeded from the run's secret.
        plan: how long to go on.
    """

    opponents: Opponents
    rng: np.random.Generator
    plan: Plan


class TimedGuest(SandboxGuest):
    """A program in a sandbox that can be compared with the baseline.

    Args:
        session: the program.
        clock: the judge's.
        off: names of checks that an audit has switched off.
        contest: what it is compared with, and how.
    """

    def __init__(self, session: Session, clock: Clock, off: frozenset[str], *, contest: Contest) -> None:
        super().__init__(session, clock, off)
        self._contest = contest

    def compare(self, draws: Draws, timeout_seconds: float) -> Timing:
        """See `evaluators.problem.Guest`."""
        first = draws(0)
        fresh = _Fresh(first.expected)

        def draw(number: int) -> Draw:
            return fresh.checked(draws(number) if number else first)

        def ours(draw: Draw) -> float:
            return self.call(draw.arguments, timeout_seconds, draw.expected).seconds

        with self._contest.opponents.seated(first.expected) as (baseline, empty):

            def theirs(draw: Draw) -> float:
                return _trusted(lambda: baseline.call(draw.arguments, timeout_seconds, draw.expected).seconds)

            def least(draw: Draw) -> float:
                return _trusted(lambda: empty.ask(draw.arguments, timeout_seconds)[1])

            players = Players(program=ours, baseline=theirs, empty=least)
            timing = compare(players, draw, self._contest.rng, self._contest.plan)
        self.timings.append(timing)
        return timing


class Opponents:
    """The baseline, and an empty program that shows what the channel costs, each in a sandbox of its own.

    Args:
        facts: of the problem.
        baseline: the baseline's program.
        clock: the judge's.
        cpu: the processor of all three.
    """

    def __init__(self, facts: Declaration, baseline: str, *, clock: Clock, cpu: int) -> None:
        self._facts = facts
        self._baseline = baseline
        self._clock = clock
        self._sandboxes: list[Sandbox] = []
        with ExitStack() as opening:
            for _ in range(2):
                self._sandboxes.append(Sandbox(preload=facts.preload, array_module="numpy", cpu=cpu))
                opening.callback(self._sandboxes[-1].close)
            self._open = opening.pop_all()

    def close(self) -> None:
        """End both sandboxes, the second also where the first cannot be ended."""
        self._open.close()

    @contextmanager
    def seated(self, expected: Expected) -> Iterator[tuple[SandboxGuest, SandboxGuest]]:
        """Both programs in fresh processes; the empty one replies zeros of the expected form."""
        empty = _EMPTY.format(shape=expected.shape, dtype=expected.dtype, entry=self._facts.entry)
        guests: list[SandboxGuest] = []
        with ExitStack() as seats:
            for sandbox, source in zip(self._sandboxes, (self._baseline, empty), strict=True):
                session = sandbox.open(source, self._facts.entry, self._facts.limits)
                guests.append(SandboxGuest(session, self._clock))
                seats.callback(guests[-1].close)
            yield guests[0], guests[1]


class _Fresh:
    """Sees to it that draws have one form and that no contents come twice, which a program could remember."""

    def __init__(self, expected: Expected) -> None:
        self._form = (expected.dtype, expected.shape)
        self._seen: set[bytes] = set()

    def checked(self, draw: Draw) -> Draw:
        """The draw itself.

        Raises:
            EvaluatorError: the problem draws in another form, or the same again.
        """
        if (draw.expected.dtype, draw.expected.shape) != self._form:
            raise EvaluatorError(f"all draws of a timed workload must expect one dtype and shape, as {self._form}")
        digest = hashlib.blake2b()
        for name, value in sorted(draw.arguments.items()):
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(value).data if isinstance(value, np.ndarray) else repr(value).encode())
        if digest.digest() in self._seen:
            raise EvaluatorError("a timed workload draws the same contents twice; derive every draw from its number")
        self._seen.add(digest.digest())
        return draw


def _trusted(ask: Callable[[], float]) -> float:
    """What one of our own programs says; that it fails is not a candidate's fault."""
    try:
        return ask()
    except RefusedError as error:
        raise EvaluatorError(
            f"the baseline or the empty program fails in a timed comparison ({error.outcome.value}: {error.reason}); "
            "mend the seed or the problem"
        ) from error
