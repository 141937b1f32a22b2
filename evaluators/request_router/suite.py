"""Builds `request_router` on generated traffic or on a request trace."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from evaluators.digests import facts_digest
from evaluators.model import Split
from evaluators.problem import ProblemError
from evaluators.request_router.problem import RequestRouter
from evaluators.request_router.traces import read_trace, trace_facts, trace_traffic
from evaluators.request_router.traffic import Traffic
from evaluators.request_router.workloads import COSTS, VERSION, build_all, definitions
from evaluators.workloads.choice import GENERATED
from evaluators.workloads.trace_files import TraceError


def make_problem(workload: str) -> RequestRouter:
    """Build the problem on ``generated`` traffic or on the request trace at a path (JSON lines, as Mooncake's).

    Raises:
        ProblemError: the trace cannot be used; says why and how to mend it.
    """
    if workload == GENERATED:
        return RequestRouter(_generated, facts_digest(_generated_facts(), compact=True))
    path = Path(workload)
    if not path.exists():
        raise ProblemError(
            f"no workload {workload!r}\n"
            "hint: use 'generated', or the path of a request trace (see docs/request_router.md)"
        )
    try:
        trace = read_trace(path)
    except TraceError as error:
        raise ProblemError(
            f"cannot use the trace {path}: {error}\nhint: docs/request_router.md describes the layout that can be read"
        ) from error
    return RequestRouter(partial(trace_traffic, trace), facts_digest(trace_facts(trace), compact=True))


def _generated(split: Split, seed: bytes) -> Sequence[Traffic]:
    return build_all(split, seed)


def _generated_facts() -> dict[str, object]:
    return {
        "version": VERSION,
        "costs": dataclasses.asdict(COSTS),
        "splits": {split.value: [dataclasses.asdict(one) for one in definitions(split)] for split in Split},
    }
