"""Gather and weighted sum of the experts' outputs."""

from __future__ import annotations

import seeds
from evaluators.kernels.problem import KernelFacts, KernelProblem, only_generated
from evaluators.kernels.tasks.moe_combine import MoeCombine

FACTS = KernelFacts(
    name="moe_combine",
    title="experts' outputs gathered and summed by weight, fused",
    entry="moe_combine",
    parameters=("expert_out", "row_of", "weights"),
    folder=seeds.ROOT / "moe_combine",
    best_known="3.8 ± 0.7 (ten minutes of offline search): 2 % quicker than decent",
    cost="0.3 s a shape (H200)",
)


def make_problem(workload: str) -> KernelProblem:
    """Build the problem on its own shapes.

    Raises:
        ProblemError: other workloads are asked for.
    """
    only_generated(FACTS.name, workload)
    return KernelProblem(FACTS, MoeCombine())
