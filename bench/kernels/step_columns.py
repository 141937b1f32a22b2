"""All seeds and what a user would call instead, on train and hidden shapes, against the seed that is score 0."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from ground import (
    Job,
    attempt,
    gpu_facts,
    kernel_problem,
    measurement_row,
    one_line,
    request,
    say,
    seed_bytes,
    seed_recordings,
    timed_only,
    timing_row,
    workloads_of,
)

from evaluators.kernels.arena import KERNEL_PLAN
from evaluators.kernels.gpu.client import Column, Gpu
from evaluators.kernels.plan import Recording
from evaluators.kernels.problem import KernelProblem
from evaluators.kernels.task import KernelWorkload
from evaluators.model import Split
from evaluators.timing import Plan

PLAN = Plan(fewest_rounds=16, most_rounds=64, most_seconds=0.5, half_width=0.01)
"""For the columns, which are seated once; our seeds are timed as every candidate is."""

MEASURE_SECONDS = 60.0
COLUMN_SECONDS = 90.0
"""For one column on one shape: `torch.compile` compiles within it."""

FAILURES = 2
SPLITS = (Split.TRAIN, Split.HIDDEN)
PARTIAL = "does only part of the work"
"""After so many shapes in a row on which it fails, a column is asked for no more."""


def run(job: Job) -> None:
    """Measure all that there is time for."""
    job.result["problems"] = {
        name: {
            "baseline": kernel_problem(name).declaration.baseline,
            "shapes": [],
            "hidden": [],
            "rows": [],
            "absent": {},
        }
        for name in job.problems
    }
    for place, split in enumerate(SPLITS):
        recordings = seed_recordings(job, split)
        until = job.share(len(SPLITS) - place)
        for position, name in enumerate(job.problems):
            left = max(0.0, until - time.time())
            ends = time.time() + left / (len(job.problems) - position)
            attempt(job, f"{name}, {split.value}", partial(of_problem, job, name, split, recordings[name], ends))


def of_problem(job: Job, name: str, split: Split, recordings: Mapping[str, Recording], ends: float) -> None:
    """Seeds first, then column by column."""
    problem, found = kernel_problem(name), job.result["problems"][name]
    # A shape that both splits have is measured once.
    workloads = [one for one in timed_only(workloads_of(problem, split)) if one.name not in found["shapes"]]
    found["shapes"] += [workload.name for workload in workloads]
    found["hidden"] += [workload.name for workload in workloads if split is Split.HIDDEN]
    gpu = Gpu(problem.origin, "generated")
    try:
        job.result["gpu"] = gpu_facts(gpu)
        for workload in workloads:
            for seed in sorted((seed.name for seed in problem.seeds), key=lambda seed: seed != found["baseline"]):
                attempt(
                    job,
                    f"{name} {workload.name} {seed}",
                    partial(seed_row, gpu, found, workload, recordings, seed),
                )
            job.save()
        columns(job, problem, gpu, workloads, recordings, found, ends)
    finally:
        gpu.close()
    job.save()


def seed_row(
    gpu: Gpu, found: dict[str, Any], workload: KernelWorkload, recordings: Mapping[str, Recording], seed: str
) -> None:
    """One of our seeds on one shape; the baseline against itself is the A/A noise."""
    drawn = seed_bytes("columns", workload.name, seed)
    asked = request(workload, recordings, seed, KERNEL_PLAN, drawn, found["baseline"])
    measured = gpu.measure(asked, MEASURE_SECONDS)
    found["rows"].append({"shape": workload.name, "program": f"{seed} seed", **measurement_row(measured)})


def columns(
    job: Job,
    problem: KernelProblem,
    gpu: Gpu,
    workloads: Sequence[KernelWorkload],
    recordings: Mapping[str, Recording],
    found: dict[str, Any],
    ends: float,
) -> None:
    """What a user would compare with: the problem's columns, those that are here."""
    task = problem.task
    found["absent"].update(task.missing_columns())
    for column in [name for name in task.columns() if name not in found["absent"]]:
        failures, last = 0, ""
        for workload in reversed(workloads):  # the largest first: should time be short, it is what is asked for
            if time.time() > ends:
                job.note(f"{problem.declaration.name}: no time for {column} on {workload.name}")
                continue
            started = time.time()
            drawn, zero = seed_bytes("columns", workload.name, column), found["baseline"]
            asked = request(workload, recordings, zero, PLAN, drawn, zero)
            try:
                told = gpu.columns(asked, [column], max(10.0, min(COLUMN_SECONDS, ends - time.time())))[column]
            except Exception as error:  # noqa: BLE001 - a library that breaks the judge is told as such
                gpu.close()
                told = Column(reason=one_line(error))
            say(f"{problem.declaration.name} {workload.name} {column}: {time.time() - started:.1f} s {told.reason}")
            remark = PARTIAL if column in task.partial_columns else told.fault
            row: dict[str, object] = {"shape": workload.name, "program": column, "fault": remark}
            row |= timing_row(told.timing) if told.timing else {"reason": told.reason}
            found["rows"].append(row)
            job.save()
            failures, last = (0, "") if told.timing else (failures + 1, told.reason)
            if failures >= FAILURES:
                found["absent"][column] = f"failed on {failures} shapes in a row, the last time with: {last}"
                break
