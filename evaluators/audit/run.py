"""Runs the parts of an audit one after the other and yields what each attempt found."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from evaluators.audit import replies, sandboxed
from evaluators.audit.court import Court
from evaluators.audit.findings import Finding, Part
from evaluators.audit.programs import default_folder, read_cheats
from evaluators.block import Block
from evaluators.host import require_sandbox
from evaluators.judge import SCREEN, Judge
from evaluators.model import Split
from evaluators.problem import Problem
from evaluators.seeding import secret_from_seed
from evaluators.timing import Plan

TIMING = Plan(fewest_rounds=8, most_rounds=12)
"""How long programs are timed: a hundred of them are, and a gain worth cheating for shows in a few rounds."""

WORKLOADS = 2
"""How many workloads of a block cheats and controls meet: the cheapest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditPlan:
    """What an audit does.

    Args:
        seed: seed of workloads and of the audit's own choices.
        honest_evaluations: how many honest evaluations on fresh draws must all be accepted.
        cheats: folder of the cheats.
        only: parts to run; empty for all.
        strict: accept only the first, strictest expectation of each cheat.
        cpu: pin programs to this CPU.
        require_sandbox: the weakest sandbox that programs may run in.
        device: what kernels run on: ``auto``, ``cpu`` or ``cuda``.
    """

    seed: int = 0
    honest_evaluations: int = 50
    cheats: Path | None = None
    only: frozenset[Part] = frozenset()
    strict: bool = False
    cpu: int | None = None
    require_sandbox: str = "none"
    device: str = "auto"


def audit(problem: Problem, plan: AuditPlan) -> Iterator[Finding]:
    """Attack a problem's evaluator and yield one finding for each attempt, as it is made.

    Raises:
        EvaluatorError: the problem cannot be judged at all (its baseline or reference fails), or there are no cheats.
    """
    if problem.declaration.kernel:
        # Imported here: torch and triton need not be installed where no kernel is judged.
        from evaluators.audit.kernels_run import audit_kernels  # noqa: PLC0415
        from evaluators.kernels.problem import KernelProblem  # noqa: PLC0415

        yield from audit_kernels(cast(KernelProblem, problem), plan)
        return
    secret = secret_from_seed(plan.seed, problem.declaration.name)

    def make(judged: Problem, off: frozenset[str]) -> Judge:
        return Judge(judged, secret=secret, clock=time.perf_counter, cpu=plan.cpu, off=off, plan=TIMING)

    judge = make(problem, frozenset({SCREEN}))
    try:
        require_sandbox(judge.layers, plan.require_sandbox)
        marked = tuple(judge.mark(workload) for workload in judge.draw(Split.TRAIN, 0)[:WORKLOADS])
        court = Court(
            problem=problem,
            judge=judge,
            block=Block(split=Split.TRAIN, number=0, standards=marked),
            cheats=read_cheats(plan.cheats or default_folder()),
            seed=plan.seed,
            strict=plan.strict,
        )
        if not plan.only:
            yield sandboxed.isolation(court)
        parts: dict[Part, Callable[[], Iterator[Finding]]] = {
            Part.HONEST: lambda: sandboxed.honest_controls(court, plan.honest_evaluations),
            Part.NOISE: lambda: sandboxed.noise_floor(court),
            Part.BOUND: lambda: sandboxed.bound(court),
            Part.RELATIONS: lambda: replies.relations(court),
            Part.LINT: lambda: replies.lazy(court),
            Part.CORRUPTED: lambda: replies.corrupted(court),
            Part.CHECKS: lambda: replies.switched_off(court, make),
            Part.CHEATS: lambda: sandboxed.cheats(court),
        }
        for part, run in parts.items():
            if not plan.only or part in plan.only:
                yield from _guarded(part, run)
    finally:
        judge.close()


def _guarded(part: Part, run: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """Let a part that breaks off be a miss of its own, so that what the others found is not lost."""
    try:
        yield from run()
    except Exception as error:  # noqa: BLE001 - an evaluator that breaks is what an audit is there to find
        yield Finding.tried(
            part,
            "this part broke off",
            False,
            expected="no failure of the evaluator",
            found=f"{type(error).__name__}: {error}",
        )
