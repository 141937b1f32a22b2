"""Where programs meet workloads: a sandbox, three for a timed problem, or a sandbox with a GPU beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from evaluators.block import Block
from evaluators.guest import SandboxGuest
from evaluators.host import describe_host, usable_cpus
from evaluators.model import EvaluatorError
from evaluators.problem import Clock, Guest, Problem, Workload, seed_named
from evaluators.seeding import timing_seed
from evaluators.timed_guest import Contest, Opponents, TimedGuest
from evaluators.timing import Plan, Timing
from sandbox import Sandbox


class ArenaGuest(Guest, Protocol):
    """A guest that has kept what its comparisons found."""

    timings: list[Timing]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrance:
    """How a program comes in.

    Args:
        workload: what it is to meet; None in an audit, which decides later.
        hopeless_below: a timed program that is surely below this objective need not be timed well; None: never.
        logs: grows by what it printed.
        prepared: what `Arena.prepare` made of it, here or in another process; None for our own programs.
    """

    workload: Workload | None
    hopeless_below: float | None
    logs: list[str]
    prepared: object = None


class Arena(Protocol):
    """Starts programs and ends them."""

    @property
    def layers(self) -> Mapping[str, str]:
        """What the sandbox enforces here, by layer."""

    @property
    def host(self) -> Mapping[str, str]:
        """Facts to store with a measurement."""

    @property
    def blind_to(self) -> str:
        """What cannot be told here though the objective hangs on it; empty where everything can."""

    @property
    def target(self) -> object:
        """What programs are prepared for elsewhere; None where they are not."""

    def prepare(self, source: str, workloads: Sequence[Workload]) -> object:
        """What is made of a program once for all workloads of a block; None where nothing is."""

    def guest(self, source: str, entrance: Entrance) -> AbstractContextManager[ArenaGuest]:
        """A program in a fresh process, for as long as the context lasts."""

    def audit(self, source: str, block: Block, prepared: object) -> Mapping[str, str]:
        """Look deeper into a program that came well through a block of another split than train.

        Contenders meet validation blocks all through a search, finalists alone the hidden ones: these may cost more.

        Args:
            source: the program.
            block: what it came through.
            prepared: what `prepare` made of it.

        Returns:
            What there is to tell of it, to be stored with the measurement.

        Raises:
            RefusedError: it is wrong after all.
        """

    def close(self) -> None:
        """End every process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What every arena is built from.

    Args:
        problem: what is judged.
        secret: seeds what a timed program must not foresee.
        clock: the only clock that counts, in seconds.
        cpu: pin programs to this CPU; None lets them roam, but for a timed problem, where it means the last one.
        off: names of checks to leave out.
        plan: how long a timed comparison goes on; None for what suits the arena.
    """

    problem: Problem
    secret: bytes
    clock: Clock
    cpu: int | None = None
    off: frozenset[str] = frozenset()
    plan: Plan | None = None


class SandboxArena:
    """Programs in a sandbox; for a timed problem beside the baseline and an empty program in sandboxes of their own.

    Raises:
        EvaluatorError: a timed problem lets its programs start processes.
    """

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        facts, cpu = terms.problem.declaration, terms.cpu
        if facts.timed and facts.limits.processes:
            raise EvaluatorError(
                f"problem {facts.name} is timed, so its programs may not start processes: these could work while it "
                "is the baseline's turn; set Limits.processes to 0"
            )
        if facts.timed and cpu is None:
            cpu = usable_cpus()[-1]
        with ExitStack() as opening:
            self._sandbox = Sandbox(preload=facts.preload, array_module="numpy", cpu=cpu)
            opening.callback(self._sandbox.close)
            self.host = describe_host(self._sandbox.layers)
            self._opponents: Opponents | None = None
            if facts.timed:
                assert cpu is not None
                baseline = seed_named(terms.problem, facts.baseline).source
                self._opponents = Opponents(facts, baseline, clock=terms.clock, cpu=cpu)
                opening.callback(self._opponents.close)
            self._open = opening.pop_all()

    @property
    def layers(self) -> Mapping[str, str]:
        """See `Arena`."""
        return self._sandbox.layers

    @property
    def blind_to(self) -> str:
        """See `Arena`."""
        return ""

    @property
    def target(self) -> object:
        """See `Arena`."""
        return None

    def prepare(self, source: str, workloads: Sequence[Workload]) -> object:
        """See `Arena`."""
        del source, workloads
        return None

    def audit(self, source: str, block: Block, prepared: object) -> Mapping[str, str]:
        """See `Arena`; every reply was checked in full, in fresh processes, and there is nothing beneath it."""
        del source, block, prepared
        return {}

    def close(self) -> None:
        """End every sandbox and everything in it; one that cannot be ended does not keep the others."""
        self._open.close()

    @contextmanager
    def guest(self, source: str, entrance: Entrance) -> Iterator[SandboxGuest]:
        """See `Arena`."""
        terms, facts = self._terms, self._terms.problem.declaration
        session = self._sandbox.open(source, facts.entry, facts.limits)
        if self._opponents is None:
            guest = SandboxGuest(session, terms.clock, terms.off)
        else:
            seed = timing_seed(terms.secret, entrance.workload.name if entrance.workload else "", source)
            contest = Contest(
                opponents=self._opponents,
                rng=np.random.default_rng(list(seed)),
                plan=replace(terms.plan or facts.timing or Plan(), hopeless_below=entrance.hopeless_below),
            )
            guest = TimedGuest(session, terms.clock, terms.off, contest=contest)
        try:
            yield guest
        finally:
            entrance.logs.append(guest.close())


def make_arena(terms: Terms, device: str = "auto") -> Arena:
    """The arena that the problem's programs need.

    Args:
        terms: what every arena is built from.
        device: what kernels run on: ``auto``, ``cpu`` or ``cuda``.

    Raises:
        EvaluatorError: it cannot be had here.
    """
    if terms.problem.declaration.claim:
        # Imported here: it reads YAML, which nobody else does.
        from evaluators.foreign.arena import foreign_arena  # noqa: PLC0415

        return foreign_arena(terms)
    if not terms.problem.declaration.kernel:
        return SandboxArena(terms)
    # Imported here: torch and triton need not be installed where no kernel is judged.
    from evaluators.kernels.arena import kernel_arena  # noqa: PLC0415

    return kernel_arena(terms, device)
