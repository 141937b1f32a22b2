"""A replay against the module as it would be exported: both captured in graphs in one process, timed in turns."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from ground import (
    Job,
    attempt,
    kernel_problem,
    request,
    seed_bytes,
    seed_recordings,
    source_of,
    timed_only,
    timing_row,
    train_workloads,
)
from torch import Tensor

from evaluators.kernels.gpu.clocked import Draw, Sampler, plan_for
from evaluators.kernels.gpu.device import open_bench
from evaluators.kernels.gpu.match import Bench, Match, probe
from evaluators.kernels.gpu.memory import Arguments
from evaluators.kernels.plan import Launch, Recording
from evaluators.kernels.task import KernelWorkload
from evaluators.timing import Plan, Players, compare

PLAN = Plan(fewest_rounds=24, most_rounds=64, most_seconds=0.5, half_width=0.007)
WARM_CALLS = 3


def run(job: Job) -> None:
    """Both problems, both seeds, every train shape."""
    recordings = seed_recordings(job)
    job.result["problems"] = {name: {"rows": []} for name in job.problems}
    for position, name in enumerate(job.problems):
        ends = job.share(len(job.problems) - position)
        attempt(job, name, lambda name=name, ends=ends: of_problem(job, name, recordings[name], ends))


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
                    job,
                    what,
                    lambda w=workload, s=seed, e=entry: rows.append(one_row(bench, w, recordings, s, e)),
                )
            job.save()


def imported(path: Path, source: str) -> ModuleType:
    """A seed as a user has it: a file that is imported. It is our own text."""
    path.write_text(source, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def one_row(
    bench: Bench, workload: KernelWorkload, recordings: Mapping[str, Recording], seed: str, entry: Callable[..., Any]
) -> dict[str, Any]:
    """One seed on one shape: times of both, and whether their outputs are the same to the last bit."""
    asked = request(workload, {**recordings, "decent": recordings[seed]}, "decent", PLAN, seed_bytes("exported", seed))
    with ExitStack() as stack:
        match = Match(bench=bench, request=asked, stack=stack, rng=np.random.default_rng(list(asked.seed)))
        sets, sampler = match.sets(), Sampler(bench.flush)
        replayed = match.trusted_seat(match.trusted_kernels(asked.baseline), sets, sampler)
        draw = match.draws(sets)
        first = draw(-1)
        for arguments in sets:
            arguments.refresh(first.contents)
        captured = [capture(entry, workload, arguments) for arguments in sets]

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
        theirs = replayed.bounds[last.place].program.outputs()
        ours = [output.contiguous().view(torch.uint8).view(-1) for output in captured[last.place][1]]
        same = len(ours) == len(theirs) and all(torch.equal(a, b.view(-1)) for a, b in zip(ours, theirs, strict=True))
        steps = asked.baseline.plans[workload.timed.call.name].steps
        launches = sum(isinstance(step, Launch) for step in steps)
        row = timing_row(timing)
        return {
            "shape": workload.name,
            "program": f"{seed} seed",
            "exported_us": row["us"],
            "replayed_us": row["decent_us"],
            "ratio": row["ratio"],
            "low": row["low"],
            "high": row["high"],
            "empty_us": row["empty_us"],
            "nodes": len(steps),
            "launches": launches,
            "same_bits": bool(same),
        }


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
