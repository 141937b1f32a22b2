"""A proven upper bound on the objective of any choice: the relaxation of an integer program for coverage.

For a block of n tokens with mass M, a budget of b experts and the 5th percentile at rank q, let x[e] be 1 for a chosen
expert, m = M x what the tokens keep, and z[t] be 1 for the q - 1 tokens that may lie below the percentile p:

    maximise mean(m) + p   subject to   p <= m[t] + P z[t],   sum(x) <= b,   sum(z) <= q - 1,   x, z in {0, 1}

with any P that p cannot exceed. Every choice is a solution with its own objective, so that the optimum bounds them all,
and so does that of the linear program with x and z in [0, 1]. P begins at 1 and is then the largest p that the linear
program allows, which tightens it again. `integer_bound` leaves x and z whole and lets HiGHS search; it takes a
second a block and more, so blocks are marked by the linear program.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, linprog, milp
from scipy.sparse import csr_matrix

from evaluators.block_coreset.blocks import BlockStream, Values
from evaluators.block_coreset.measures import rank
from evaluators.model import EvaluatorError

ROUNDS = 3
"""How often P is tightened."""

SOLVER_SLACK = 1e-6
"""What the tolerances of the integer program's solver may add up to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegerBound:
    """What HiGHS found out about the integer program.

    Args:
        bound: no choice has a larger objective.
        chosen: the best choice met, bool ``(distinct,)``; None if it met none.
    """

    bound: float
    chosen: np.ndarray | None


def ceiling(stream: BlockStream) -> float:
    """Mean over the blocks of the linear bound on J."""
    bounds = [linear_bound(mass, block.budget) for (_, mass), block in zip(stream.tables, stream.blocks, strict=True)]
    return float(np.mean(bounds))


def linear_bound(mass: Values, budget: int) -> float:
    """Upper bound of J over all choices of so many experts, by the linear program; see the module for the proof."""
    most = 1.0
    for _ in range(ROUNDS):
        tightened = min(most, _solve(mass, budget, most, mean=False))
        if tightened > most - 1e-4:
            break
        most = tightened
    return min(2.0, _solve(mass, budget, most, mean=True))


def integer_bound(mass: Values, budget: int, nodes: int) -> IntegerBound:
    """Upper bound of J by the integer program: the solver's own, proven wherever it was stopped.

    Args:
        mass: ``(tokens, distinct)``.
        budget: experts that may be chosen.
        nodes: of the search tree; then it is stopped.
    """
    tokens, distinct = mass.shape
    cost, matrix, limits = _program(mass, budget, 1.0, mean=True)
    found = milp(
        cost,
        constraints=LinearConstraint(matrix, -np.inf, limits),
        integrality=np.append(np.ones(distinct + tokens), 0),
        bounds=Bounds(0, 1),
        options={"node_limit": nodes},
    )
    if found.mip_dual_bound is None:
        raise EvaluatorError(f"no bound on a block of {mass.shape} at budget {budget}: {found.message}")
    chosen = None if found.x is None else found.x[:distinct] > 0.5
    return IntegerBound(bound=-float(found.mip_dual_bound) + SOLVER_SLACK, chosen=chosen)


def _solve(mass: Values, budget: int, most: float, *, mean: bool) -> float:
    cost, matrix, limits = _program(mass, budget, most, mean=mean)
    bounds = [(0.0, 1.0)] * (len(cost) - 1) + [(0.0, most)]
    found = linprog(  # type: ignore[call-overload]  # the stubs know no sparse matrices
        cost, A_ub=matrix, b_ub=limits, bounds=bounds, method="highs-ds"
    )
    if not found.success:
        raise EvaluatorError(f"no bound on a block of {mass.shape} at budget {budget}: {found.message}")
    # By weak duality any prices of the rows that are not negative bound the optimum; so what the solver found need not
    # be exact.
    prices = np.maximum(0.0, -found.ineqlin.marginals)
    gains = np.maximum(0.0, -cost - matrix.T @ prices)
    return float(limits @ prices + np.array([upper for _, upper in bounds]) @ gains)


def _program(mass: Values, budget: int, most: float, *, mean: bool) -> tuple[Values, csr_matrix, Values]:
    """Costs, rows and limits over x, z and p; without the mean, p alone is maximised."""
    tokens, distinct = mass.shape
    cost = np.zeros(distinct + tokens + 1)
    cost[-1] = -1
    if mean:
        cost[:distinct] = -mass.mean(axis=0)
    rows = np.zeros((tokens + 2, len(cost)))
    rows[:tokens, :distinct] = -mass
    rows[:tokens, distinct:-1] = -most * np.eye(tokens)
    rows[:tokens, -1] = 1
    rows[tokens, :distinct] = 1
    rows[tokens + 1, distinct:-1] = 1
    limits = np.zeros(tokens + 2)
    limits[tokens:] = budget, rank(tokens) - 1
    return cost, csr_matrix(rows), limits
