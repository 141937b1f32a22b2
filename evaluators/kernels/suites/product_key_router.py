"""The k best of all pairs of two axes."""

from __future__ import annotations

import seeds
from evaluators.kernels.problem import KernelFacts, KernelProblem, only_generated
from evaluators.kernels.tasks.product_key_router import ProductKeyRouter

FACTS = KernelFacts(
    name="product_key_router",
    title="router over S x S experts: the k largest sums of two axes' scores, fused",
    entry="product_key_router",
    parameters=("a", "b", "k"),
    folder=seeds.ROOT / "product_key_router",
    best_known="not measured on a GPU yet",
)


def make_problem(workload: str) -> KernelProblem:
    """Build the problem on its own shapes.

    Raises:
        ProblemError: other workloads are asked for.
    """
    only_generated(FACTS.name, workload)
    return KernelProblem(FACTS, ProductKeyRouter())
