"""The audit of a kernel problem: on a GPU where there is one, else as far as recorder and interpreter can tell."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

from evaluators.audit import sandboxed
from evaluators.audit.court import Court
from evaluators.audit.findings import Finding, Part
from evaluators.audit.kernels import kernel_findings
from evaluators.block import Block
from evaluators.host import require_sandbox, uses_gpu
from evaluators.judge import SCREEN, Judge
from evaluators.kernels.arena import CpuArena, GpuArena
from evaluators.kernels.problem import KernelProblem
from evaluators.model import Outcome, Split
from evaluators.seeding import secret_from_seed

if TYPE_CHECKING:
    from evaluators.audit.run import AuditPlan

PATIENCE_SECONDS = 15.0
"""How long a module may take on the GPU for one shape: a hundred of them are tried, and some hang."""

WORKLOADS = 2
"""How many shapes the noise floor and the bound are looked at on: the cheapest."""


def audit_kernels(problem: KernelProblem, plan: AuditPlan) -> Iterator[Finding]:
    """See `evaluators.audit.run.audit`."""
    on_gpu = uses_gpu(plan.device)
    secret = secret_from_seed(plan.seed, problem.declaration.name)
    arena = partial(GpuArena, patience_seconds=PATIENCE_SECONDS) if on_gpu else CpuArena
    judge = Judge(problem, secret=secret, clock=time.perf_counter, cpu=plan.cpu, off=frozenset({SCREEN}), arena=arena)
    with closing(judge):
        require_sandbox(judge.layers, plan.require_sandbox)
        drawn = judge.draw(Split.TRAIN, 0)[:WORKLOADS]
        marked = tuple(judge.mark(workload, (Split.TRAIN, 0)) for workload in drawn)
        block = Block(split=Split.TRAIN, number=0, standards=marked)
        court = Court(problem=problem, judge=judge, block=block, cheats=(), seed=plan.seed, strict=plan.strict)
        if not plan.only:
            yield sandboxed.isolation(court)
        if _wanted(plan, Part.NOISE):
            yield from sandboxed.noise_floor(court) if on_gpu else _untold(Part.NOISE)
        if _wanted(plan, Part.BOUND):
            yield from sandboxed.bound(court) if on_gpu else _untold(Part.BOUND)
        if _wanted(plan, Part.CHECKS):
            yield from checks(problem, plan.seed)
        first = Block(split=Split.TRAIN, number=0, standards=marked[:1])

        def measure(source: str) -> tuple[Outcome, str]:
            evaluation = judge.evaluate(source, first)
            return evaluation.outcome, evaluation.reason

        yield from kernel_findings(
            problem,
            tier="gpu" if on_gpu else "cpu",
            measure=measure if on_gpu else None,
            seed=plan.seed,
            only=plan.only,
            folder=plan.cheats,
        )


def checks(problem: KernelProblem, seed: int) -> Iterator[Finding]:
    """Outputs spoilt so that one check alone stands against them: refused by it, let through without it."""
    import torch  # noqa: PLC0415 - torch is optional

    task = problem.task
    case = task.audit_case(seed)
    contents = task.contents(case, 0, "cpu")
    truth = task.truth(case, contents)
    honest = task.columns()["eager"](case, contents)
    for name, spoil in task.spoils().items():
        generator = torch.Generator().manual_seed(seed)
        outputs = spoil([output.clone() for output in honest], contents, generator)
        on = task.fault(case, contents, truth, outputs, frozenset())
        without = task.fault(case, contents, truth, outputs, frozenset({name}))
        yield Finding.tried(
            Part.CHECKS,
            name,
            on is not None and on.check == name and without is None,
            expected="refused by this check, and let through without it",
            found=f"{f'{on.check}: {on.reason}' if on else 'let through'}; without it "
            f"{f'{without.check}: {without.reason}' if without else 'let through'}",
        )


def _wanted(plan: AuditPlan, part: Part) -> bool:
    return not plan.only or part in plan.only


def _untold(part: Part) -> Iterator[Finding]:
    yield Finding.skipped(part, "on a GPU", "nothing is timed without one")
