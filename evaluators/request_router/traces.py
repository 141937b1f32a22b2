"""Reads request traces in Mooncake's layout and makes workloads of them.

One JSON object a line: ``timestamp`` in milliseconds, ``input_length`` and ``output_length`` in tokens, ``hash_ids`` of
the prompt's blocks of 512 tokens, each id standing for everything up to the end of that block.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluators.model import Split
from evaluators.request_router.traffic import BLOCK_TOKENS, Request, Speeds, Traffic
from evaluators.request_router.workloads import CACHE_BLOCKS, COSTS, OBJECTIVE_SECONDS, VIEW_SECONDS
from evaluators.workloads.generator import derive_seed
from evaluators.workloads.trace_files import TraceError

Stamps = NDArray[np.float64]

INSTANCES = 12
"""Instances that a whole trace is replayed on."""

RATES = {Split.TRAIN: (1.25, 1.5, 1.75), Split.VALIDATION: (1.4, 1.6), Split.HIDDEN: (1.25, 1.5, 1.75, 2.0)}
"""How many times as fast as recorded a trace is replayed, one workload each."""

MOST_REQUESTS = {Split.TRAIN: 1600, Split.VALIDATION: 3000, Split.HIDDEN: 6000}
"""How many requests a workload takes at most."""

WARM_SHARE = 0.2
STRETCHES = 16

FEWEST_REQUESTS = 300
"""A trace needs so many for each split."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestTrace:
    """A recorded trace.

    Args:
        name: its file's name.
        digest: 16 hexadecimal digits of its bytes.
        requests: in the order of their arrival.
    """

    name: str
    digest: str
    requests: tuple[Request, ...]


def read_trace(path: Path) -> RequestTrace:
    """Read a trace.

    Raises:
        TraceError: it is not of this layout, or too short.
    """
    try:
        data = path.read_bytes()
        lines = data.decode().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise TraceError(f"cannot be read as text: {error}") from error
    requests = [_request(number, line) for number, line in enumerate(lines, start=1) if line.strip()]
    if len(requests) < len(Split) * FEWEST_REQUESTS:
        raise TraceError(f"{len(requests)} requests; three splits need {len(Split) * FEWEST_REQUESTS} together")
    requests.sort(key=lambda request: request.arrival_seconds)
    if requests[0].arrival_seconds == requests[-1].arrival_seconds:
        raise TraceError("all requests have one timestamp")
    return RequestTrace(name=path.name, digest=hashlib.sha256(data).hexdigest()[:16], requests=tuple(requests))


def _request(number: int, line: str) -> Request:
    try:
        entry: Any = json.loads(line)
        request = Request(
            arrival_seconds=float(entry["timestamp"]) / 1000,
            input_tokens=int(entry["input_length"]),
            output_tokens=max(1, int(entry["output_length"])),
            blocks=tuple(int(block) for block in entry["hash_ids"]),
        )
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise TraceError(
            f"line {number} is no request with timestamp, input_length, output_length and hash_ids: "
            f"{type(error).__name__}: {error}"
        ) from error
    if not math.isfinite(request.arrival_seconds):
        raise TraceError(f"line {number}: its timestamp {entry['timestamp']!r} is no moment")
    most = -(-request.input_tokens // BLOCK_TOKENS)
    if (
        request.input_tokens < 1
        or not 0 < len(request.blocks) <= most
        or len(set(request.blocks)) < len(request.blocks)
    ):
        raise TraceError(
            f"line {number}: {len(request.blocks)} hash_ids for {request.input_tokens} tokens; there must be at least "
            f"one, none twice, and at most one for each {BLOCK_TOKENS} tokens begun"
        )
    return request


def trace_facts(trace: RequestTrace) -> dict[str, object]:
    """Everything that defines the workloads of a trace, except the seed."""
    return {
        "trace": trace.digest,
        "instances": INSTANCES,
        "rates": {split.value: RATES[split] for split in Split},
        "most_requests": {split.value: MOST_REQUESTS[split] for split in Split},
        "warm_share": WARM_SHARE,
        "stretches": STRETCHES,
        "cache_blocks": CACHE_BLOCKS,
        "objective_seconds": OBJECTIVE_SECONDS,
        "view_seconds": VIEW_SECONDS,
        "costs": dataclasses.asdict(COSTS),
    }


def trace_traffic(trace: RequestTrace, split: Split, seed: bytes) -> list[Traffic]:
    """Make the workloads of a split: its third of the requests of the trace, replayed at several rates.

    Every block deals the same third anew: with another part of it where it is long, other moments within each tick of
    the recording clock, other names for the blocks.
    """
    third = len(trace.requests) // len(Split)
    begin = list(Split).index(split) * third
    requests = trace.requests[begin : begin + third]
    result = []
    for rate in RATES[split]:
        name = f"{Path(trace.name).stem}/x{rate:g}"
        # The same requests under another file's name are the same workloads.
        rng = np.random.default_rng(list(derive_seed(seed, f"{split.value}/x{rate:g}")))
        result.append(replay(name, requests, rate, MOST_REQUESTS[split], rng))
    return result


def replay(name: str, requests: tuple[Request, ...], rate: float, most: int, rng: np.random.Generator) -> Traffic:
    """One workload of recorded requests.

    Recorded clocks tick (Mooncake's conversation trace every 3 s): each request arrives at a random moment between
    its tick and the next, or else every policy would be tried on bursts that the recording made.

    Args:
        name: of the workload.
        requests: in the order of their arrival.
        rate: how many times as fast as recorded.
        most: how many are taken at most, from a random one on.
        rng: where all chance comes from.
    """
    start = int(rng.integers(max(0, len(requests) - most) + 1))
    taken = requests[start : start + most]
    moments = _within_ticks(np.array([request.arrival_seconds for request in taken]), rng) / rate
    blocks = sorted({block for request in taken for block in request.blocks})
    names = dict(zip(blocks, rng.integers(1, 2**62, size=len(blocks)).tolist(), strict=True))
    order = np.argsort(moments, kind="stable")
    dealt = [
        dataclasses.replace(
            taken[index],
            arrival_seconds=float(moments[index] - moments[order[0]]),
            blocks=tuple(names[block] for block in taken[index].blocks),
        )
        for index in order
    ]
    warm = round(WARM_SHARE * len(dealt))
    scored = (len(dealt) - warm) // STRETCHES * STRETCHES
    return Traffic(
        name=name,
        stratum=name,
        requests=tuple(dealt[: warm + scored]),
        warm_requests=warm,
        stretches=STRETCHES,
        fleet=(Speeds(),) * INSTANCES,
        cache_blocks=CACHE_BLOCKS,
        costs=COSTS,
        objective_seconds=OBJECTIVE_SECONDS,
        view_seconds=VIEW_SECONDS,
    )


def _within_ticks(stamps: Stamps, rng: np.random.Generator) -> Stamps:
    """Random moments, each between its stamp and the next one; where that is long in coming, a usual tick later."""
    ticks = np.unique(stamps)
    if len(ticks) < 2:
        raise TraceError(f"{len(stamps)} requests of one split have one timestamp")
    usual = np.median(np.diff(ticks))
    lengths = np.minimum(np.diff(ticks, append=np.inf), usual)
    return stamps + rng.random(len(stamps)) * lengths[np.searchsorted(ticks, stamps)]
