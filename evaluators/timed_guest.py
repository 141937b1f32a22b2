"""A program that is timed against the baseline: three sandboxes on one processor, called in turn."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from evaluators.guest import SandboxGuest
from evaluators.model import EvaluatorError, Outcome
from evaluators.problem import Clock, Declaration, Draw, Draws, RefusedError
from evaluators.replies import Expected
from evaluators.timing import Plan, Players, Timing, compare
from sandbox import Sandbox, Session
from sandbox.inside.cleaning import descendants

OFF_TURN = "off turn"
"""Name of the check that a program rests while the baseline is timed on the same processor."""

BUSY_SHARE = 0.02
"""A program may use this share of the processor while the baseline is timed: what it does after its reply has left
(freeing memory) falls into the baseline's time, and cannot gain it more than that."""

BUSY_SECONDS = 100e-6
"""And so much for each call, whatever the baseline takes."""

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
        pids: the processes of the session, to see whether they rest when they should.
        contest: what it is compared with, and how.
    """

    def __init__(
        self, session: Session, clock: Clock, off: frozenset[str], *, pids: Collection[int], contest: Contest
    ) -> None:
        super().__init__(session, clock, off)
        self._pids = pids
        self._contest = contest
        self.timings: list[Timing] = []

    def compare(self, draws: Draws, timeout_seconds: float) -> Timing:
        """See `evaluators.problem.Guest`."""
        first = draws(0)
        fresh = _Fresh(first.expected)
        busy, worked = [], []

        def draw(number: int) -> Draw:
            return fresh.checked(draws(number) if number else first)

        def ours(draw: Draw) -> float:
            return self.call(draw.arguments, timeout_seconds, draw.expected).seconds

        with self._contest.opponents.seated(first.expected) as (baseline, empty):

            def theirs(draw: Draw) -> float:
                before = cpu_seconds(self._pids)
                seconds = _trusted(lambda: baseline.call(draw.arguments, timeout_seconds, draw.expected).seconds)
                busy.append(cpu_seconds(self._pids) - before)
                worked.append(seconds)
                return seconds

            def least(draw: Draw) -> float:
                return _trusted(lambda: empty.ask(draw.arguments, timeout_seconds)[1])

            players = Players(program=ours, baseline=theirs, empty=least)
            timing = compare(players, draw, self._contest.rng, self._contest.plan)
        if sum(busy) > BUSY_SHARE * sum(worked) + BUSY_SECONDS * len(busy):
            reason = f"used {100 * sum(busy) / sum(worked):.0f} % of the processor while the baseline was timed"
            self.refuse(OFF_TURN, Outcome.CHEATED, reason)
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
        self._sandboxes = [Sandbox(preload=facts.preload, array_module="numpy", cpu=cpu) for _ in range(2)]

    def close(self) -> None:
        """End both sandboxes."""
        for sandbox in self._sandboxes:
            sandbox.close()

    @contextmanager
    def seated(self, expected: Expected) -> Iterator[tuple[SandboxGuest, SandboxGuest]]:
        """Both programs in fresh processes; the empty one replies zeros of the expected form."""
        empty = _EMPTY.format(shape=expected.shape, dtype=expected.dtype, entry=self._facts.entry)
        guests: list[SandboxGuest] = []
        try:
            for sandbox, source in zip(self._sandboxes, (self._baseline, empty), strict=True):
                session, pids = open_watched(sandbox, source, self._facts)
                guests.append(SandboxGuest(session, self._clock))
                if not pids:
                    raise EvaluatorError(
                        "the processes of sandboxed programs cannot be seen in /proc, so nobody can tell whether they "
                        "rest while others are timed\nhint: mount /proc without hidepid"
                    )
            yield guests[0], guests[1]
        finally:
            for guest in guests:
                guest.close()


def open_watched(sandbox: Sandbox, source: str, facts: Declaration) -> tuple[Session, frozenset[int]]:
    """Start a program; returns it with the processes that came with it."""
    before = frozenset(descendants(os.getpid()))
    session = sandbox.open(source, facts.entry, facts.limits)
    return session, frozenset(descendants(os.getpid())) - before


def cpu_seconds(pids: Collection[int]) -> float:
    """Processor time that these processes have used so far, with all their threads; none for those that are gone."""
    total = 0.0
    for pid in pids:
        try:
            # The CPU clock of another process, see clock_getcpuclockid(3): its number inverted, and 2 for "scheduler".
            total += time.clock_gettime((~pid << 3) | 2)
        except OSError:
            continue
    return total


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
