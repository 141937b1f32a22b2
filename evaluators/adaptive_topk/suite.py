"""Joins the problem ``adaptive_topk`` with its streams: of generated affinities, or of those of a trace."""

from __future__ import annotations

import dataclasses
from functools import partial

from evaluators.adaptive_topk import measures, prices, problem, relief
from evaluators.adaptive_topk.problem import AdaptiveTopK
from evaluators.adaptive_topk.streams import BURST, CALLS, DRAWS, KINDS, STREAMS_VERSION, draw_streams
from evaluators.model import Split
from evaluators.problem import ProblemError
from evaluators.workloads.choice import GENERATED, OWN
from evaluators.workloads.scores import ScoreSource, TraceError, open_scores


def make_problem(workload: str = OWN) -> AdaptiveTopK:
    """Build the problem on the project's ``own`` affinities, on ``generated`` ones, or on those of the file at a path.

    Raises:
        ProblemError: the file cannot be used; says why and how to mend it.
    """
    try:
        source = open_scores(workload)
        if workload != GENERATED:
            for split in Split:
                draw_streams(source, split, bytes(32))
    except TraceError as error:
        raise ProblemError(
            f"cannot use the affinities {workload!r}: {error}\nhint: docs/adaptive_topk.md says what can be read"
        ) from error
    return AdaptiveTopK(partial(draw_streams, source), _facts(source))


def _facts(source: ScoreSource) -> dict[str, object]:
    """All that a score depends on beside the program and the secret."""
    return {
        "scores": source.digest,
        "streams": STREAMS_VERSION,
        "kinds": {split.value: [dataclasses.asdict(kind) for kind in KINDS[split]] for split in Split},
        "draws": {split.value: [DRAWS[split], CALLS[split]] for split in Split},
        "costs": [measures.TIME_PRICE, BURST],
        "gate": [problem.GATE_SECONDS, problem.PATIENCE, problem.CALL_SECONDS],
        "reference": [prices.PRICES_VERSION, prices.ROUNDS, prices.REPAIR_EVERY, prices.STEP, relief.RELIEF_VERSION],
    }
