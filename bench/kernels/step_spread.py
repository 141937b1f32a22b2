"""How much a comparison differs when it is repeated: naive against decent, in fresh processes; A/A noise beside it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import product
from typing import Any

from ground import (
    Job,
    attempt,
    kernel_problem,
    request,
    seed_bytes,
    seed_recordings,
    timed_only,
    timing_row,
    train_workloads,
)

from evaluators.kernels.arena import KERNEL_PLAN
from evaluators.kernels.gpu.client import Gpu
from evaluators.kernels.plan import Recording
from evaluators.kernels.task import KernelWorkload

PROCESSES = 2
REPEATS = 6
NOISE_REPEATS = 1
"""Of the decent seed against itself, in each process."""

MEASURE_SECONDS = 60.0


def run(job: Job) -> None:
    """All shapes again and again, so that what drifts shows in each of them."""
    recordings = seed_recordings(job)
    job.result["problems"] = {name: {"rows": []} for name in job.problems}
    tasks = list(product(range(PROCESSES), job.problems))
    for position, (process, name) in enumerate(tasks):
        ends = job.share(len(tasks) - position)
        problem = kernel_problem(name)
        workloads = timed_only(train_workloads(problem))
        rows = job.result["problems"][name]["rows"]
        gpu = Gpu(problem.origin, "generated")
        try:
            work = partial(repeat, gpu, workloads, recordings[name], process, rows, ends)
            attempt(job, f"{name}, process {process + 1}", work)
        finally:
            gpu.close()
        job.save()


def repeat(
    gpu: Gpu,
    workloads: Sequence[KernelWorkload],
    recordings: Mapping[str, Recording],
    process: int,
    rows: list[dict[str, Any]],
    ends: float,
) -> None:
    """Measure in this process until the time is over."""
    for turn, (seeds, workload) in product(range(REPEATS), product(("naive", "decent"), workloads)):
        if seeds == "decent" and turn >= NOISE_REPEATS:
            continue
        if time.time() > ends:
            return
        asked = request(workload, recordings, seeds, KERNEL_PLAN, seed_bytes("spread", workload.name, process, turn))
        timing = gpu.measure(asked, MEASURE_SECONDS).timing
        rows.append({"shape": workload.name, "program": seeds, "process": process, **timing_row(timing)})
