"""Honest programs on fresh draws, none of which may be refused: both seeds, and these with other marked constants.

Recordings are made ahead in processes beside the GPU, as the pool of a search does it; then one judge measures them.
"""

from __future__ import annotations

import os
import time
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ground import (
    Job,
    Wish,
    attempt,
    find_device,
    kernel_problem,
    one_line,
    record,
    recording_pool,
    say,
    source_of,
    train_workloads,
)
from stock import key_of, stocked_judge

from evaluators.block import Block
from evaluators.judge import Judge
from evaluators.kernels.guest import Prepared
from evaluators.kernels.plan import Recording
from evaluators.kernels.problem import KernelProblem
from evaluators.kernels.task import KernelWorkload
from evaluators.model import Outcome, Split
from evaluators.screen import screen_by
from evolve.proposers.tuner.marks import read_marks, written
from evolve.proposers.tuner.space import Kind

EVALUATIONS = 200
"""In all; half of them on each of two problems."""

VARIANTS = 4
"""Of each seed, with other values of its marked constants."""

CHEAP = 3
"""From so many of a block's cheapest shapes each block takes one in turn."""

FIRST_BLOCK = 1000
RECORD_SECONDS = 120.0
MOST_REFUSED = 20
"""After so many there is nothing more to be learned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """One evaluation to come: a program on one shape of a block."""

    program: str
    source: str
    block: int
    workload: KernelWorkload
    recording: Future[Recording]


def run(job: Job) -> None:
    """As many evaluations as are wanted, or as there is time for."""
    job.result["problems"] = {}
    each = EVALUATIONS // len(job.problems)
    cpus = max(1, len(os.sched_getaffinity(0)) - 2)
    with recording_pool(find_device(), cpus) as pool:
        tries = {name: plan_tries(kernel_problem(name), each, pool) for name in job.problems}
        say(f"honest: {sum(map(len, tries.values()))} recordings on {cpus} processors")
        for position, name in enumerate(job.problems):
            ends = job.share(len(job.problems) - position)
            attempt(job, name, partial(of_problem, job, name, tries[name], ends))
        pool.shutdown(wait=True, cancel_futures=True)


def programs(problem: KernelProblem) -> dict[str, str]:
    """Honest programs by name."""
    found: dict[str, str] = {}
    for seed in ("decent", "naive"):
        source = source_of(problem, seed)
        found[seed] = source
        for variant in variants(source, VARIANTS):
            if screen_by(problem.declaration, variant) is None and variant not in found.values():
                found[f"{seed}, variant {sum(name.startswith(seed) for name in found)}"] = variant
    return found


def variants(source: str, count: int) -> list[str]:
    """The program with other values of its marked choices: each choice steps on by one more in every variant."""
    marks = [mark for mark in read_marks(source) if mark.space.kind is Kind.CHOICE]
    made = []
    for step in range(1, count + 1):
        values = {}
        for mark in marks:
            choices = mark.space.choices
            place = choices.index(mark.value) if mark.value in choices else 0
            values[mark.key] = choices[(place + step) % len(choices)]
        variant = written(source, values)
        if variant != source and variant not in made:
            made.append(variant)
    return made


def plan_tries(problem: KernelProblem, count: int, pool: ProcessPoolExecutor) -> list[Try]:
    """Every program on block after block until there are enough; recording begins at once, in this order."""
    tries: list[Try] = []
    sources = programs(problem)
    block = FIRST_BLOCK
    while len(tries) < count:
        workload = train_workloads(problem, block)[block % CHEAP]
        for name, source in list(sources.items())[: count - len(tries)]:
            wish = Wish(key=name, source=source, entry=problem.declaration.entry, calls=workload.calls)
            tries.append(
                Try(program=name, source=source, block=block, workload=workload, recording=pool.submit(record, wish))
            )
        block += 1
    return tries


@dataclass(slots=True)
class _Marked:
    """The block that programs meet at present."""

    number: int = -1
    block: Block | None = field(default=None)


def of_problem(job: Job, name: str, tries: list[Try], ends: float) -> None:
    """Judge one program after the other with one judge."""
    problem = kernel_problem(name)
    found: dict[str, Any] = {"evaluations": 0, "refused": [], "seconds": [], "gpu_seconds": [], "programs": {}}
    job.result["problems"][name] = found
    found["wanted"] = len(tries)
    stock: dict[str, Recording] = {}
    judge = stocked_judge(problem, stock)
    marked = _Marked()
    try:
        for position, one in enumerate(tries):
            if time.time() > ends:
                job.note(f"{name}: no time for {len(tries) - position} of {len(tries)} evaluations")
                break
            try:
                evaluate(judge, one, stock, marked, found)
            except Exception as error:
                tally(found, one, None, one_line(error), 0.0, 0.0)
                marked = _Marked()
                if len(found["refused"]) > MOST_REFUSED:
                    raise
            if position % 20 == 0:
                job.save()
    finally:
        judge.close()
        job.save()


def evaluate(judge: Judge, one: Try, stock: dict[str, Recording], marked: _Marked, found: dict[str, Any]) -> None:
    """One evaluation; a refusal to record is one as well."""
    try:
        recording = one.recording.result(RECORD_SECONDS)
    except Exception as error:  # noqa: BLE001 - an honest program that is not recorded is refused
        tally(found, one, Outcome.CRASHED, f"not recorded: {one_line(error)}", 0.0, 0.0)
        return
    stock[key_of(one.source, one.workload.calls)] = recording
    if marked.number != one.block or marked.block is None:
        # The first program of each block is the decent seed, so that the baseline's recording is in stock by now.
        standard = judge.mark(one.workload, (Split.TRAIN, one.block))
        marked.number, marked.block = one.block, Block(split=Split.TRAIN, number=one.block, standards=(standard,))
    prepared = Prepared(found=recording)
    evaluation = judge.evaluate(one.source, marked.block, prepared=prepared)
    tally(found, one, evaluation.outcome, evaluation.reason, evaluation.seconds, recording.seconds)


def tally(found: dict[str, Any], one: Try, outcome: Outcome | None, reason: str, gpu: float, recording: float) -> None:
    """Count what came of an evaluation; no outcome where the judge itself failed."""
    found["evaluations"] += 1
    found["gpu_seconds"].append(round(gpu, 4))
    found["seconds"].append(round(gpu + recording, 4))
    found["programs"][one.program] = found["programs"].get(one.program, 0) + 1
    if outcome is not Outcome.OK:
        told = {"program": one.program, "shape": one.workload.name, "block": one.block}
        found["refused"].append(
            {**told, "outcome": outcome.value if outcome else "fault of the judge", "reason": reason[:500]}
        )
