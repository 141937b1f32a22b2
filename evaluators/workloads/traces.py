"""Streams of expert loads cut from a recorded trace.

Rules. A window is made of whole sequences, and no sequence comes twice in a stream. Every domain's sequences
are dealt to train, validation and hidden in equal parts, by an order that depends on the trace alone:
whatever the seed, hidden sequences are never met before. The seed decides which sequence falls into which
window. A stream has as many windows as the options ask for, or else the largest number, at least 4, for which
every window holds ``min_tokens`` tokens; its history then shrinks to a quarter of the windows. At 4 windows a
single sequence is enough for one. A domain with fewer than 4 sequences in a split takes part in none of its
streams, so which streams there are never depends on the seed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evaluators.digests import facts_digest
from evaluators.model import Split
from evaluators.workloads.generator import derive_seed, random_generator
from evaluators.workloads.stream import LoadStream
from evaluators.workloads.trace_files import RoutedSequence, Trace, TraceError, read_trace

__all__ = [
    "FEWEST_WINDOWS",
    "TraceError",
    "TraceOptions",
    "count_windows",
    "schedule",
    "split_sequences",
    "trace_digest",
    "trace_streams",
]

# Raise with every change of the rules above: scores of different versions never compare.
TRACE_STREAMS_VERSION = 1
FEWEST_WINDOWS = 4
"""A stream with fewer windows would leave no history or nothing to score."""
_SPLITS = tuple(Split)


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceOptions:
    """How a trace becomes streams.

    Args:
        experts: routed experts per layer; None takes what the trace suggests (see ``Trace.experts``).
        top_k: experts per token, for ESFT's text files, which do not say.
        num_slots: expert slots per layer; None takes 1.25 an expert, rounded up to a multiple of the GPUs.
        num_gpus: GPUs.
        num_nodes: servers.
        warm_windows: leading windows that are history only.
        scored_windows: windows that are planned for.
        min_tokens: tokens that every window should hold; with fewer, sampling noise hides the popularity.
        gate_seconds: how long one plan may take.
    """

    experts: int | None = None
    top_k: int = 6
    num_slots: int | None = None
    num_gpus: int = 8
    num_nodes: int = 1
    warm_windows: int = 6
    scored_windows: int = 24
    min_tokens: int = 128
    gate_seconds: float = 0.150

    def __post_init__(self) -> None:
        """Refuse a machine or a number of windows that makes no sense."""
        if min(self.top_k, self.num_gpus, self.num_nodes, self.warm_windows, self.min_tokens) < 1:
            raise TraceError(f"trace options: counts must be at least 1, got {self}")
        if self.num_gpus % self.num_nodes or (self.num_slots or self.num_gpus) % self.num_gpus:
            raise TraceError(f"trace options: needs slots % gpus == 0 and gpus % nodes == 0, got {self}")
        if self.warm_windows + self.scored_windows < FEWEST_WINDOWS or self.scored_windows < 1:
            raise TraceError(f"trace options: needs at least {FEWEST_WINDOWS} windows in all, got {self}")

    def slots(self, experts: int) -> int:
        """Slots per layer for so many experts.

        Raises:
            TraceError: there are fewer slots than experts.
        """
        slots = self.num_slots or -(-experts * 5 // (4 * self.num_gpus)) * self.num_gpus
        if slots < experts:
            raise TraceError(f"trace options: {slots} slots for {experts} experts; give num_slots >= experts")
        return slots


def trace_streams(path: Path, split: Split, seed: bytes, options: TraceOptions | None = None) -> list[LoadStream]:
    """Cut the streams of one split from a trace.

    Each domain alone, then for every pair of neighbouring domains a slow drift from one to the other, and an
    abrupt switch between them.

    Args:
        path: npz file or folder of ESFT expert scores.
        split: whose sequences.
        seed: the block's 32-byte secret.
        options: deployment and windows; defaults if None.

    Raises:
        TraceError: the trace cannot be used, or is too short for any stream.
    """
    options = options or TraceOptions()
    trace = read_trace(path, experts=options.experts, top_k=options.top_k)
    slots = options.slots(trace.experts)
    held = split_sequences(trace, split)
    pools = {domain: pool for domain, pool in held.items() if len(pool) >= FEWEST_WINDOWS}
    if not pools:
        counts = {domain: len(pool) for domain, pool in held.items()}
        raise TraceError(
            f"{path}: too few sequences for split {split.value}: {counts}; a domain needs {FEWEST_WINDOWS} "
            f"there, that is {len(_SPLITS) * FEWEST_WINDOWS} in all; record more sequences"
        )
    streams = []
    for name, members in _plans(list(pools)):
        rng = random_generator(derive_seed(seed, f"{split.value}/{name}"))
        loads = count_windows(schedule(name, [pools[domain] for domain in members], rng), trace, options)
        wanted = options.warm_windows + options.scored_windows
        streams.append(
            LoadStream(
                name=f"{trace.layers}x{trace.experts}/{name}",
                loads=loads,
                num_slots=slots,
                num_gpus=options.num_gpus,
                num_nodes=options.num_nodes,
                warm_windows=options.warm_windows if len(loads) == wanted else len(loads) // 4,
                gate_seconds=options.gate_seconds,
            )
        )
    return streams


def trace_digest(path: Path, options: TraceOptions | None = None) -> str:
    """Name what a trace's streams are made of: 16 hexadecimal digits over files, options and rules.

    Raises:
        TraceError: the trace cannot be used.
    """
    options = options or TraceOptions()
    trace = read_trace(path, experts=options.experts, top_k=options.top_k)
    definition = {
        "version": TRACE_STREAMS_VERSION,
        "files": trace.digest,
        "options": dataclasses.asdict(options),
    }
    return facts_digest(definition)


def split_sequences(trace: Trace, split: Split) -> dict[str, tuple[RoutedSequence, ...]]:
    """Sequences of one split by domain; the three splits share none, and no seed changes that."""
    pools = {}
    for domain, sequences in trace.domains.items():
        rng = random_generator(derive_seed(bytes.fromhex(trace.digest), f"split/{domain}"))
        order = rng.permutation(len(sequences))
        pools[domain] = tuple(sequences[index] for index in order[_SPLITS.index(split) :: len(_SPLITS)])
    return pools


def _plans(domains: Sequence[str]) -> list[tuple[str, tuple[str, ...]]]:
    """Name the streams, each with its domains in the order in which they reign."""
    pairs = [(first, second) for first, second in zip(domains, [*domains[1:], domains[0]], strict=True)]
    pairs = [(first, second) for first, second in pairs if first != second]
    return [
        *((f"{domain}/stationary", (domain,)) for domain in domains),
        *((f"{first}-{second}/drifting", (first, second)) for first, second in pairs),
        *((f"{first}-{second}/abrupt", (first, second)) for first, second in pairs),
    ]


def schedule(
    name: str, pools: Sequence[Sequence[RoutedSequence]], rng: np.random.Generator
) -> list[tuple[float, RoutedSequence]]:
    """Give every sequence a moment in [0, 1) at which it arrives.

    Alone, a domain's sequences arrive evenly. Drifting, the first domain's rate falls to zero along a
    straight line while the second's rises from it; the moments are quantiles of those densities, 2(1 - t) and
    2t. After an abrupt switch only the second arrives.
    """
    switch = rng.uniform(0.35, 0.65)
    members: list[tuple[float, RoutedSequence]] = []
    for index, pool in enumerate(pools):
        evenly = (rng.permutation(len(pool)) + 0.5) / max(1, len(pool))
        if len(pools) == 1:
            moments = evenly
        elif name.endswith("/drifting"):
            moments = np.sqrt(evenly) if index else 1 - np.sqrt(1 - evenly)
        else:
            moments = switch + (1 - switch) * evenly if index else switch * evenly
        members.extend(zip(moments.tolist(), pool, strict=True))
    return members


def count_windows(
    members: Sequence[tuple[float, RoutedSequence]], trace: Trace, options: TraceOptions
) -> NDArray[np.float32]:
    """Count loads float32 ``(windows, layers, experts)`` for as many windows as the sequences can fill."""
    moments = np.array([moment for moment, _ in members])
    tokens = np.array([len(sequence.ids) for _, sequence in members])
    windows = options.warm_windows + options.scored_windows
    while True:
        place = np.minimum((moments * windows).astype(np.int64), windows - 1)
        held = np.bincount(place, weights=tokens, minlength=windows)
        if windows == FEWEST_WINDOWS or held.min() >= options.min_tokens:
            break
        windows -= 1
    loads = np.zeros((windows, trace.layers * trace.experts), dtype=np.float32)
    first = (np.arange(trace.layers) * trace.experts)[None, :, None]
    for window, (_, sequence) in zip(place, members, strict=True):
        loads[window] += np.bincount((first + sequence.ids).ravel(), minlength=loads.shape[1])
    return loads.reshape(windows, trace.layers, trace.experts)
