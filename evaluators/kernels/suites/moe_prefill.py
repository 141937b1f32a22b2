"""Fused experts of prompts."""

from __future__ import annotations

import seeds
from evaluators.kernels.problem import KernelFacts, KernelProblem, only_generated
from evaluators.kernels.tasks.experts import PARAMETERS
from evaluators.kernels.tasks.moe_prefill import moe_prefill_task

FACTS = KernelFacts(
    name="moe_prefill",
    title="the chosen experts of many tokens: SwiGLU, weighted sum, fused",
    entry="moe_prefill",
    parameters=PARAMETERS,
    folder=seeds.ROOT / "moe_prefill",
    best_known="not measured on a GPU yet",
)


def make_problem(workload: str) -> KernelProblem:
    """Build the problem on its own shapes.

    Raises:
        ProblemError: other workloads are asked for.
    """
    only_generated(FACTS.name, workload)
    return KernelProblem(FACTS, moe_prefill_task())
