"""The jobs of the process: measure, check or run a candidate, try it without a launch, time a library's function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack

import numpy as np
import torch
from torch import Tensor

from evaluators.kernels.floor import floor_seconds, roofline_seconds
from evaluators.kernels.gpu.clocked import Draw, Sampler, plan_for
from evaluators.kernels.gpu.correct import run_candidate
from evaluators.kernels.gpu.match import Bench, Match, probe
from evaluators.kernels.gpu.memory import Arguments
from evaluators.kernels.gpu.protocol import ALL_LAUNCHES, Column, Measurement, Request, Turn
from evaluators.kernels.gpu.replay import Kernels
from evaluators.kernels.task import Case, Tensors, Traffic
from evaluators.timing import Players, Timing, compare, is_hopeless, pooled

WARM_CALLS = 3
"""Calls of a library's function before it is captured: it may compile, tune and allocate."""

SEATINGS = 4
"""How often both programs are loaded, given buffers and captured anew: two copies of one program differ by up to 5 % at
4 us, and by less than 1 % above 20 us, for as long as they stay where they are."""

SEATING_SPREAD = 0.05
"""Taken for the spread of seatings, in log2, where the hopeless do not get all of them."""

PAD_BYTES = 64 << 20
"""At most so much is held while seats are taken, so that each takes other places."""

SHORT_NOTE = "shorter than 20 us: more rounds were played"


def measure(bench: Bench, request: Request) -> Measurement:
    """Check the candidate on all cases, and time it on the timed one.

    Raises:
        RefusedError: it is wrong.
        CandidateError: it fails on the device.
        EvaluatorError: the baseline is wrong.
    """
    with ExitStack() as stack:
        match = _match(bench, request, stack)
        ours = match.candidate_kernels()
        match.check_candidate(ours)
        match.check_baseline(match.trusted_kernels(request.baseline))
        sampler, sets = Sampler(bench.flush), match.sets()
        empty = match.empty_sample(sampler)
        timings: list[Timing] = []
        traffics: list[Traffic] = []
        plan = request.plan
        for _ in range(SEATINGS):
            pad = _pad(match)
            baseline = match.trusted_seat(match.trusted_kernels(request.baseline), sets, sampler)
            candidate = match.candidate_seat(match.candidate_kernels(), sets, sampler)
            del pad
            players = Players(
                program=match.candidate_sample(candidate), baseline=match.trusted_sample(baseline), empty=empty
            )
            draw = match.draws(sets)
            bench.tell(Turn(candidate=True))
            seconds = probe(players, draw(-1))
            plan = plan_for(request.plan, seconds)
            timings.append(compare(players, draw, match.rng, plan))
            traffics.append(match.typical_traffic(timings[-1].n))
            match.cross_check(candidate, baseline, timings[-1])
            if is_hopeless(timings[-1], plan, spare=SEATING_SPREAD):
                break
        timing = pooled(timings, spread=None if len(timings) == SEATINGS else SEATING_SPREAD)
        # Of the seatings the one with the least, so that the floor is one for their mean.
        least = min(traffics, key=lambda traffic: roofline_seconds(traffic, bench.facts))
        return _measurement(match, timing, ours, least, (SHORT_NOTE,) if plan != request.plan else ())


def check(bench: Bench, request: Request) -> None:
    """Check the candidate on all cases.

    Raises:
        RefusedError: it is wrong.
        CandidateError: it fails on the device.
    """
    with ExitStack() as stack:
        match = _match(bench, request, stack)
        match.check_candidate(match.candidate_kernels())


def run(bench: Bench, request: Request) -> None:
    """Replay every case once on fresh contents and look at no output: a tool watches.

    Raises:
        CandidateError: it fails on the device.
    """
    with ExitStack() as stack:
        match = _match(bench, request, stack)
        kernels, replay, checker = match.candidate_kernels(), run_candidate(bench.device), match.checker(frozenset())
        for case in (*request.workload.checked, request.workload.timed):
            bound = match.bind_candidate(kernels, case)
            bound.arguments.refresh(bench.task.contents(case, match.numbers(1).start, bench.device.name))
            bound.program.slab.poison(checker.poison())
            replay(bound, case)


def right_without(bench: Bench, request: Request, launch: int) -> bool:
    """Whether the timed call's outputs stay right with one launch left out, which then was for nothing.

    Args:
        bench: the GPU.
        request: the candidate.
        launch: position among the launches; `ALL_LAUNCHES` for every one.

    Raises:
        CandidateError: the rest fails on the device, as it may without that launch.
    """
    with ExitStack() as stack:
        match = _match(bench, request, stack)
        kernels = match.candidate_kernels()
        count = len(match.plan_of(request.candidate, match.timed).launches)
        without = range(count) if launch == ALL_LAUNCHES else (launch,)
        bound = match.bind_candidate(kernels, match.timed, without=without)
        checker = match.checker(frozenset())
        return checker.fault(bound, match.timed, match.numbers(1).start, run_candidate(bench.device)) is None


def column(bench: Bench, request: Request, name: str) -> Column:
    """Time what a user would compare with, captured in graphs like the rest."""
    function = bench.task.columns()[name]
    with ExitStack() as stack:
        match = _match(bench, request, stack)
        case, sets, sampler = match.timed, match.sets(), Sampler(bench.flush)
        draw = match.draws(sets)
        contents = draw(-1).contents
        for arguments in sets:
            arguments.refresh(contents)
        try:
            for _ in range(WARM_CALLS):
                outputs = [output.clone() for output in function(case, sets[0].tensors)]
            torch.cuda.synchronize()
            found = bench.task.fault(case, contents, bench.task.truth(case, contents), outputs, frozenset())
            timings = [_column_timing(match, function, sets, sampler) for _ in range(SEATINGS)]
        except Exception as error:  # noqa: BLE001 - a library's failure, whatever it is, is told as its result
            return Column(reason=f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}")
        return Column(timing=pooled(timings), fault=f"{found.check}: {found.reason}" if found else "")


def _column_timing(
    match: Match, function: Callable[[Case, Tensors], Sequence[Tensor]], sets: list[Arguments], sampler: Sampler
) -> Timing:
    """One seating of a library's function beside the baseline."""
    pad = _pad(match)
    graphs = [_captured(function, match.timed, arguments) for arguments in sets]
    baseline = match.trusted_seat(match.trusted_kernels(match.request.baseline), sets, sampler)
    del pad

    def sample(draw: Draw) -> float:
        sets[draw.place].refresh(draw.contents)
        return sampler.seconds(graphs[draw.place].replay)

    players = Players(program=sample, baseline=baseline.sample, empty=match.empty_sample(sampler))
    draw = match.draws(sets)
    plan = plan_for(match.request.plan, probe(players, draw(-1)))
    return compare(players, draw, match.rng, plan)


def _pad(match: Match) -> Tensor:
    """To be held while seats are taken: the allocator would else give every seating the same places."""
    return torch.empty(int(match.rng.integers(1, PAD_BYTES)), dtype=torch.uint8, device=match.bench.device.name)


def _match(bench: Bench, request: Request, stack: ExitStack) -> Match:
    return Match(bench=bench, request=request, stack=stack, rng=np.random.default_rng(list(request.seed)))


def _captured(
    function: Callable[[Case, Tensors], Sequence[Tensor]], case: Case, arguments: Arguments
) -> torch.cuda.CUDAGraph:
    """A library's function as a graph; what it allocates stays with the graph."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=torch.cuda.current_stream(), capture_error_mode="thread_local"):
        function(case, arguments.tensors)
    return graph


def _measurement(match: Match, timing: Timing, kernels: Kernels, least: Traffic, notes: tuple[str, ...]) -> Measurement:
    facts = match.bench.facts
    launches = match.plan_of(match.request.candidate, match.timed).launches
    used = [kernels.loaded[launch.kernel] for launch in launches]
    sm_mhz, memory_mhz = match.bench.clocks.mhz()
    return Measurement(
        timing=timing,
        floor_seconds=floor_seconds(least, facts, timing.channel_seconds),
        empty_seconds=timing.channel_seconds,
        roofline_seconds=roofline_seconds(least, facts),
        bandwidth=(least.read_bytes + least.written_bytes) / timing.seconds,
        flops=least.flops / timing.seconds,
        registers=max((kernel.registers for kernel in used), default=0),
        local_bytes=max((kernel.local_bytes for kernel in used), default=0),
        shared_bytes=max((kernel.shared_bytes for kernel in used), default=0),
        launches=len(launches),
        samples_checked=match.checked,
        sm_clock_mhz=sm_mhz,
        memory_clock_mhz=memory_mhz,
        notes=notes,
    )
