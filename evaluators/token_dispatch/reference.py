"""The reference that score 100 stands for: a local search with far more time than a candidate has.

Starts from plain expert parallelism, and from the best of several plans in which no GPU computes longer than a target.
In every round ways to shift tokens of a heavy expert from or to a GPU that holds the step up are tried at once, and the
best is taken. Peaks count by a high power mean, so that a shift which relieves one of two equal peaks is progress; what
is kept is the best exact time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluators.token_dispatch.measures import Plan, Step, Values, least_us_if_moved, plain_plan, step_time

# Raise with every change of what a step's plan is: scores of different versions never compare.
REFERENCE_VERSION = 1

TARGETS = 8
"""How many levels the starting plans are drained to."""

ROUNDS = 60
"""Most shifts at each power."""

POWERS = (8.0, 64.0)
"""Powers of the means that stand for maxima, one after the other."""

HEAVY_GPUS, HEAVY_EXPERTS, LIGHT_GPUS = 1, 4, 4
"""How many GPUs, experts on each, and takers a round looks at."""

Effects = NDArray[np.float64]
# Rows of effects: what a plan's row means for each GPU.
_TOKENS, _GROUPS, _NEAR_IN, _NEAR_OUT, _FAR_IN, _FAR_OUT, _NEAR_GET, _NEAR_GIVE, _FAR_GET, _FAR_GIVE = range(10)
_MEMORY_SLACK = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Solution:
    """A plan and its exact time."""

    plan: Plan
    total_us: float


def search(step: Step) -> Solution:
    """The best plan that the search finds; never worse than plain expert parallelism."""
    plain = plain_plan(step)
    best = Solution(plan=plain, total_us=step_time(step, plain).total_us)
    if step.num_gpus == 1 or best.total_us <= least_us_if_moved(step):
        return best
    effects = _Effects(step)
    drained = [plan for plan in _drained(step) if effects.fits(effects.of_plan(plan))]
    starts = [min(drained, key=lambda plan: step_time(step, plan).total_us), plain] if drained else [plain]
    return min(best, *(_descend(effects, start) for start in starts), key=lambda solution: solution.total_us)


def _drained(step: Step) -> list[Plan]:
    """Plans in which no GPU computes longer than a target, as far as that goes, for targets from mean to peak."""
    plain = plain_plan(step)
    busy = step.costs.token_us * plain.sum(axis=0) + step.costs.setup_us * (plain > 0).sum(axis=0)
    low, high = float(busy.mean()), float(busy.max())
    if high <= low:
        return []
    return [
        _drain(step, plain.astype(np.int64), busy.copy(), target) for target in np.linspace(low, high, TARGETS + 1)[:-1]
    ]


def _drain(step: Step, plan: NDArray[np.int64], busy: Values, target: float) -> Plan:
    """Spill from GPUs above the target, heaviest experts first, to those with the least to do."""
    costs = step.costs
    heaviest_first = np.argsort(-plan.sum(axis=1), kind="stable")
    for expert in heaviest_first:
        home = int(step.owner[expert])
        while busy[home] > target and plan[expert, home] > 0:
            helper = int(busy.argmin())
            room = min(target, busy[home]) - busy[helper] - costs.setup_us * (plan[expert, helper] == 0)
            chunk = min(int(room / costs.token_us), int(plan[expert, home]))
            chunk = min(chunk, int(np.ceil((busy[home] - target) / costs.token_us)))
            if helper == home or chunk <= 0:
                break
            busy[helper] += costs.token_us * chunk + costs.setup_us * (plan[expert, helper] == 0)
            plan[expert, helper] += chunk
            plan[expert, home] -= chunk
            busy[home] -= costs.token_us * chunk + costs.setup_us * (plan[expert, home] == 0)
    return plan.astype(np.int32)


def _descend(effects: _Effects, plan: Plan) -> Solution:
    """Shift tokens as long as that helps."""
    step = effects.step
    plan = plan.copy()
    best = Solution(plan=plan.copy(), total_us=step_time(step, plan).total_us)
    for power in POWERS:
        now = effects.of_plan(plan)
        value = float(effects.smooth(now[None], power)[0])
        for _ in range(ROUNDS):
            experts, rows = _shifts(step, plan, effects.links_and_compute(now[None])[0])
            if not len(experts):
                break
            after = now + effects.of_rows(experts, rows) - effects.of_rows(experts, plan[experts])
            values = np.where(effects.fits(after), effects.smooth(after, power), np.inf)
            chosen = int(values.argmin())
            if not values[chosen] < value * (1 - 1e-6):
                break
            plan[experts[chosen]], now, value = rows[chosen], after[chosen], float(values[chosen])
            exact = float(effects.exact(now[None])[0])
            if exact < best.total_us:
                best = Solution(plan=plan.copy(), total_us=exact)
    return Solution(plan=best.plan, total_us=step_time(step, best.plan).total_us)


def _shifts(step: Step, plan: Plan, times: Values) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Rows that experts could have instead: ``(ways,)`` experts and int32 ``(ways, gpus)``.

    Args:
        step: what is planned.
        plan: what is planned so far.
        times: microseconds of each GPU's compute and links, ``(9, gpus)``.
    """
    # How near each GPU is to holding up any of the phases.
    strain = (times / np.maximum(times.max(axis=1, keepdims=True), 1e-9)).max(axis=0)
    phases = (times[0], times[1:5].max(axis=0), times[5:].max(axis=0))
    heavy = np.unique(np.r_[np.argsort(-strain)[:HEAVY_GPUS], [phase.argmax() for phase in phases]])
    light = np.argsort(times[0])[:LIGHT_GPUS]
    triples: list[tuple[int, int, int]] = []
    for gpu in heavy.tolist():
        for expert in np.argsort(-plan[:, gpu], kind="stable")[:HEAVY_EXPERTS].tolist():
            holders = np.flatnonzero(plan[expert]).tolist()
            homes = np.argsort(plan[expert] - step.load[expert])[:3].tolist()
            others = {*light.tolist(), int(step.owner[expert]), *holders, *homes} - {gpu}
            triples += [(gpu, expert, taker) for taker in sorted(others)]
        # A GPU whose own tokens clog its links computes more of them itself.
        for expert in np.argsort(plan[:, gpu] - step.load[:, gpu], kind="stable")[:HEAVY_EXPERTS].tolist():
            triples += [(giver, expert, gpu) for giver in np.flatnonzero(plan[expert]).tolist() if giver != gpu]
    givers, experts, takers = np.array(triples, dtype=np.int64).reshape(-1, 3).T
    has = plan[experts, givers].astype(np.int64)
    gap = (times[0][givers] - times[0][takers]) / (2 * step.costs.token_us)
    at_home = step.load[experts, takers] - plan[experts, takers]
    amounts = np.stack([has, has // 2, has // 8, gap.astype(np.int64), at_home], axis=1)
    way, amount = np.nonzero((amounts > 0) & (amounts <= has[:, None]))
    count = amounts[way, amount].astype(np.int32)
    rows = plan[experts[way]]
    each = np.arange(len(way))
    rows[each, givers[way]] -= count
    rows[each, takers[way]] += count
    return experts[way], rows


class _Effects:
    """What rows of plans mean for each GPU, so that a change of one expert's row is cheap to value."""

    def __init__(self, step: Step) -> None:
        self.step = step
        self._per_node = step.num_gpus // step.num_nodes
        self._node = step.node

    def of_plan(self, plan: Plan) -> Effects:
        """Sum over all experts: ``(10, gpus)``."""
        total: Effects = self.of_rows(np.arange(len(plan)), plan).sum(axis=0)
        return total

    def of_rows(self, experts: NDArray[np.int64], rows: NDArray[np.integer[Any]]) -> Effects:
        """Effects of these experts having these rows: ``(ways, 10, gpus)``."""
        step, each = self.step, np.arange(len(experts))
        load, owner = step.load[experts], step.owner[experts]
        stay = np.minimum(load, rows)
        supply, demand = (load - stay).astype(np.float64), (rows - stay).astype(np.float64)
        supply_near, demand_near = self._near(supply, demand)
        used = rows > 0
        moved = used.copy()
        moved[each, owner] = False
        near = moved & (self._node[owner][:, None] == self._node[None, :])
        result = np.zeros((len(experts), 10, step.num_gpus))
        result[:, _TOKENS], result[:, _GROUPS] = rows, used
        result[:, _NEAR_IN], result[:, _NEAR_OUT] = demand_near, supply_near
        result[:, _FAR_IN], result[:, _FAR_OUT] = demand - demand_near, supply - supply_near
        result[:, _NEAR_GET], result[:, _FAR_GET] = near, moved & ~near
        result[each, _NEAR_GIVE, owner] = near.sum(axis=1)
        result[each, _FAR_GIVE, owner] = (moved & ~near).sum(axis=1)
        return result

    def _near(self, supply: Values, demand: Values) -> tuple[Values, Values]:
        """The part of supply and of demand that is met within its node."""
        if self.step.num_nodes == 1:
            return supply, demand
        by_node = (len(supply), self.step.num_nodes, self._per_node)
        totals = [x.reshape(by_node).sum(axis=2) for x in (supply, demand)]
        met = np.minimum(*totals)
        shares = [np.divide(met, total, out=np.zeros_like(met), where=total > 0) for total in totals]
        near_supply, near_demand = (np.repeat(share, self._per_node, axis=1) for share in shares)
        return supply * near_supply, demand * near_demand

    def links_and_compute(self, effects: Effects) -> Effects:
        """Microseconds of compute, of four links on the way out, and of these on the way back: ``(ways, 9, gpus)``."""
        costs = self.step.costs
        token_us = np.array([costs.near_token_us] * 2 + [costs.far_token_us] * 2)[:, None]
        expert_us = np.array([costs.near_expert_us] * 2 + [costs.far_expert_us] * 2)[:, None]
        compute = costs.token_us * effects[:, _TOKENS] + costs.setup_us * effects[:, _GROUPS]
        back = token_us * effects[:, _NEAR_IN : _FAR_OUT + 1]
        out = back + expert_us * effects[:, _NEAR_GET : _FAR_GIVE + 1]
        return np.concatenate([compute[:, None], out, back], axis=1)

    def exact(self, effects: Effects) -> Values:
        """Microseconds of the whole step, ``(ways,)``."""
        times = self.links_and_compute(effects).max(axis=2)
        total: Values = times[:, 0] + times[:, 1:5].max(axis=1) + times[:, 5:].max(axis=1) + self._fixed(effects)
        return total

    def smooth(self, effects: Effects, power: float) -> Values:
        """The same with power means instead of maxima, without the fixed parts, which a single shift cannot save."""
        times = self.links_and_compute(effects)
        total: Values = np.zeros(len(times))
        for phase in (times[:, 0], times[:, 1:5].reshape(len(times), -1), times[:, 5:].reshape(len(times), -1)):
            peak = np.maximum(phase.max(axis=1, keepdims=True), 1e-9)
            mean: Values = ((phase / peak) ** power).mean(axis=1)
            total += peak[:, 0] * mean ** (1 / power)
        return total

    def fits(self, effects: Effects) -> Any:
        """Whether every GPU has the memory."""
        costs = self.step.costs
        foreign = effects[..., _NEAR_GET, :] + effects[..., _FAR_GET, :]
        used = costs.token_mib * effects[..., _TOKENS, :] + costs.expert_mib * foreign
        return (used <= costs.memory_mib * (1 - _MEMORY_SLACK)).all(axis=-1)

    def _fixed(self, effects: Effects) -> Values:
        costs = self.step.costs
        moved = (effects[:, _NEAR_GET] + effects[:, _FAR_GET]).any(axis=1)
        return np.asarray(2 * costs.collective_us + costs.rearrange_us * moved, dtype=np.float64)
