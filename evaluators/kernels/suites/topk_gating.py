"""Softmax and top-k of the router, fused."""

from __future__ import annotations

import seeds
from evaluators.kernels.problem import KernelFacts, KernelProblem, only_generated
from evaluators.kernels.tasks.topk_gating import TopkGating

FACTS = KernelFacts(
    name="topk_gating",
    title="router softmax and top-k of a mixture-of-experts layer, fused",
    entry="topk_gating",
    parameters=("logits", "k"),
    folder=seeds.ROOT / "topk_gating",
    best_known="15.2 ± 2.1 (seed lists, validation): 10.4 µs at 32768 x 128, vLLM 33.4",
    cost="0.7 s a shape (H200)",
)


def make_problem(workload: str) -> KernelProblem:
    """Build the problem on its own shapes.

    Raises:
        ProblemError: other workloads are asked for.
    """
    only_generated(FACTS.name, workload)
    return KernelProblem(FACTS, TopkGating())
