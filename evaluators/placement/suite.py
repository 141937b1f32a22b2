"""Joins the problem ``placement`` with its workloads: generated deployments, or recorded routing."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import overload

from evaluators.model import Split
from evaluators.placement import machines, reference
from evaluators.placement.machines import Draw, build, draws
from evaluators.placement.measures import ALPHA, BETA, GAMMA
from evaluators.placement.periods import Deployment
from evaluators.placement.problem import DROPPED, LEAST_TIMEOUT_SECONDS, PATIENCE, Placing
from evaluators.placement.recorded import RECORDED_VERSION, recorded
from evaluators.problem import ProblemError
from evaluators.workloads.choice import GENERATED
from evaluators.workloads.routes import TraceError, open_routes


class Block(Sequence[Deployment]):
    """The workloads of a block, each drawn when it is asked for and not kept: an audit wants the first of fifty blocks.

    Args:
        plans: what there is to draw.
        seed: the block's 32-byte secret.
    """

    def __init__(self, plans: Sequence[Draw], seed: bytes) -> None:
        self._plans = plans
        self._seed = seed

    def __len__(self) -> int:
        return len(self._plans)

    @overload
    def __getitem__(self, index: int) -> Deployment: ...

    @overload
    def __getitem__(self, index: slice) -> Block: ...

    def __getitem__(self, index: int | slice) -> Deployment | Block:
        if isinstance(index, slice):
            return Block(self._plans[index], self._seed)
        return build(self._plans[index], self._seed)


def make_problem(workload: str) -> Placing:
    """Build the problem on ``generated`` deployments, on the project's ``own`` traces, or on the trace at a path.

    Raises:
        ProblemError: the trace cannot be used; says why and how to mend it.
    """
    if workload == GENERATED:
        return Placing(_generated, {**_facts(), "workloads": machines.definition()})
    try:
        source = open_routes(workload)
        for split in Split:
            recorded(source, split, bytes(32))
    except TraceError as error:
        raise ProblemError(
            f"cannot use the trace {workload}: {error}\nhint: docs/placement.md describes what can be read"
        ) from error
    return Placing(partial(recorded, source), {**_facts(), "workloads": [RECORDED_VERSION, source.digest]})


def _generated(split: Split, seed: bytes) -> Sequence[Deployment]:
    return Block(draws(split), seed)


def _facts() -> dict[str, object]:
    """The constants that a score depends on."""
    return {
        "costs": [ALPHA, BETA, GAMMA],
        "gate": [PATIENCE, LEAST_TIMEOUT_SECONDS, DROPPED],
        "reference": [
            list(reference.PENALTIES),
            reference.SWEEPS,
            reference.STEPS,
            reference.PAIRS,
            reference.POLISH,
        ],
    }
