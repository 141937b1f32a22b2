"""Fused experts of a decoding step."""

from __future__ import annotations

import seeds
from evaluators.kernels.problem import KernelFacts, KernelProblem, only_generated
from evaluators.kernels.tasks.experts import PARAMETERS
from evaluators.kernels.tasks.moe_decode import moe_decode_task

FACTS = KernelFacts(
    name="moe_decode",
    title="the chosen experts of a few tokens: SwiGLU, weighted sum, fused",
    entry="moe_decode",
    parameters=PARAMETERS,
    folder=seeds.ROOT / "moe_decode",
    best_known="not measured on a GPU yet",
)


def make_problem(workload: str) -> KernelProblem:
    """Build the problem on its own shapes.

    Raises:
        ProblemError: other workloads are asked for.
    """
    only_generated(FACTS.name, workload)
    return KernelProblem(FACTS, moe_decode_task())
