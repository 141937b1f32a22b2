"""What a finalist is put through: honest programs come through it, and planted faults that nothing else sees do not.

Each program is judged on a few hidden shapes, which brings the audit with it, and on as many train shapes, to see what
the audit costs.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import Any

from ground import Job, attempt, find_device, kernel_problem, one_line, prepare_quickly, recording_pool, source_of
from step_honest import variants
from stock import key_of, stocked_judge

from evaluators.block import Block
from evaluators.judge import SCREEN, Judge
from evaluators.kernels.auditing import NEEDED, SANITIZER
from evaluators.kernels.guest import Prepared
from evaluators.kernels.plan import Recording
from evaluators.kernels.problem import KernelProblem
from evaluators.model import Evaluation, Outcome, Split

SHAPES = (0, 3)
"""Positions of the shapes in a block: a small one and a middling one."""

LEAST_SECONDS = 40.0
"""With less than this left no further program is audited."""

TAIL = {"topk_gating": ("    rows = tl.program_id(0)", "logits + tokens * EXPERTS"), "moe_combine": (
    "    token = program // PARTS", "weights + tl.num_programs(0) // PARTS * K"
)}  # fmt: skip
"""Of the decent seed: a line of its kernel, and the end of an argument there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plant:
    """A program for the audit.

    Args:
        name: what it is.
        source: its text.
        outcome: how it must end.
        told: what its reason or the launches not needed must hold.
    """

    name: str
    source: str
    outcome: Outcome
    told: str


def plants(problem: KernelProblem) -> list[Plant]:
    """Programs with how they must end, those that tell most first."""
    decent = source_of(problem, "decent")
    honest = variants(decent, 1)[0]
    return [
        Plant(name="other constants", source=honest, outcome=Outcome.OK, told="none"),
        Plant(
            name="reads beyond an argument",
            source=reads_beyond(problem, decent),
            outcome=Outcome.WRONG,
            told=f"{SANITIZER}: Invalid __global__ read",
        ),
        Plant(name="launches twice", source=launches_twice(decent), outcome=Outcome.OK, told="1, 2 of 2"),
    ]


def reads_beyond(problem: KernelProblem, source: str) -> str:
    """The program, which also reads 128 bytes past the end of an argument and throws them away.

    Raises:
        ValueError: the seed is no longer what this expects.
    """
    line, end = TAIL[problem.declaration.name]
    read = f"    tl.load({end} + tl.arange(0, 32), volatile=True)\n"
    if source.count(line) != 1:
        raise ValueError(f"the decent seed of {problem.declaration.name} has no line {line!r}; mend TAIL")
    before, after = source.split(line)
    rest, newline, tail = after.partition("\n")
    return before + line + rest + newline + read + tail


def launches_twice(source: str) -> str:
    """The program, which makes its only launch twice.

    Raises:
        ValueError: the seed is no longer what this expects.
    """
    lines = source.splitlines(keepends=True)
    starts = [number for number, line in enumerate(lines) if line.startswith("    _") and "[(" in line]
    ends = [number for number, line in enumerate(lines) if line == "    )\n"]
    if len(starts) != 1 or not ends or ends[-1] < starts[0]:
        raise ValueError("the decent seed has not one launch over several lines")
    return "".join(lines[: ends[-1] + 1] + lines[starts[0] : ends[-1] + 1] + lines[ends[-1] + 1 :])


def run(job: Job) -> None:
    """One problem after the other."""
    job.result["problems"] = {name: {"programs": []} for name in job.problems}
    for position, name in enumerate(job.problems):
        ends = job.share(len(job.problems) - position)
        attempt(job, name, partial(of_problem, job, name, ends))


def of_problem(job: Job, name: str, ends: float) -> None:
    """Audit every program of a problem, as far as there is time."""
    problem = kernel_problem(name)
    entry = problem.declaration.entry
    stock: dict[str, Recording] = {}
    tried = plants(problem)
    with recording_pool(find_device(), 3) as pool:
        judge = stocked_judge(problem, stock, frozenset({SCREEN}))
        try:
            drawn = {split: [judge.draw(split, 0)[at] for at in SHAPES] for split in (Split.TRAIN, Split.HIDDEN)}
            wanted = [workload for workloads in drawn.values() for workload in workloads]
            sources = [source_of(problem, "decent"), *(plant.source for plant in tried)]
            futures = {source: pool.submit(prepare_quickly, source, entry, wanted) for source in sources}
            decent = futures[sources[0]].result().recording()
            stock |= {key_of(sources[0], workload.calls): decent for workload in wanted}
            blocks = {
                split: Block(split=split, number=0, standards=tuple(judge.mark(one, (split, 0)) for one in workloads))
                for split, workloads in drawn.items()
            }
            for position, plant in enumerate(tried):
                if time.time() + LEAST_SECONDS > ends:
                    job.note(f"{name}: no time for {len(tried) - position} of {len(tried)} programs")
                    break
                found = audited(judge, plant, blocks, futures[plant.source].result())
                job.result["problems"][name]["programs"].append(found)
                job.save()
        finally:
            judge.close()


def audited(judge: Judge, plant: Plant, blocks: dict[Split, Block], prepared: Prepared) -> dict[str, Any]:
    """What came of a program."""
    row: dict[str, Any] = {"program": plant.name, "launches": "", "sanitizer": "", "held": False}
    ended: dict[Split, Evaluation] = {}
    try:
        for split in (Split.TRAIN, Split.HIDDEN):
            ended[split] = judge.evaluate(plant.source, blocks[split], prepared=prepared)
    except Exception as error:  # noqa: BLE001 - it becomes a line of the table
        return row | {"outcome": "fault of the judge", "reason": one_line(error), "seconds": 0.0, "plain_seconds": 0.0}
    train, hidden = ended[Split.TRAIN], ended[Split.HIDDEN]
    launches, sanitizer = hidden.host.get(NEEDED, ""), hidden.host.get(SANITIZER, "")
    told = hidden.reason if plant.outcome is not Outcome.OK else launches
    return row | {
        "outcome": hidden.outcome.value,
        "reason": hidden.reason[:300],
        "launches": launches,
        "sanitizer": sanitizer,
        "seconds": hidden.seconds,
        "plain_seconds": train.seconds,
        # On train shapes nothing of this is seen.
        "held": train.outcome is Outcome.OK and hidden.outcome is plant.outcome and plant.told in told,
    }
