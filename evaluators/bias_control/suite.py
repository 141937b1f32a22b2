"""Joins the problem ``bias_control`` with where its router scores come from."""

from __future__ import annotations

from functools import partial

from evaluators.bias_control.laws import draw_streams, laws_facts, routers
from evaluators.bias_control.optimum import CLOSE, MOST_ROUNDS, OPTIMUM_VERSION, SHORTER
from evaluators.bias_control.problem import BiasControl
from evaluators.model import Split
from evaluators.problem import ProblemError
from evaluators.workloads.scores import TraceError, open_scores


def make_problem(workload: str) -> BiasControl:
    """Build the problem on ``generated`` scores, on the project's ``own``, or on those of a ``NAME_scores.npz``.

    Raises:
        ProblemError: the scores cannot be used; says why and how to mend it.
    """
    try:
        source = open_scores(workload)
        for split in Split:
            routers(source, split, bytes(32))
    except TraceError as error:
        raise ProblemError(
            f"cannot use the scores {workload}: {error}\nhint: docs/bias_control.md describes what can be read"
        ) from error
    facts = {
        "scores": source.digest,
        "laws": laws_facts(),
        "optimum": [OPTIMUM_VERSION, MOST_ROUNDS, CLOSE, SHORTER],
    }
    return BiasControl(partial(draw_streams, source), facts)
