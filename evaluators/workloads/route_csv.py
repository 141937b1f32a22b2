"""Reader of the route logs of BigMoeOnEdge: one line per expert that a token visited, as a device ran it.

Layout (github.com/Helldez/BigMoeOnEdge, ``docs/bench-data/*.route.csv``): comment lines with the model's shape and the
bytes of each layer, a heading, then the columns ``turn, phase, step, layer, slot, expert, weight, residency,
expert_bytes``. Phase 0 is the prompt, 1 is decoding; ``step`` counts the tokens of a turn; ``slot`` runs over the top-k
by falling weight; ``residency`` is 1 where the expert was in memory; ``expert_bytes`` are the bytes that were read. The
lines are in the order of execution: the prompt layer by layer, decoding token by token.
"""

from __future__ import annotations

import hashlib
import io
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evaluators.workloads.trace_files import RoutedSequence, Trace, TraceError

_HEADING = "turn,phase,step,layer,slot,expert,weight,residency,expert_bytes"
_MAGIC = "# route_trace v1"
_DECODE = 1
_LAYOUT = f"the layout is {_MAGIC!r}, comments with n_layer, n_expert, n_expert_used, then {_HEADING!r} and numbers"


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteLog:
    """A route log in the order of its lines.

    Args:
        digest: SHA-256 of the file, in hexadecimal.
        layers: MoE layers.
        experts: routed experts per layer.
        top_k: experts per token and layer.
        expert_bytes: bytes of one expert of each layer, int64 ``(layers,)``.
        dense_bytes: bytes of each layer beside its experts, int64 ``(layers,)``.
        turn: int32 ``(rows,)``.
        decode: whether the line is of decoding, not of a prompt; bool ``(rows,)``.
        step: int32 ``(rows,)``, the token within its turn.
        layer: int32 ``(rows,)``.
        slot: int32 ``(rows,)``, rank among the token's experts of that layer.
        expert: int32 ``(rows,)``.
        weight: float32 ``(rows,)``, gate weight.
    """

    digest: str
    layers: int
    experts: int
    top_k: int
    expert_bytes: NDArray[np.int64]
    dense_bytes: NDArray[np.int64]
    turn: NDArray[np.int32]
    decode: NDArray[np.bool_]
    step: NDArray[np.int32]
    layer: NDArray[np.int32]
    slot: NDArray[np.int32]
    expert: NDArray[np.int32]
    weight: NDArray[np.float32]


def read_route_log(path: Path) -> RouteLog:
    """Read a route log.

    Raises:
        TraceError: it cannot be used.
    """
    try:
        content = path.read_bytes()
        lines = content.decode("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise TraceError(f"{path}: cannot be read as text ({error}); copy it again") from error
    comments = [line for line in lines if line.startswith("#")]
    rows = lines[len(comments) :]
    if not comments or comments[0].strip() != _MAGIC or not rows or rows[0].strip() != _HEADING:
        raise TraceError(f"{path}: not a route log; {_LAYOUT}")
    shape = {
        key: int(value)
        for key, value in re.findall(r"\b(n_layer|n_expert|n_expert_used)=(\d{1,6})\b", "\n".join(comments))
    }
    if len(shape) < 3:
        raise TraceError(f"{path}: the comments give only {shape}; {_LAYOUT}")
    sizes = {
        int(layer): (int(expert), int(dense))
        for layer, expert, dense in re.findall(
            r"^# layer=(\d{1,6}) expert_bytes=(\d{1,15}) dense_bytes=(\d{1,15})", "\n".join(comments), re.MULTILINE
        )
    }
    if sorted(sizes) != list(range(shape["n_layer"])):
        raise TraceError(f"{path}: gives the bytes of {len(sizes)} layers of {shape['n_layer']}; {_LAYOUT}")
    columns = _columns(path, rows[1:], first_line=len(comments) + 2)
    bytes_of = np.array([sizes[layer] for layer in range(shape["n_layer"])], dtype=np.int64)
    log = RouteLog(
        digest=hashlib.sha256(content).hexdigest(),
        layers=shape["n_layer"],
        experts=shape["n_expert"],
        top_k=shape["n_expert_used"],
        expert_bytes=bytes_of[:, 0],
        dense_bytes=bytes_of[:, 1],
        turn=columns[:, 0].astype(np.int32),
        decode=columns[:, 1] == _DECODE,
        step=columns[:, 2].astype(np.int32),
        layer=columns[:, 3].astype(np.int32),
        slot=columns[:, 4].astype(np.int32),
        expert=columns[:, 5].astype(np.int32),
        weight=columns[:, 6].astype(np.float32),
    )
    for name, values, end in (
        ("layer", log.layer, log.layers),
        ("slot", log.slot, log.top_k),
        ("expert", log.expert, log.experts),
    ):
        if values.min() < 0 or values.max() >= end:
            raise TraceError(f"{path}: {name} runs from {values.min()} to {values.max()}, need 0 to {end - 1}")
    return log


def read_route_csv(path: Path) -> Trace:
    """Read the decoded tokens of a route log, one sequence a turn, in the single domain ``decode``.

    The prompt is left out: its last layer is logged for the last token alone.

    Raises:
        TraceError: it cannot be used.
    """
    log = read_route_log(path)
    sequences = []
    for turn in np.unique(log.turn[log.decode]).tolist():
        here = log.decode & (log.turn == turn)
        order = np.lexsort((log.slot[here], log.layer[here], log.step[here]))
        steps = np.unique(log.step[here])
        width = log.layers * log.top_k
        if order.size != steps.size * width:
            raise TraceError(
                f"{path}, turn {turn}: {order.size} lines of decoding for {steps.size} tokens, need {width} for each; "
                "copy the file again"
            )
        form = (steps.size, log.layers, log.top_k)
        ids = log.expert[here][order].reshape(form).astype(np.uint16)
        ordered = np.sort(ids, axis=2)
        if (ordered[:, :, 1:] == ordered[:, :, :-1]).any():
            raise TraceError(f"{path}, turn {turn}: a token visits an expert twice in a layer; copy the file again")
        sequences.append(RoutedSequence(ids=ids, weights=log.weight[here][order].reshape(form)))
    if not sequences:
        raise TraceError(f"{path}: holds no decoded token (phase 1); record a decoding")
    return Trace(
        digest=log.digest,
        layers=log.layers,
        top_k=log.top_k,
        experts=log.experts,
        domains={"decode": tuple(sequences)},
    )


def _columns(path: Path, rows: list[str], *, first_line: int) -> NDArray[np.float64]:
    """All numbers, float64 ``(rows, 9)``; every integer of the layout is exact in float64."""
    try:
        columns = np.loadtxt(io.StringIO("\n".join(rows)), delimiter=",", dtype=np.float64, ndmin=2)
    except ValueError as error:
        raise TraceError(f"{path}, from line {first_line}: {error}; {_LAYOUT}") from error
    if not columns.size or columns.shape[1] != len(_HEADING.split(",")) or not np.isfinite(columns).all():
        raise TraceError(f"{path}: rows {columns.shape} with numbers that are not finite, or none; {_LAYOUT}")
    return columns
