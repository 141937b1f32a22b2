"""Joins the problem ``eplb`` with its workloads: generated streams, the project's own traces, or another trace."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from evaluators.eplb.problem import Eplb
from evaluators.model import Split
from evaluators.problem import ProblemError
from evaluators.workloads.choice import GENERATED, OWN, no_such_workload
from evaluators.workloads.own_streams import OwnStreams
from evaluators.workloads.stream import LoadStream
from evaluators.workloads.suite import build_streams, suite_digest
from evaluators.workloads.traces import TraceError, trace_digest, trace_streams


def make_problem(workload: str) -> Eplb:
    """Build the problem on ``generated`` streams, on the project's ``own`` traces, or on the trace at a path.

    Raises:
        ProblemError: the trace cannot be used; says why and how to mend it.
    """
    if workload == GENERATED:
        return Eplb(_generated, suite_digest())
    if workload == OWN:
        return _own()
    path = Path(workload)
    if not path.exists():
        raise ProblemError(f"{no_such_workload(workload)}\nhint: docs/eplb.md describes the layouts that can be read")
    try:
        digest = trace_digest(path)
        draw = partial(_traced, path)
        for split in Split:
            draw(split, bytes(32))
    except TraceError as error:
        raise ProblemError(
            f"cannot use the trace {path}: {error}\nhint: docs/eplb.md describes the layouts that can be read"
        ) from error
    return Eplb(draw, digest)


def _own() -> Eplb:
    try:
        streams = OwnStreams()
        for split in Split:
            streams.draw(split, bytes(32))
    except TraceError as error:
        raise ProblemError(
            f"cannot use the project's own traces: {error}\nhint: use --workload generated, or the path of a trace"
        ) from error
    return Eplb(streams.draw, streams.digest)


def _generated(split: Split, seed: bytes) -> Sequence[LoadStream]:
    return build_streams(split, seed)


def _traced(path: Path, split: Split, seed: bytes) -> Sequence[LoadStream]:
    return trace_streams(path, split, seed)
