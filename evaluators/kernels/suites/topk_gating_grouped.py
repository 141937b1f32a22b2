"""Sigmoid scores, groups of experts and top-k of the router, fused."""

from __future__ import annotations

import seeds
from evaluators.kernels.problem import KernelFacts, KernelProblem, only_generated
from evaluators.kernels.tasks.topk_gating_grouped import TopkGatingGrouped

FACTS = KernelFacts(
    name="topk_gating_grouped",
    title="router of DeepSeek-V3: sigmoid, bias, groups and top-k, fused",
    entry="topk_gating_grouped",
    parameters=("logits", "bias", "k", "groups", "top_groups"),
    folder=seeds.ROOT / "topk_gating_grouped",
    best_known="not measured on a GPU yet",
)


def make_problem(workload: str) -> KernelProblem:
    """Build the problem on its own shapes.

    Raises:
        ProblemError: other workloads are asked for.
    """
    only_generated(FACTS.name, workload)
    return KernelProblem(FACTS, TopkGatingGrouped())
