"""Everything that the judge derives from a plan: which tokens travel, what each phase of the step takes, memory.

A plan is an int32 array ``(experts, gpus)``: how many tokens of each expert every GPU computes. Tokens of an expert are
computed where they already are as far as the plan allows, then on their own node, then on other nodes; each time
all sources and all takers share in proportion.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluators.replies import Expected, Rule
from evaluators.token_dispatch.hardware import Costs

Plan = NDArray[np.int32]
Tokens = NDArray[np.integer[Any]]
Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of one MoE layer.

    Args:
        load: int32 ``(experts, gpus)``, tokens that each source GPU sends to each expert.
        owner: int32 ``(experts,)``, the GPU that holds each expert's weights.
        num_nodes: nodes; GPUs are spread evenly over them, in order.
        costs: times and memory.
    """

    load: NDArray[np.int32]
    owner: NDArray[np.int32]
    num_nodes: int
    costs: Costs

    @property
    def num_gpus(self) -> int:
        """GPUs."""
        return int(self.load.shape[1])

    @property
    def node(self) -> NDArray[np.int64]:
        """Node of each GPU."""
        return np.arange(self.num_gpus) // (self.num_gpus // self.num_nodes)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTime:
    """How long a step takes, in microseconds.

    Args:
        exchange_us: tokens and weights to where they are needed, the slowest link.
        compute_us: the slowest GPU.
        combine_us: results back, the slowest link.
        fixed_us: both all-to-alls' fixed parts, and rearranging if any expert runs away from its owner.
    """

    exchange_us: float
    compute_us: float
    combine_us: float
    fixed_us: float

    @property
    def total_us(self) -> float:
        """The whole step."""
        return self.exchange_us + self.compute_us + self.combine_us + self.fixed_us


def plan_form(step: Step) -> Expected:
    """The form of a legal plan: every token is computed once, and each GPU has the memory for its part."""
    return Expected(
        what="the plan",
        dtype="int32",
        shape=step.load.shape,
        values="tokens",
        rules=(
            Rule(name="no negative tokens", fault=_negative, spoil=_borrow_a_token),
            Rule(name="every token is computed once", fault=partial(_miscounted, step), spoil=_lose_a_token),
            Rule(name="memory of each GPU", fault=partial(_out_of_memory, step), spoil=partial(_overfill, step)),
        ),
    )


def plain_plan(step: Step) -> Plan:
    """Plain expert parallelism: every token is computed by its expert's owner."""
    plan = np.zeros_like(step.load)
    plan[np.arange(len(step.owner)), step.owner] = step.load.sum(axis=1)
    return plan


def foreign(step: Step, plan: Plan) -> NDArray[np.bool_]:
    """Which experts each GPU must be sent: ``(experts, gpus)``."""
    needed = plan > 0
    needed[np.arange(len(step.owner)), step.owner] = False
    return needed


def memory_mib(step: Step, plan: Plan) -> Values:
    """MiB that every GPU holds: activations and foreign weights, ``(gpus,)``."""
    tokens = plan.sum(axis=0, dtype=np.int64)
    used: Values = step.costs.token_mib * tokens + step.costs.expert_mib * foreign(step, plan).sum(axis=0)
    return used


def step_time(step: Step, plan: Plan) -> StepTime:
    """Time of a step under a legal plan."""
    costs, moved = step.costs, foreign(step, plan)
    near_in, near_out, far_in, far_out = _traffic(step, plan)
    per_node = step.num_gpus // step.num_nodes
    same_node = (step.owner // per_node)[:, None] == step.node[None, :]
    near, far = moved & same_node, moved & ~same_node
    near_sent, far_sent = (
        np.bincount(step.owner, weights=which.sum(axis=1), minlength=step.num_gpus) for which in (near, far)
    )
    exchange = max(
        float((costs.near_token_us * near_in + costs.near_expert_us * near.sum(axis=0)).max()),
        float((costs.near_token_us * near_out + costs.near_expert_us * near_sent).max()),
        float((costs.far_token_us * far_in + costs.far_expert_us * far.sum(axis=0)).max()),
        float((costs.far_token_us * far_out + costs.far_expert_us * far_sent).max()),
    )
    near_peak, far_peak = max(near_in.max(), near_out.max()), max(far_in.max(), far_out.max())
    compute = costs.token_us * plan.sum(axis=0, dtype=np.int64) + costs.setup_us * (plan > 0).sum(axis=0)
    return StepTime(
        exchange_us=exchange,
        compute_us=float(compute.max()),
        combine_us=float(max(costs.near_token_us * near_peak, costs.far_token_us * far_peak)),
        fixed_us=2 * costs.collective_us + costs.rearrange_us * bool(moved.any()),
    )


def least_us_if_moved(step: Step) -> float:
    """A simple lower bound on the time of every plan that runs an expert away from its owner, in microseconds.

    All fixed parts, and all tokens and each active expert once, spread evenly over the GPUs.
    """
    costs, tokens = step.costs, step.load.sum(axis=1, dtype=np.int64)
    compute_us = costs.token_us * float(tokens.sum()) + costs.setup_us * int(np.count_nonzero(tokens))
    return 2 * costs.collective_us + costs.rearrange_us + compute_us / step.num_gpus


def _traffic(step: Step, plan: Plan) -> tuple[Values, Values, Values, Values]:
    """Tokens that each GPU takes and sends over its links on the way out: near in, near out, far in, far out."""
    stay = np.minimum(step.load, plan)
    supply, demand = (step.load - stay).astype(np.float64), (plan - stay).astype(np.float64)
    if step.num_nodes == 1:
        zero = np.zeros(step.num_gpus)
        return demand.sum(axis=0), supply.sum(axis=0), zero, zero
    per_node = step.num_gpus // step.num_nodes
    by_node = (len(plan), step.num_nodes, per_node)
    node_supply, node_demand = (x.reshape(by_node).sum(axis=2) for x in (supply, demand))
    met = np.minimum(node_supply, node_demand)
    supply_near, demand_near = (
        whole * np.repeat(np.divide(met, total, out=np.zeros_like(met), where=total > 0), per_node, axis=1)
        for whole, total in ((supply, node_supply), (demand, node_demand))
    )
    return (
        demand_near.sum(axis=0),
        supply_near.sum(axis=0),
        (demand - demand_near).sum(axis=0),
        (supply - supply_near).sum(axis=0),
    )


def _negative(plan: Plan) -> str | None:
    if (plan >= 0).all():
        return None
    expert, gpu = np.argwhere(plan < 0)[0]
    return f"GPU {gpu} computes {plan[expert, gpu]} tokens of expert {expert}; tokens must be 0 or more"


def _miscounted(step: Step, plan: Plan) -> str | None:
    there, planned = step.load.sum(axis=1, dtype=np.int64), plan.sum(axis=1, dtype=np.int64)
    if np.array_equal(there, planned):
        return None
    expert = int(np.argmax(there != planned))
    return f"expert {expert} has {there[expert]} tokens, the plan computes {planned[expert]}"


def _out_of_memory(step: Step, plan: Plan) -> str | None:
    used, room = memory_mib(step, plan), step.costs.memory_mib
    # A program may add up in another order: rounding is forgiven.
    if (used <= room * (1 + 1e-9)).all():
        return None
    gpu = int(used.argmax())
    return f"GPU {gpu} needs {used[gpu]:.1f} MiB for activations and foreign weights, it has {room:.1f}"


def _borrow_a_token(plan: Plan, rng: np.random.Generator) -> Plan:
    """Let one GPU compute a token more than there are and another less than none."""
    spoilt = plan.copy()
    expert = int(rng.integers(len(plan)))
    giver, taker = int(plan[expert].argmin()), int(plan[expert].argmax())
    spoilt[expert, taker] += plan[expert, giver] + 1
    spoilt[expert, giver] = -1
    return spoilt


def _lose_a_token(plan: Plan, rng: np.random.Generator) -> Plan:
    """Forget one token of one expert on one GPU."""
    spoilt = plan.copy()
    expert, gpu = rng.choice(np.argwhere(plan > 0))
    spoilt[expert, gpu] -= 1
    return spoilt


def _overfill(step: Step, plan: Plan, rng: np.random.Generator) -> Plan:
    """Let one GPU compute everything."""
    gpu = int(rng.integers(step.num_gpus))
    spoilt = np.zeros_like(plan)
    spoilt[:, gpu] = plan.sum(axis=1)
    return spoilt
