"""A replay against the module as it would be exported: both captured in graphs in one process, timed in turns."""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from ground import (
    Job,
    attempt,
    kernel_problem,
    seed_bytes,
    seed_recordings,
    source_of,
    timed_only,
    timing_row,
    train_workloads,
)
from torch import Tensor

from evaluators.kernels.arena import KERNEL_PLAN
from evaluators.kernels.gpu.clocked import Draw, Sampler, plan_for
from evaluators.kernels.gpu.device import open_bench
from evaluators.kernels.gpu.judging import PAD_BYTES, SEATINGS
from evaluators.kernels.gpu.match import Bench, Match, probe
from evaluators.kernels.gpu.memory import Arguments
from evaluators.kernels.gpu.protocol import Request
from evaluators.kernels.plan import Recording
from evaluators.kernels.task import KernelWorkload
from evaluators.timing import Players, Timing, compare, pooled

PLAN = KERNEL_PLAN
SETS = 2
"""Of argument buffers; the cache is flushed by reading, and every capture of a module takes its time."""

WARM_CALLS = 3


def run(job: Job) -> None:
    """Both problems, both seeds, every train shape."""
    recordings = seed_recordings(job)
    job.result["problems"] = {name: {"rows": []} for name in job.problems}
    for position, name in enumerate(job.problems):
        ends = job.share(len(job.problems) - position)
        attempt(job, name, partial(of_problem, job, name, recordings[name], ends))


def of_problem(job: Job, name: str, recordings: Mapping[str, Recording], ends: float) -> None:
    """One problem on a bench of its own."""
    problem = kernel_problem(name)
    bench, stream = open_bench(problem.task, 0, lambda turn: None)
    rows = job.result["problems"][name]["rows"]
    with torch.cuda.stream(stream):
        for seed in ("decent", "naive"):
            module = imported(job.scratch / f"exported_{name}_{seed}.py", source_of(problem, seed))
            entry = getattr(module, problem.declaration.entry)
            for workload in timed_only(train_workloads(problem)):
                if time.time() > ends:
                    job.note(f"{name}: no time for {seed} on {workload.name}")
                    continue
                what = f"{name} {workload.name} {seed}"
                attempt(
                    job, what, partial(add_row, rows, bench, workload, recordings[seed], recordings["empty"], entry)
                )
            job.save()


def imported(path: Path, source: str) -> ModuleType:
    """A seed as a user has it: a file that is imported. It is our own text."""
    path.write_text(source, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where Triton looks for it
    spec.loader.exec_module(module)
    return module


def add_row(
    rows: list[dict[str, Any]],
    bench: Bench,
    workload: KernelWorkload,
    recording: Recording,
    empty: Recording,
    entry: Callable[..., Any],
) -> None:
    """One seed on one shape: times of both, and whether their outputs are the same to the last bit."""
    seed = seed_bytes("exported", workload.name)
    asked = Request(workload=workload, candidate=recording, baseline=recording, empty=empty, seed=seed, plan=PLAN)
    timings, same = [], True
    for seating in range(SEATINGS):
        with ExitStack() as stack:
            rng = np.random.default_rng([*seed, seating])
            match = Match(bench=bench, request=asked, stack=stack, rng=rng)
            # Held while the seats are taken, so that each seating lies elsewhere; see `judging.measure`.
            pad = torch.empty(int(rng.integers(1, PAD_BYTES)), dtype=torch.uint8, device=bench.device.name)
            timing, equal = seated(match, entry)
            del pad
            timings.append(timing)
            same = same and equal
    timing = pooled(timings)
    row = timing_row(timing)
    steps = recording.plans[workload.timed.call.name].steps
    told = {"exported_us": row["us"], "replayed_us": row["decent_us"], "empty_us": row["empty_us"]}
    told |= {"ratio": row["ratio"], "low": row["low"], "high": row["high"], "nodes": len(steps)}
    seed_name = entry.__module__.rpartition("_")[2]
    rows.append({"shape": workload.name, "program": f"{seed_name} seed", "same_bits": same, **told})


def seated(match: Match, entry: Callable[..., Any]) -> tuple[Timing, bool]:
    """Module and replay in one seating: the comparison, and whether their outputs are the same."""
    bench = match.bench
    sets, sampler = match.sets()[:SETS], Sampler(bench.flush)
    replayed = match.trusted_seat(match.trusted_kernels(match.request.baseline), sets, sampler)
    draw = match.draws(sets)
    contents = draw(-1).contents
    for arguments in sets:
        arguments.refresh(contents)
    captured = [capture(entry, match.request.workload, arguments) for arguments in sets]

    def sample(draw: Draw) -> float:
        graph, outputs = captured[draw.place]
        sets[draw.place].refresh(draw.contents)
        for output in outputs:  # as the replayed program's buffers are poisoned
            output.fill_(-1)
        return sampler.seconds(graph.replay)

    players = Players(program=sample, baseline=replayed.sample, empty=match.empty_sample(sampler))
    plan = plan_for(PLAN, probe(players, draw(-2)))
    timing = compare(players, draw, match.rng, plan)
    last = draw(-3)
    sample(last)
    replayed.sample(last)
    theirs = replayed.bounds[last.place].program.outputs(sets[last.place])
    ours = [output.contiguous().view(-1).view(torch.uint8) for output in captured[last.place][1]]
    equal = len(ours) == len(theirs) and all(torch.equal(a, b.view(-1)) for a, b in zip(ours, theirs, strict=True))
    torch.cuda.synchronize()
    return timing, equal


def capture(
    entry: Callable[..., Any], workload: KernelWorkload, arguments: Arguments
) -> tuple[torch.cuda.CUDAGraph, Sequence[Tensor]]:
    """A call of the module as a graph, after some calls that compile; its outputs lie in the graph's own memory."""
    given = {**arguments.tensors, **workload.timed.call.scalars}
    for _ in range(WARM_CALLS):
        entry(**given)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=torch.cuda.current_stream(), capture_error_mode="thread_local"):
        returned = entry(**given)
    return graph, (returned,) if isinstance(returned, Tensor) else tuple(returned)
