"""One timed workload: a shape, and loads for as many calls as are wanted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluators.eplb_speed.measures import plan_form
from evaluators.eplb_speed.shapes import Shape
from evaluators.problem import Arguments, Draw
from evaluators.workloads.generator import GeneratorConfig, derive_seed, generate
from evaluators.workloads.regimes import Regime

Load = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanningTask:
    """Loads of one law for one shape; every call gets a load of its own, so that nothing can be remembered.

    Args:
        name: unique within a block.
        stratum: the law, which other workloads of the block may share.
        shape: model and machine.
        loads: gives the load float32 ``(layers, experts)`` of the call of any number, in tokens.
        expert_order: expert ``e`` is shown as number ``expert_order[e]``; None for as it is. Keeps groups together.
        layer_order: layer shown at each place; None for as it is.
        factor: by which loads are multiplied.
    """

    name: str
    stratum: str
    shape: Shape
    loads: Callable[[int], Load]
    expert_order: tuple[int, ...] | None = None
    layer_order: tuple[int, ...] | None = None
    factor: float = 1.0

    def draw(self, number: int) -> Draw:
        """The call of that number, and the form of a plan for its load."""
        load = self._shown(self.loads(number))
        shape = self.shape
        arguments: Arguments = {
            "load": load,
            "num_slots": shape.num_slots,
            "num_groups": shape.num_groups,
            "num_nodes": shape.num_nodes,
            "num_gpus": shape.num_gpus,
        }
        return Draw(arguments=arguments, expected=plan_form(load, shape))

    def _shown(self, load: Load) -> Load:
        if self.layer_order is not None:
            load = load[list(self.layer_order)]
        if self.expert_order is not None:
            renamed = np.empty_like(load)
            renamed[:, list(self.expert_order)] = load
            load = renamed
        return np.ascontiguousarray(load * np.float32(self.factor))


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratedLoads:
    """Loads of the calibrated generator, each with popularities and a domain mix of its own.

    Args:
        law: the law of a window's loads.
        seed: 32 secret bytes.
    """

    law: GeneratorConfig
    seed: bytes

    def __call__(self, number: int) -> Load:
        """The load of the call of that number."""
        seed = derive_seed(self.seed, f"call/{number}")
        load: Load = generate(self.law, seed, regime=Regime.STATIONARY, windows=1)[0]
        return load
