"""Joins the problem ``eplb`` with its workloads: generated streams, or the windows of a trace."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import seeds
from evaluators.eplb.problem import (
    DECLARATION,
    FOLDER,
    HISTORY_WINDOWS,
    MIGRATION_COST,
    PATIENCE,
    REFERENCE_SEED,
    Eplb,
)
from evaluators.model import Split
from evaluators.problem import ProblemError
from evaluators.workloads.stream import LoadStream
from evaluators.workloads.suite import build_streams, suite_digest
from evaluators.workloads.traces import TraceError, trace_digest, trace_streams


def make_problem(workload: str) -> Eplb:
    """Build the problem on ``generated`` streams or on the trace at a path.

    Raises:
        ProblemError: the trace cannot be used; says why and how to mend it.
    """
    if workload == "generated":
        return Eplb(_generated, _digest(suite_digest()))
    path = Path(workload)
    if not path.exists():
        raise ProblemError(
            f"no workload {workload!r}\nhint: use 'generated', or the path of a trace (see docs/eplb.md)"
        )
    try:
        digest = trace_digest(path)
        draw = partial(_traced, path)
        for split in Split:
            draw(split, bytes(32))
    except TraceError as error:
        raise ProblemError(
            f"cannot use the trace {path}: {error}\nhint: docs/eplb.md describes the layouts that can be read"
        ) from error
    return Eplb(draw, _digest(digest))


def _generated(split: Split, seed: bytes) -> Sequence[LoadStream]:
    return build_streams(split, seed)


def _traced(path: Path, split: Split, seed: bytes) -> Sequence[LoadStream]:
    return trace_streams(path, split, seed)


def _digest(workloads: str) -> str:
    """Digest of the streams' definition with the constants and the programs that a score is read against."""
    facts = {
        "problem": DECLARATION.name,
        "workloads": workloads,
        "migration_cost": MIGRATION_COST,
        "history_windows": HISTORY_WINDOWS,
        "patience": PATIENCE,
        "marks": [
            seed.source for seed in seeds.read_seeds(FOLDER) if seed.name in (DECLARATION.baseline, REFERENCE_SEED)
        ],
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
