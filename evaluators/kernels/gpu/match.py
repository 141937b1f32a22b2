"""One request on the GPU: its kernels, checks and comparison, with all that is freed at its end."""

from __future__ import annotations

from collections.abc import Callable, Container
from contextlib import ExitStack
from dataclasses import dataclass, field

import numpy as np

from evaluators.kernels.floor import GpuFacts, roofline_seconds
from evaluators.kernels.gpu.blame import candidates
from evaluators.kernels.gpu.clocked import (
    Draw,
    Flush,
    Sampler,
    Seat,
    clocks_disagree,
    make_sets,
    set_count,
    warm_seconds,
)
from evaluators.kernels.gpu.clocks import Clocks
from evaluators.kernels.gpu.correct import DRAWS, Bound, Checker, Device, run_candidate, run_trusted
from evaluators.kernels.gpu.memory import NAN_BYTE, Arguments, Room, Slab, same_bits
from evaluators.kernels.gpu.protocol import CLOCK, GUARDS, Request, Turn
from evaluators.kernels.gpu.replay import Graph, Kernels, Program
from evaluators.kernels.plan import LaunchPlan, Recording
from evaluators.kernels.task import Case, Fault, KernelTask, Traffic
from evaluators.model import EvaluatorError, Outcome
from evaluators.problem import RefusedError
from evaluators.timing import Players, Timing

CHECKED_SHARE = 0.15
"""Share of timed calls whose outputs are checked in full, drawn after each call."""

NUMBERS = 1 << 40
"""Draws are numbered from a start below this, which the request's seed gives."""

PROBES = 3
"""Samples of either player before the timing: they warm up, and say how long the calls are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """One GPU with all that stays from request to request.

    Args:
        device: where programs run.
        facts: of the GPU.
        task: the problem's.
        clocks: its clock rates.
        flush: empties its cache.
        tell: says whose turn it is.
        room: makes the memory that candidates are checked on.
    """

    device: Device
    facts: GpuFacts
    task: KernelTask
    clocks: Clocks
    flush: Flush
    tell: Callable[[Turn], None]
    room: Room = Slab


@dataclass(slots=True, kw_only=True)
class Match:
    """One request on the bench.

    Args:
        bench: the GPU.
        request: what is asked.
        stack: frees at the end what is loaded and captured here.
        rng: from the request's seed.
        checked: how many timed calls were checked.
        traffics: least work of every draw of the timed call, in order.
    """

    bench: Bench
    request: Request
    stack: ExitStack
    rng: np.random.Generator
    checked: int = 0
    traffics: list[Traffic] = field(default_factory=list)

    @property
    def timed(self) -> Case:
        """The timed case."""
        return self.request.workload.timed

    def candidate_kernels(self) -> Kernels:
        """The candidate's kernels, loaded.

        Raises:
            CandidateError: they cannot be.
        """
        self.bench.tell(Turn(candidate=True))
        with candidates(self.bench.device.driver, self.timed.call.name):
            return self._load(self.request.candidate)

    def trusted_kernels(self, recording: Recording) -> Kernels:
        """Kernels of the baseline or the empty program, loaded."""
        self.bench.tell(Turn(candidate=False))
        return self._load(recording)

    def _load(self, recording: Recording) -> Kernels:
        kernels = Kernels(self.bench.device.driver, recording, self.bench.device.shared_bytes)
        self.stack.callback(kernels.close)
        return kernels

    def plan_of(self, recording: Recording, case: Case) -> LaunchPlan:
        """What a recording does in a case's call.

        Raises:
            EvaluatorError: it was not recorded on that call.
        """
        if case.call.name not in recording.plans:
            raise EvaluatorError(f"no recording of the call {case.call.name}; record all KernelWorkload.calls")
        return recording.plans[case.call.name]

    def program(self, kernels: Kernels, plan: LaunchPlan) -> Program:
        """A plan with buffers of its own."""
        return Program(self.bench.device.driver, kernels, plan, self.bench.device.name, self.bench.room)

    def bind(self, program: Program, arguments: Arguments, *, without: Container[int] = ()) -> Bound:
        """A program captured on these arguments, all of its launches or all but some."""
        graph: Graph = program.capture(arguments.addresses, self.bench.device.stream, without=without)
        self.stack.callback(graph.close)
        return Bound(program=program, arguments=arguments, graph=graph)

    def bind_candidate(self, kernels: Kernels, case: Case, *, without: Container[int] = ()) -> Bound:
        """The candidate on fresh buffers.

        Raises:
            CandidateError: a launch is impossible, or there is no room.
        """
        plan = self.plan_of(self.request.candidate, case)
        arguments = Arguments(case.call, self.bench.device.name, self.bench.room)
        with candidates(self.bench.device.driver, case.call.name):
            return self.bind(self.program(kernels, plan), arguments, without=without)

    def checker(self, off: frozenset[str]) -> Checker:
        """Holds outputs to what is right."""
        return Checker(task=self.bench.task, off=off, rng=self.rng)

    def numbers(self, count: int) -> range:
        """Fresh numbers of draws."""
        start = int(self.rng.integers(NUMBERS))
        return range(start, start + count)

    def check_candidate(self, kernels: Kernels) -> None:
        """All cases, the timed one last.

        Raises:
            RefusedError: it is wrong.
            CandidateError: it fails on the device.
        """
        self.bench.tell(Turn(candidate=True))
        run, checker = run_candidate(self.bench.device), self.checker(self.request.off)
        for case in (*self.request.workload.checked, self.timed):
            bound = self.bind_candidate(kernels, case)
            for number in self.numbers(DRAWS):
                fault = checker.fault(bound, case, number, run)
                if fault:
                    reason = f"{case.call.name}, contents {case.law!r}: {fault.reason}"
                    raise RefusedError(Outcome.WRONG, reason, check=fault.check)

    def check_baseline(self, kernels: Kernels) -> None:
        """One draw of the timed case.

        Raises:
            EvaluatorError: it is wrong.
        """
        self.bench.tell(Turn(candidate=False))
        plan = self.plan_of(self.request.baseline, self.timed)
        bound = self.bind(self.program(kernels, plan), Arguments(self.timed.call, self.bench.device.name))
        run = run_trusted(self.bench.device)
        fault = self.checker(frozenset()).fault(bound, self.timed, self.numbers(1).start, run)
        if fault:
            raise EvaluatorError(
                f"{self.timed.call.name}: the baseline is wrong ({fault.check}: {fault.reason}); mend the seed or the "
                "task"
            )

    def sets(self) -> list[Arguments]:
        """Buffers for the arguments of the timed call, to rotate through."""
        call, facts = self.timed.call, self.bench.facts
        input_bytes = sum(form.bytes for form in call.tensors.values())
        count = set_count(input_bytes, facts.l2_bytes, facts.memory_bytes)
        poison = self.checker(frozenset()).poison()
        return make_sets(call, count, poison, self.bench.device.name)

    def seat(self, program: Program, sets: list[Arguments], sampler: Sampler) -> Seat:
        """A program captured on every set."""
        bounds = [self.bind(program, arguments) for arguments in sets]
        return Seat(bounds, sampler, self.bench.device.stream, self.rng)

    def trusted_seat(self, kernels: Kernels, sets: list[Arguments], sampler: Sampler) -> Seat:
        """The baseline on every set."""
        return self.seat(self.program(kernels, self.plan_of(self.request.baseline, self.timed)), sets, sampler)

    def candidate_seat(self, kernels: Kernels, sets: list[Arguments], sampler: Sampler) -> Seat:
        """The candidate on every set.

        Raises:
            CandidateError: there is no room.
        """
        with candidates(self.bench.device.driver, self.timed.call.name):
            plan = self.plan_of(self.request.candidate, self.timed)
            return self.seat(self.program(kernels, plan), sets, sampler)

    def empty_sample(self, sampler: Sampler) -> Callable[[Draw], float]:
        """Samples a graph of one empty kernel."""
        kernels = self.trusted_kernels(self.request.empty)
        plan = next(iter(self.request.empty.plans.values()))
        bound = self.bind(self.program(kernels, plan), Arguments(plan.call, self.bench.device.name))
        stream = self.bench.device.stream
        return lambda _: sampler.seconds(lambda: bound.graph.replay(stream))

    def draws(self, sets: list[Arguments]) -> Callable[[int], Draw]:
        """Fresh contents by number; each goes to the next set."""
        start = self.numbers(1).start

        def draw(number: int) -> Draw:
            contents = self.bench.task.contents(self.timed, start + number, self.bench.device.name)
            self.traffics.append(self.bench.task.traffic(self.timed, contents))
            return Draw(place=number % len(sets), number=start + number, contents=contents)

        return draw

    def typical_traffic(self, draws: int) -> Traffic:
        """The median of the least work of draws, the lower of two: draws may differ in it, and where no call is quicker
        than its own draw allows, no median of calls is quicker than this one does.

        Args:
            draws: how many, the last ones.
        """
        facts = self.bench.facts
        ordered = sorted(self.traffics[-draws:], key=lambda traffic: roofline_seconds(traffic, facts))
        return ordered[(len(ordered) - 1) // 2]

    def trusted_sample(self, seat: Seat) -> Callable[[Draw], float]:
        """Samples the baseline, and leaves none of its outputs behind: in every round the candidate meets one draw
        after the baseline has, and nothing keeps a kernel from reading what lies beside its own buffers."""

        def sample(draw: Draw) -> float:
            seconds = seat.sample(draw)
            seat.bounds[draw.place].program.slab.poison(NAN_BYTE)
            return seconds

        return sample

    def candidate_sample(self, seat: Seat) -> Callable[[Draw], float]:
        """Samples the candidate; some outputs are checked, and nothing says beforehand which."""
        driver, checker, call = self.bench.device.driver, self.checker(self.request.off), self.timed.call
        # Of its own, so that what is checked and what is poisoned with do not tell of each other.
        dice = np.random.default_rng(int(self.rng.integers(1 << 62)))

        def sample(draw: Draw) -> float:
            with candidates(driver, call.name):
                seconds = seat.sample(draw)
            if dice.random() < CHECKED_SHARE:
                self._check_sample(checker, seat.bounds[draw.place], draw)
            return seconds

        return sample

    def _check_sample(self, checker: Checker, bound: Bound, draw: Draw) -> None:
        task, timed = self.bench.task, self.timed
        # Drawn again, and the truth made only now: the kernel may have changed what was in memory while it ran.
        contents = task.contents(timed, draw.number, self.bench.device.name)
        fault = checker.trespass(bound, contents)
        if GUARDS not in self.request.off and not same_bits(draw.contents, contents):
            fault = Fault(check=GUARDS, reason="a kernel changed memory that it was never given")
        if not fault:
            truth = task.truth(timed, contents)
            fault = checker.wrong(timed, contents, truth, bound.program.outputs(bound.arguments))
        if fault:
            reason = f"{timed.call.name}, a timed call: {fault.reason}"
            raise RefusedError(Outcome.WRONG, reason, check=fault.check)
        self.checked += 1

    def cross_check(self, seat: Seat, baseline: Seat, timing: Timing) -> None:
        """Hold the events to the wall clock, unless the baseline does not either: then others are using the GPU.

        Raises:
            RefusedError: they do not cover the candidate's work.
        """
        if CLOCK in self.request.off:
            return
        stream = self.bench.device.stream

        def wall(of: Seat, seconds: float) -> float:
            return warm_seconds(lambda: of.bounds[0].graph.replay(stream), seconds)

        with candidates(self.bench.device.driver, self.timed.call.name):
            ours = wall(seat, timing.seconds)
        if not clocks_disagree(timing.seconds, ours):
            return
        if clocks_disagree(timing.baseline_seconds, wall(baseline, timing.baseline_seconds)):
            return
        raise RefusedError(
            Outcome.QUARANTINED,
            f"{self.timed.call.name}: by events one call takes {1e6 * timing.seconds:.1f} us, by the wall clock "
            f"{1e6 * ours:.1f} us in a row; the events do not cover its work",
            check=CLOCK,
        )


def probe(players: Players[Draw], draw: Draw) -> float:
    """About how long the quicker of program and baseline takes, in seconds; both are warm afterwards."""
    times = [player(draw) for _ in range(PROBES) for player in (players.baseline, players.program, players.empty)]
    return min(time for position, time in enumerate(times) if position % 3 != 2)
