"""Hadamard rotation and rounding to four bits, fused."""

from __future__ import annotations

import seeds
from evaluators.kernels.problem import KernelFacts, KernelProblem, only_generated
from evaluators.kernels.tasks.hadamard_quant import HadamardQuant

FACTS = KernelFacts(
    name="hadamard_quant",
    title="Hadamard rotation of vectors and rounding to 4 bits with a scale a row, fused",
    entry="hadamard_quant",
    parameters=("x",),
    folder=seeds.ROOT / "hadamard_quant",
    best_known="not measured on a GPU yet",
)


def make_problem(workload: str) -> KernelProblem:
    """Build the problem on its own shapes.

    Raises:
        ProblemError: other workloads are asked for.
    """
    only_generated(FACTS.name, workload)
    return KernelProblem(FACTS, HadamardQuant())
