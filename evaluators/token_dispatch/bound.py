"""A proven lower bound on the time of a step: a linear relaxation, solved by HiGHS.

Any plan that is at least as quick as a known one satisfies all of the program's constraints. So the quicker of the
known plan and the program's optimum, with what a step pays for moving anything at all, bounds every plan from below:

- tokens may be split at will; an expert on a GPU costs setup, weights and memory in proportion to its tokens there. A
  GPU that must be done within the known plan's time computes at most so many tokens, so a whole expert's cost is spread
  over these, and not over all of a heavy expert's tokens;
- the `HEAVY` heaviest experts are kept apart. The rest are one item for each owner, with a count of experts that moves
  with the tokens: no more tokens an expert than its heaviest member has;
- tokens computed where they wait, or on their own node, are at most those that wait there, and of these no more than
  the experts that are there have.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import linprog

from evaluators.token_dispatch.measures import Step, least_us_if_moved, plain_plan, step_time

# Raise with every change of the relaxation: scores of different versions never compare.
BOUND_VERSION = 2

HEAVY = 8
"""How many experts are kept apart."""

SOLVER_SLACK = 1e-6
"""Relative; HiGHS meets constraints to 1e-7."""

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Items:
    """What the program moves: single experts, then the rest of each owner.

    Args:
        load: tokens of each item on each source, ``(items, gpus)``.
        owner: ``(items,)``.
        count: experts of each item that have tokens, ``(items,)``.
        most: most tokens of an item that one expert on a GPU can stand for, ``(items,)``.
        peak: most tokens of one of its experts that wait on each source, ``(items, gpus)``.
        node_peak: the same on each node, ``(items, nodes)``.
    """

    load: Values
    owner: NDArray[np.int64]
    count: Values
    most: Values
    peak: Values
    node_peak: Values


def lower_bound_us(step: Step, known_us: float) -> float:
    """Proven lower bound on the time of every plan, in microseconds.

    Where HiGHS finds no optimum, the simple bound of `least_us_if_moved` takes its place.

    Args:
        step: what is planned.
        known_us: the time of some legal plan.
    """
    plain = step_time(step, plain_plan(step))
    known_us = min(known_us, plain.total_us)
    if step.num_gpus == 1 or known_us <= least_us_if_moved(step):
        return known_us
    fixed_us = 2 * step.costs.collective_us + step.costs.rearrange_us
    optimum = _Program(step, _items(step, known_us - fixed_us), known_us).solve()
    if optimum is None:
        return least_us_if_moved(step)
    return min(known_us, (fixed_us + optimum) * (1 - SOLVER_SLACK))


def _items(step: Step, compute_us: float) -> _Items:
    """Split the experts into heavy ones and the rest; no GPU computes longer than so many microseconds."""
    tokens = step.load.sum(axis=1)
    active = tokens > 0
    heavy = np.argsort(-tokens, kind="stable")[:HEAVY]
    heavy = heavy[active[heavy]]
    light = active.copy()
    light[heavy] = False
    within = max(1.0, (compute_us - step.costs.setup_us) / step.costs.token_us)
    groups = [np.array([expert]) for expert in heavy]
    groups += [np.flatnonzero(light & (step.owner == gpu)) for gpu in range(step.num_gpus)]
    groups = [members for members in groups if members.size]
    by_node = step.load.reshape(len(tokens), step.num_nodes, -1).sum(axis=2)
    return _Items(
        load=np.array([step.load[members].sum(axis=0) for members in groups], dtype=np.float64),
        owner=np.array([step.owner[members[0]] for members in groups], dtype=np.int64),
        count=np.array([members.size for members in groups], dtype=np.float64),
        most=np.array([min(tokens[members].max(), within) for members in groups], dtype=np.float64),
        peak=np.array([step.load[members].max(axis=0) for members in groups], dtype=np.float64),
        node_peak=np.array([by_node[members].max(axis=0) for members in groups], dtype=np.float64),
    )


class _Program:
    """The linear program. Its columns, in this order:

    tokens computed and tokens that stay, of each item on each GPU; experts of each item on each GPU; far tokens into
    and out of each GPU; tokens of each item that enter each node; the times of exchange, compute and combine.
    Tokens count in units of the mean GPU load, times in units of the known plan's.
    """

    def __init__(self, step: Step, items: _Items, known_us: float) -> None:
        self._step, self._items, self._unit_us = step, items, known_us
        self._tokens = max(1.0, float(items.load.sum()) / step.num_gpus)
        self._load = items.load / self._tokens
        n, p, nodes = len(items.count), step.num_gpus, step.num_nodes
        sizes = [n * p, n * p, n * p, p, p, n * nodes, 3]
        ends = np.cumsum(sizes)
        grid = [np.arange(end - size, end) for size, end in zip(sizes, ends, strict=True)]
        self._done, self._stay, self._held = (each.reshape(n, p) for each in grid[:3])
        self._far_in, self._far_out = grid[3], grid[4]
        self._enter = grid[5].reshape(n, nodes)
        self._exchange, self._compute, self._combine = grid[6]
        self._columns = int(ends[-1])
        self._upper: list[tuple[sparse.csr_array, Values]] = []
        self._equal: list[tuple[sparse.csr_array, Values]] = []

    def solve(self) -> float | None:
        """Least microseconds of exchange, compute and combine together; None where the solver does not say."""
        self._add_tokens()
        self._add_nodes()
        self._add_times()
        cost = np.zeros(self._columns)
        cost[[self._exchange, self._compute, self._combine]] = 1.0
        high = np.full(self._columns, np.inf)
        high[self._stay.ravel()] = self._load.ravel()
        if self._step.num_nodes == 1:
            high[np.r_[self._far_in, self._far_out, self._enter.ravel()]] = 0.0
        found = linprog(  # type: ignore[call-overload]  # the stubs know no sparse matrices
            cost,
            A_ub=sparse.vstack([rows for rows, _ in self._upper]),
            b_ub=np.concatenate([limits for _, limits in self._upper]),
            A_eq=sparse.vstack([rows for rows, _ in self._equal]),
            b_eq=np.concatenate([totals for _, totals in self._equal]),
            bounds=np.stack([np.zeros(self._columns), high], axis=1),
            method="highs-ipm",
            options={"presolve": False},
        )
        if found.status != 0:
            return None
        return float(found.fun) * self._unit_us

    def _matrix(self, *parts: tuple[Any, Any, Any]) -> sparse.csr_array:
        """Rows from (row, column, value) triples that broadcast."""
        shaped = [np.broadcast_arrays(*part) for part in parts]
        rows, columns, values = (np.concatenate([part[k].ravel() for part in shaped]) for k in range(3))
        return sparse.csr_array((values, (rows, columns)), shape=(int(rows.max()) + 1, self._columns))

    def _add_tokens(self) -> None:
        """Every token is done; what stays is done there; experts are held in proportion."""
        items = self._items
        n, p = self._load.shape
        item = np.arange(n)[:, None]
        cell = np.arange(n * p).reshape(n, p)
        self._equal.append((self._matrix((item, self._done, 1.0)), self._load.sum(axis=1)))
        self._upper.append((self._matrix((cell, self._stay, 1.0), (cell, self._done, -1.0)), np.zeros(n * p)))
        most = (items.most / self._tokens)[:, None]
        self._upper.append((self._matrix((cell, self._done, 1 / most), (cell, self._held, -1.0)), np.zeros(n * p)))
        self._upper.append((self._matrix((item, self._held, -1.0)), -items.count))
        peak = items.peak / self._tokens
        self._upper.append((self._matrix((cell, self._stay, 1.0), (cell, self._held, -peak)), np.zeros(n * p)))

    def _add_nodes(self) -> None:
        """What enters a node is what it computes beyond what waits there; links of a node carry it."""
        if self._step.num_nodes == 1:
            return
        n, p = self._load.shape
        nodes = self._step.num_nodes
        node = self._step.node
        load = self._load.reshape(n, nodes, -1).sum(axis=2)
        cell = np.arange(n * nodes).reshape(n, nodes)
        entering = self._matrix((cell[:, node], self._done, 1.0), (cell, self._enter, -1.0))
        self._upper.append((entering, load.ravel()))
        peak = self._items.node_peak / self._tokens
        met = self._matrix(
            (cell[:, node], self._done, 1.0), (cell, self._enter, -1.0), (cell[:, node], self._held, -peak[:, node])
        )
        self._upper.append((met, np.zeros(n * nodes)))
        into = self._matrix((node, self._far_in, 1.0), (np.arange(nodes), self._enter, -1.0))
        self._equal.append((into, np.zeros(nodes)))
        out = self._matrix(
            (node, self._far_out, 1.0), (np.arange(nodes), self._enter, -1.0), (node[None, :], self._done, 1.0)
        )
        self._equal.append((out, load.sum(axis=0)))
        gpu = np.arange(p)
        near_in = self._matrix((gpu, self._far_in, 1.0), (gpu, self._done, -1.0), (gpu, self._stay, 1.0))
        self._upper.append((near_in, np.zeros(p)))
        near_out = self._matrix((gpu, self._far_out, 1.0), (gpu, self._stay, 1.0))
        self._upper.append((near_out, self._load.sum(axis=0)))

    def _add_times(self) -> None:
        """No GPU computes and no link carries longer than its phase; memory holds."""
        costs, unit, gpu = self._step.costs, self._unit_us, np.arange(self._load.shape[1])
        token, setup = costs.token_us * self._tokens / unit, costs.setup_us / unit
        near, far = costs.near_token_us * self._tokens / unit, costs.far_token_us * self._tokens / unit
        near_weights, far_weights = costs.near_expert_us / unit, costs.far_expert_us / unit
        waiting = self._load.sum(axis=0)
        none = np.zeros(len(gpu))
        self._upper.append(
            (self._matrix((gpu, self._done, token), (gpu, self._held, setup), (gpu, self._compute, -1.0)), none)
        )
        into = ((gpu, self._done, near), (gpu, self._stay, -near), (gpu, self._far_in, -near))
        out = ((gpu, self._stay, -near), (gpu, self._far_out, -near))
        away = self._items.owner[:, None] != gpu[None, :]
        same = self._step.node[self._items.owner][:, None] == self._step.node[None, :]
        giver = np.broadcast_to(self._items.owner[:, None], away.shape)
        for phase, weights in ((self._exchange, 1.0), (self._combine, 0.0)):
            end = ((gpu, phase, -1.0),)
            near_held = near_weights * weights * (away & same)
            far_held = far_weights * weights * (away & ~same)
            self._upper.append((self._matrix(*into, (gpu, self._held, near_held), *end), none))
            self._upper.append((self._matrix(*out, (giver, self._held, near_held), *end), -near * waiting))
            if self._step.num_nodes > 1:
                far_in, far_out = (gpu, self._far_in, far), (gpu, self._far_out, far)
                self._upper.append((self._matrix(far_in, (gpu, self._held, far_held), *end), none))
                self._upper.append((self._matrix(far_out, (giver, self._held, far_held), *end), none))
        activations, foreign = costs.token_mib * self._tokens, costs.expert_mib * away
        memory = self._matrix(
            (gpu, self._done, activations / costs.memory_mib), (gpu, self._held, foreign / costs.memory_mib)
        )
        self._upper.append((memory, np.ones(len(gpu))))
