"""Joins the problem ``block_coreset`` with its blocks: of generated routes, or of those of a trace."""

from __future__ import annotations

import dataclasses
from functools import partial

from evaluators.block_coreset import bound, measures, problem, reference
from evaluators.block_coreset.blocks import BLOCKS, BLOCKS_VERSION, DRAWS, KINDS, SHARES, draw_streams
from evaluators.block_coreset.problem import BlockCoreset
from evaluators.model import Split
from evaluators.problem import ProblemError
from evaluators.workloads.choice import GENERATED, OWN
from evaluators.workloads.routes import RouteSource, TraceError, open_routes


def make_problem(workload: str = OWN) -> BlockCoreset:
    """Build the problem on the project's ``own`` traces, on ``generated`` routes, or on those of the trace at a path.

    Raises:
        ProblemError: the trace cannot be used; says why and how to mend it.
    """
    try:
        source = open_routes(workload)
        if workload != GENERATED:
            for split in Split:
                draw_streams(source, split, bytes(32))
    except TraceError as error:
        raise ProblemError(
            f"cannot use the routes {workload!r}: {error}\nhint: docs/block_coreset.md says what can be read"
        ) from error
    return BlockCoreset(partial(draw_streams, source), _facts(source))


def _facts(source: RouteSource) -> dict[str, object]:
    """All that a score depends on beside the program and the secret."""
    return {
        "routes": source.digest,
        "blocks": BLOCKS_VERSION,
        "kinds": {split.value: [dataclasses.asdict(kind) for kind in KINDS[split]] for split in Split},
        "draws": {split.value: [DRAWS[split], BLOCKS[split]] for split in Split},
        "shares": list(SHARES),
        "low": measures.LOW_SHARE,
        "gate": [problem.GATE_SECONDS, problem.PATIENCE, problem.CALL_SECONDS],
        "reference": [
            *(reference.REFERENCE_VERSION, reference.KICKS, *reference.KICK_SIZES, reference.MOST_EXCHANGES),
            *(reference.EVEN, reference.HALF),
        ],
        "bound": [bound.ROUNDS, bound.SOLVER_SLACK],
    }
