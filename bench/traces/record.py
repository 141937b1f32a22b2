"""Records how a model routes held-out text, and stores it small."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from model import Model
from numpy.typing import NDArray

_BATCH = 16
_WEIGHT_BITS = 4
_SCORE_BITS = 8
"""Leading bits that are kept of the ten of a float16's fraction: 3 % for weights, 0.2 % for scores."""
_WEIGHTED_SHARE = 0.28
"""Part of the bytes that goes to sequences with gate weights; weights take more room than ids."""


@dataclass(frozen=True, slots=True)
class Routing:
    """Routing of some sequences, one behind the other.

    Args:
        ids: uint8 ``(tokens, layers, top_k)``, rising.
        weights: float16 of the same shape, gate weights, rounded.
        scores: float16 ``(tokens, layers, experts)``, the router's affinities without bias, rounded.
        lengths: int32 ``(sequences,)``.
    """

    ids: NDArray[np.uint8]
    weights: NDArray[np.float16]
    scores: NDArray[np.float16]
    lengths: NDArray[np.int32]


def windows(
    documents: Sequence[NDArray[np.uint16]], *, tokens: int, shortest: int, longest: int, rng: np.random.Generator
) -> list[NDArray[np.uint16]]:
    """Stretches of documents, log-uniform in length, not overlapping; a second of a document after all had one."""
    found: list[NDArray[np.uint16]] = []
    held = 0
    for quarter in range(4):
        for number in rng.permutation(len(documents)):
            if held >= tokens:
                return found
            part = np.array_split(documents[number], 4)[quarter]
            length = min(int(np.exp(rng.uniform(np.log(shortest), np.log(longest + 1)))), len(part))
            if length < shortest // 2:
                continue
            start = int(rng.integers(len(part) - length + 1))
            found.append(part[start : start + length])
            held += length
    return found


@torch.no_grad()
def record(model: Model, sequences: Sequence[NDArray[np.uint16]], device: torch.device) -> Routing:
    """Run sequences through the model, each alone in its row, and keep what the routers did."""
    was = [experts.load.clone() for experts in model.experts]
    parts: list[tuple[NDArray[np.uint8], NDArray[np.float16], NDArray[np.float16]]] = []
    for start in range(0, len(sequences), _BATCH):
        batch = sequences[start : start + _BATCH]
        width = max(map(len, batch))
        tokens = torch.zeros(len(batch), width, dtype=torch.int64)
        inside = torch.zeros(len(batch), width, dtype=torch.bool)
        for row, sequence in enumerate(batch):
            tokens[row, : len(sequence)] = torch.from_numpy(sequence.astype(np.int64))
            inside[row, : len(sequence)] = True
        for experts in model.experts:
            experts.kept = []
        with torch.autocast(device_type=device.type, dtype=torch.bfloat16, enabled=device.type == "cuda"):
            model(tokens.to(device))
        parts.append(_kept(model, inside.reshape(-1).to(device)))
    for experts, load in zip(model.experts, was, strict=True):
        experts.kept = None
        experts.load.copy_(load)
    ids, weights, scores = (np.concatenate(part) for part in zip(*parts, strict=True))
    lengths = np.array([len(sequence) for sequence in sequences], dtype=np.int32)
    return Routing(ids=ids, weights=weights, scores=scores, lengths=lengths)


def _kept(model: Model, inside: torch.Tensor) -> tuple[NDArray[np.uint8], NDArray[np.float16], NDArray[np.float16]]:
    """What the routers kept of one batch, for the tokens inside sequences, with a token's experts in rising order."""
    layers = []
    for experts in model.experts:
        assert experts.kept is not None
        ((chosen, gates, affinity),) = experts.kept
        chosen, order = chosen[inside].sort(dim=1)
        layers.append((chosen, gates[inside].gather(1, order), affinity[inside]))
    ids, weights, scores = (torch.stack(part, dim=1).cpu().numpy() for part in zip(*layers, strict=True))
    return ids.astype(np.uint8), _rounded(weights, _WEIGHT_BITS), _rounded(scores, _SCORE_BITS)


def _rounded(values: NDArray[np.float32], bits: int) -> NDArray[np.float16]:
    """float16 with so many bits of its fraction, rounded to nearest: zeros compress."""
    drop = 10 - bits
    raw = values.astype(np.float16).view(np.uint16)
    half = np.uint16(1 << (drop - 1))
    mask = np.uint16(0xFFFF << drop & 0xFFFF)
    return ((raw + half) & mask).view(np.float16)


def save(folder: Path, name: str, routings: Mapping[str, Routing], most_bytes: int) -> dict[str, int]:
    """Store two files in the packed layout of `evaluators.workloads.trace_files`; returns their sizes in bytes.

    ``NAME_weights.npz`` has the first sequences of every domain with their gate weights, ``NAME.npz`` as many of the
    others as fit, without.
    """
    share = int(_WEIGHTED_SHARE * most_bytes)
    weighted, first = _fitting(routings, dict.fromkeys(routings, 0), share, weights=True)
    plain, _ = _fitting(routings, first, most_bytes - len(weighted), weights=False)
    contents = {f"{name}_weights.npz": weighted, f"{name}.npz": plain}
    for file, content in contents.items():
        (folder / file).write_bytes(content)
    return {file: len(content) for file, content in contents.items()}


def _fitting(
    routings: Mapping[str, Routing], first: Mapping[str, int], most_bytes: int, *, weights: bool
) -> tuple[bytes, dict[str, int]]:
    """An npz file with about as many tokens of each domain as fit, from given sequences on, and where they end.

    One sequence of a domain is always stored, and with weights never more than half of them.
    """
    tokens = max(int(routing.lengths.sum()) for routing in routings.values())
    while True:
        arrays: dict[str, NDArray[np.generic]] = {}
        stops: dict[str, int] = {}
        for domain, routing in routings.items():
            start = first[domain]
            ends = np.cumsum(routing.lengths[start:])
            count = max(1, int(np.searchsorted(ends, tokens, side="right")))
            if weights:
                count = max(1, min(count, len(ends) // 2))
            stops[domain] = start + count
            before = int(routing.lengths[:start].sum())
            inside = slice(before, before + int(routing.lengths[start : start + count].sum()))
            arrays[f"ids_{domain}"] = routing.ids[inside]
            arrays[f"len_{domain}"] = routing.lengths[start : start + count]
            if weights:
                arrays[f"w_{domain}"] = routing.weights[inside]
        content = packed(arrays)
        if len(content) <= most_bytes or tokens < 2:
            return content, stops
        tokens = int(tokens * min(0.97, 0.995 * most_bytes / len(content)))


def packed(arrays: Mapping[str, NDArray[np.generic]]) -> bytes:
    """An npz file's content."""
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    return file.getvalue()
