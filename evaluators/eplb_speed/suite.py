"""Joins the problem ``eplb_speed`` with its workloads: generated loads, or loads counted over a trace."""

from __future__ import annotations

from functools import partial

from evaluators.eplb_speed.generated import generated_digest, generated_tasks
from evaluators.eplb_speed.problem import EplbSpeed
from evaluators.eplb_speed.recorded import (
    LONGEST_PIECE,
    MACHINES,
    MIX_CONCENTRATION,
    PIECES,
    RECORDED_VERSION,
    recorded_tasks,
)
from evaluators.model import Split
from evaluators.problem import ProblemError
from evaluators.workloads.choice import GENERATED
from evaluators.workloads.routes import TraceError, open_routes


def make_problem(workload: str) -> EplbSpeed:
    """Build the problem on ``generated`` loads, on ``own`` traces, or on the trace at a path.

    Raises:
        ProblemError: the trace cannot be used; says why and how to mend it.
    """
    if workload == GENERATED:
        return EplbSpeed(generated_tasks, {"workloads": generated_digest()})
    try:
        source = open_routes(workload)
        draw = partial(recorded_tasks, source)
        for split in Split:
            draw(split, bytes(32))
    except TraceError as error:
        raise ProblemError(f"cannot use the workload {workload}: {error}\nhint: see docs/eplb_speed.md") from error
    definition = {
        "workloads": source.digest,
        "version": RECORDED_VERSION,
        "machines": {split.value: machines for split, machines in MACHINES.items()},
        "pieces": PIECES,
        "longest_piece": LONGEST_PIECE,
        "mix_concentration": MIX_CONCENTRATION,
    }
    return EplbSpeed(draw, definition)
