"""Rows sorted by expert and padded to blocks."""

from __future__ import annotations

import seeds
from evaluators.kernels.problem import KernelFacts, KernelProblem, only_generated
from evaluators.kernels.tasks.moe_align import MoeAlign

FACTS = KernelFacts(
    name="moe_align",
    title="routed tokens sorted by expert and padded to blocks, for a grouped matrix product",
    entry="moe_align",
    parameters=("ids", "num_experts", "block"),
    folder=seeds.ROOT / "moe_align",
    best_known="not measured on a GPU yet",
)


def make_problem(workload: str) -> KernelProblem:
    """Build the problem on its own shapes.

    Raises:
        ProblemError: other workloads are asked for.
    """
    only_generated(FACTS.name, workload)
    return KernelProblem(FACTS, MoeAlign())
