"""Draws the steps of a deployment: how many tokens, which experts they want, on which GPUs they wait.

A step's popularity is log-normal with the spread measured on public traces (see `evaluators.workloads.generator`), or a
part of all tokens is focused on a few experts that sit side by side, the grid of LLEP's controlled experiments
(arXiv 2601.17111, section 5.1: 30 to 95 % of the tokens on 1, 4 or 16 experts). Every source GPU has a taste of its
own, and in some steps some have far more tokens than others.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from evaluators.token_dispatch.hardware import Costs, Gpu, Model, costs_of
from evaluators.token_dispatch.measures import Step, memory_mib, plain_plan, step_time
from evaluators.token_dispatch.reference import search

# Raise with every change of what a seed gives: scores of different versions never compare.
STEPS_VERSION = 1

Shares = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A layer on a machine.

    Args:
        model: the layer's shape.
        gpu: peaks of one GPU.
        num_gpus: GPUs.
        num_nodes: nodes, a divisor of ``num_gpus``.
        label: short name.
        spare_experts: foreign experts for which every GPU keeps room.
        scattered: whether experts are dealt to GPUs at random, equally many to each, and not in order.
    """

    model: Model
    gpu: Gpu
    num_gpus: int
    num_nodes: int
    label: str
    spare_experts: int = 4
    scattered: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StepLaw:
    """The law that steps are drawn from.

    Args:
        tokens_low: fewest tokens of a step over all GPUs; log-uniform.
        tokens_high: most tokens.
        spread_low: smallest standard deviation of log popularity, nats.
        spread_high: largest.
        focused: chance that a step is focused.
        focus_low: smallest share of token visits that a focus takes.
        focus_high: largest.
        focus_experts: how many experts a focus has; one of these, scaled with the experts from 128.
        taste: concentration of the source GPUs' own shares around popularity, for each expert; low is more varied.
        uneven: chance that source GPUs hold unequally many tokens.
    """

    tokens_low: int
    tokens_high: int
    spread_low: float = 0.5
    spread_high: float = 1.05
    focused: float = 0.35
    focus_low: float = 0.15
    focus_high: float = 0.6
    focus_experts: tuple[int, ...] = (4, 8, 16)
    taste: float = 8.0
    uneven: float = 0.3


@dataclass(frozen=True, kw_only=True)
class DispatchStream:
    """Steps of one deployment. Not slotted: the reference's times are found once and kept.

    Args:
        name: unique within its block.
        stratum: the law that they were drawn from.
        steps: in order; each stands alone.
    """

    name: str
    stratum: str
    steps: tuple[Step, ...]

    @cached_property
    def plain_us(self) -> tuple[float, ...]:
        """Time of each step under plain expert parallelism."""
        return tuple(step_time(step, plain_plan(step)).total_us for step in self.steps)

    @cached_property
    def reference_us(self) -> tuple[float, ...]:
        """Time of each step under the reference's plan."""
        return tuple(search(step).total_us for step in self.steps)


def draw_steps(deployment: Deployment, law: StepLaw, rng: np.random.Generator, count: int) -> tuple[Step, ...]:
    """Draw so many steps; owners stay the same."""
    owner = owners(deployment, rng)
    return tuple(
        make_step(deployment, owner, draw_load(deployment, law, rng, _shares(deployment, law, rng)))
        for _ in range(count)
    )


def owners(deployment: Deployment, rng: np.random.Generator) -> NDArray[np.int32]:
    """The GPU of each expert, alike many on each to one."""
    experts = deployment.model.experts
    owner = (np.arange(experts) * deployment.num_gpus // experts).astype(np.int32)
    return rng.permutation(owner) if deployment.scattered else owner


def make_step(deployment: Deployment, owner: NDArray[np.int32], load: NDArray[np.int32]) -> Step:
    """A step with its costs.

    Every GPU has room for the activations of twice the mean load and for ``spare_experts`` foreign experts, and never
    less than plain expert parallelism needs.
    """
    costs = costs_of(deployment.model, deployment.gpu, deployment.num_nodes, 0.0)
    step = Step(load=load, owner=owner, num_nodes=deployment.num_nodes, costs=costs)
    room = _room(step, costs, deployment.spare_experts)
    return dataclasses.replace(step, costs=dataclasses.replace(costs, memory_mib=room))


def _room(step: Step, costs: Costs, spare_experts: int) -> float:
    mean_load = float(step.load.sum()) / step.num_gpus
    room = 2 * mean_load * costs.token_mib + spare_experts * costs.expert_mib
    return max(room, float(memory_mib(step, plain_plan(step)).max()))


def draw_load(
    deployment: Deployment,
    law: StepLaw,
    rng: np.random.Generator,
    shares: Shares,
) -> NDArray[np.int32]:
    """Draw the load ``(experts, gpus)`` of a step.

    Args:
        deployment: model and machine.
        law: how many tokens, and how they are spread over sources.
        rng: the only source of randomness.
        shares: part of each source GPU's token visits that each expert takes, ``(gpus, experts)``.
    """
    gpus = deployment.num_gpus
    tokens = np.exp(rng.uniform(np.log(law.tokens_low), np.log(law.tokens_high)))
    weights = rng.dirichlet(np.full(gpus, 1.5)) if rng.random() < law.uneven else np.full(gpus, 1 / gpus)
    visits = deployment.model.top_k * np.maximum(1, np.round(tokens * weights)).astype(np.int64)
    return rng.multinomial(visits, shares).T.astype(np.int32)


def _shares(deployment: Deployment, law: StepLaw, rng: np.random.Generator) -> Shares:
    """Each source GPU's shares of the experts, ``(gpus, experts)``."""
    experts, top_k = deployment.model.experts, deployment.model.top_k
    popularity = np.exp(rng.uniform(law.spread_low, law.spread_high) * rng.standard_normal(experts))
    popularity /= popularity.sum()
    if rng.random() < law.focused:
        hot = max(1, int(rng.choice(law.focus_experts)) * experts // 128)
        # A token visits an expert once, so that no expert takes more than 1 / top_k of the visits.
        share = min(float(rng.uniform(law.focus_low, law.focus_high)), 0.9 * hot / top_k)
        chosen = (int(rng.integers(experts)) + np.arange(hot)) % experts
        popularity *= 1 - share
        popularity[chosen] += share * rng.dirichlet(np.full(hot, 20.0))
    popularity = np.minimum(popularity, 1 / top_k)
    popularity /= popularity.sum()
    own = rng.standard_gamma(popularity * law.taste * experts, size=(deployment.num_gpus, experts))
    own += 1e-9 / experts
    drawn: Shares = own / own.sum(axis=1, keepdims=True)
    return drawn
