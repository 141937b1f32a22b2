"""Readers of recorded expert routing: a packed npz layout and the text files that ESFT writes.

Packed layout, for every domain ``D``: ``ids_D`` integers ``(tokens, layers, top_k)``, ``len_D`` integers
``(sequences,)`` with the tokens of each sequence, and optionally ``w_D`` floats of the shape of ``ids_D``.

ESFT layout (github.com/deepseek-ai/ESFT, ``results/expert_scores`` and its script ``get_expert_scores``): a
folder per domain with one ``expert_weights_N.txt`` per MoE layer, N from 1, or the same within ``rank_R``
folders. A line is a sequence: the ids of all its tokens, tab-separated, an empty column, then as many gate
weights.
"""

from __future__ import annotations

import hashlib
import re
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evaluators.model import EvaluatorError

_LAYOUT = "the layout is ids_<domain> (tokens, layers, top_k), len_<domain> (sequences,), optional w_<domain>"
_PREFIXES = ("ids", "len", "w")
_EXPERT_MULTIPLE = 8
_MOST_EXPERTS = 4096


class TraceError(EvaluatorError):
    """A trace cannot be used; the message says what is wrong, where, and how to mend it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutedSequence:
    """One request's routing.

    Args:
        ids: uint16 ``(tokens, layers, top_k)``, the experts that each token visited.
        weights: float32 of the same shape, their gate weights; None where the trace has none.
    """

    ids: NDArray[np.uint16]
    weights: NDArray[np.float32] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """Recorded routing of one model.

    Args:
        digest: SHA-256 over the files it was read from, in hexadecimal.
        layers: MoE layers.
        top_k: experts per token and layer.
        experts: routed experts per layer; unless told, the largest id + 1 rounded up to a multiple of 8: the
            last experts may never be chosen and published routers have such sizes.
        domains: sequences by domain, in the order of the file; domains in the order of their names.
    """

    digest: str
    layers: int
    top_k: int
    experts: int
    domains: Mapping[str, tuple[RoutedSequence, ...]]


def read_trace(path: Path, *, experts: int | None = None, top_k: int = 6) -> Trace:
    """Read a trace in the layout that the path suggests: a folder holds ESFT's text files, a file is an npz.

    Args:
        path: file or folder.
        experts: routed experts per layer, where it is known.
        top_k: experts per token; only ESFT's files need it, because they do not say.

    Raises:
        TraceError: it cannot be used.
    """
    if not path.exists():
        raise TraceError(f"{path}: no such file or folder; give an npz file or a folder of ESFT scores")
    if path.is_dir():
        return read_esft(path, experts=experts, top_k=top_k)
    return read_npz(path, experts=experts)


def read_npz(path: Path, *, experts: int | None = None) -> Trace:
    """Read the packed layout.

    Raises:
        TraceError: it cannot be used.
    """
    arrays = load_arrays(path)
    names: dict[str, set[str]] = {prefix: set() for prefix in _PREFIXES}
    for name in arrays:
        prefix, _, domain = name.partition("_")
        if prefix not in names or not domain:
            raise TraceError(f"{path}: unexpected array {name!r}; {_LAYOUT}; rename or remove it")
        names[prefix].add(domain)
    for domain in sorted(set().union(*names.values())):
        for prefix in ("ids", "len"):
            if domain not in names[prefix]:
                raise TraceError(f"{path}: domain {domain!r} has no array {prefix}_{domain}; {_LAYOUT}")
    domains = {
        domain: _split_sequences(
            f"{path}, domain {domain!r}",
            arrays[f"ids_{domain}"],
            arrays[f"len_{domain}"],
            arrays.get(f"w_{domain}"),
        )
        for domain in sorted(names["ids"])
    }
    return _trace(path, domains, _digest([path]), experts)


def read_esft(folder: Path, *, experts: int | None = None, top_k: int = 6) -> Trace:
    """Read ESFT's text files: ``folder/<domain>[/rank_<r>]/expert_weights_<layer>.txt``.

    Raises:
        TraceError: it cannot be used.
    """
    domains: dict[str, tuple[RoutedSequence, ...]] = {}
    files: list[Path] = []
    for domain in sorted(child for child in folder.iterdir() if child.is_dir()):
        sequences: list[RoutedSequence] = []
        for part in sorted(domain.glob("rank_*")) or [domain]:
            layers = _layer_files(part)
            files.extend(layers)
            sequences.extend(_read_layers(layers, top_k))
        domains[domain.name] = tuple(sequences)
    if not domains:
        raise TraceError(f"{folder}: no folder per domain; give the one that holds <domain>/expert_weights_1.txt")
    return _trace(folder, domains, _digest(files, folder), experts)


def load_arrays(path: Path) -> dict[str, NDArray[np.generic]]:
    """Read every array of an npz file without unpickling anything.

    Raises:
        TraceError: it cannot be read.
    """
    mend = "write it again with numpy.savez_compressed and plain integer and float arrays"
    if path.stat().st_size == 0:
        raise TraceError(f"{path}: the file is empty; {mend}")
    if not zipfile.is_zipfile(path):
        raise TraceError(f"{path}: not an npz file, or cut short; {mend}")
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (ValueError, OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise TraceError(f"{path}: not a readable npz file ({error}); {mend}") from error
    for name, array in arrays.items():
        # A member of the zip file that is no array comes out as bytes.
        if not isinstance(array, np.ndarray):
            raise TraceError(f"{path}: {name!r} is not an array; {mend}")
    if not arrays:
        raise TraceError(f"{path}: the file holds no arrays; {_LAYOUT}")
    return arrays


def _split_sequences(
    where: str, ids: NDArray[np.generic], lengths: NDArray[np.generic], weights: NDArray[np.generic] | None
) -> tuple[RoutedSequence, ...]:
    """Check the arrays of one domain and cut them into sequences."""
    if ids.ndim != 3 or not np.issubdtype(ids.dtype, np.integer):
        raise TraceError(f"{where}: ids are {ids.dtype} {ids.shape}, need integers (tokens, layers, top_k)")
    if not ids.size:
        raise TraceError(f"{where}: ids of shape {ids.shape} hold no token; remove the domain or record some")
    if lengths.ndim != 1 or not np.issubdtype(lengths.dtype, np.integer):
        raise TraceError(f"{where}: len is {lengths.dtype} {lengths.shape}, need integers (sequences,)")
    tokens = lengths.astype(np.int64)
    if tokens.size == 0 or tokens.min() < 1 or tokens.sum() != len(ids):
        raise TraceError(
            f"{where}: len holds {tokens.size} sequences, {tokens.sum()} tokens, but ids {len(ids)} tokens; "
            "give the tokens of every sequence, each at least 1"
        )
    wide = ids.astype(np.int64)
    low, high = int(wide.min()), int(wide.max())
    if low < 0 or high >= _MOST_EXPERTS:
        raise TraceError(f"{where}: ids run from {low} to {high}, need 0 to {_MOST_EXPERTS - 1}; mend the ids")
    narrow = wide.astype(np.uint16)
    ordered = np.sort(narrow, axis=2)
    if (ordered[:, :, 1:] == ordered[:, :, :-1]).any():
        raise TraceError(f"{where}: a token visits an expert twice in a layer; the last axis of ids must be the top-k")
    cuts = np.cumsum(tokens)[:-1]
    pieces = np.split(narrow, cuts)
    if weights is None:
        return tuple(RoutedSequence(ids=piece, weights=None) for piece in pieces)
    if weights.shape != ids.shape or not np.issubdtype(weights.dtype, np.floating):
        raise TraceError(f"{where}: weights are {weights.dtype} {weights.shape}, need floats {ids.shape}")
    gates = weights.astype(np.float32)
    if not np.isfinite(gates).all():
        raise TraceError(f"{where}: some weights are not finite; leave the weights out or mend them")
    both = zip(pieces, np.split(gates, cuts), strict=True)
    return tuple(RoutedSequence(ids=piece, weights=gate) for piece, gate in both)


def _trace(where: Path, domains: Mapping[str, tuple[RoutedSequence, ...]], digest: str, experts: int | None) -> Trace:
    """Put domains together after checking that they come from one model."""
    shapes = {domain: sequences[0].ids.shape[1:] for domain, sequences in domains.items()}
    if len(set(shapes.values())) > 1:
        raise TraceError(f"{where}: domains differ in (layers, top_k): {shapes}; keep one model to a trace")
    layers, top_k = next(iter(shapes.values()))
    found = max(int(sequence.ids.max()) for sequences in domains.values() for sequence in sequences) + 1
    rounded = -(-found // _EXPERT_MULTIPLE) * _EXPERT_MULTIPLE
    if experts is not None and found > experts:
        raise TraceError(f"{where}: expert id {found - 1} in a model of {experts} experts; mend either")
    return Trace(digest=digest, layers=layers, top_k=top_k, experts=experts or rounded, domains=domains)


def _layer_files(folder: Path) -> list[Path]:
    """List the files of layers 1, 2, ... in that order."""
    numbered = {
        int(match[1]): path
        for path in folder.iterdir()
        if (match := re.fullmatch(r"expert_weights_(\d+)\.txt", path.name))
    }
    if sorted(numbered) != list(range(1, len(numbered) + 1)) or not numbered:
        raise TraceError(
            f"{folder}: holds layers {sorted(numbered)}, need expert_weights_<n>.txt for n = 1, 2, ... "
            "without a gap; copy the missing files"
        )
    return [numbered[layer] for layer in sorted(numbered)]


def _read_layers(paths: list[Path], top_k: int) -> list[RoutedSequence]:
    """Read the sequences of one folder and stack their layers."""
    layers = [_read_layer(path, top_k) for path in paths]
    result: list[RoutedSequence] = []
    for number, sequence in enumerate(layers[0]):
        for path, layer in zip(paths, layers, strict=True):
            if len(layer) != len(layers[0]) or layer[number][0].shape != sequence[0].shape:
                raise TraceError(
                    f"{path}, line {number + 1}: sequences or tokens differ from those in {paths[0].name}; "
                    "all layers must come from one recording"
                )
        ids = np.stack([layer[number][0] for layer in layers], axis=1)
        weights = np.stack([layer[number][1] for layer in layers], axis=1)
        where = f"{paths[0].parent}, sequence {number + 1}"
        result.extend(_split_sequences(where, ids, np.array([len(ids)]), weights))
    return result


def _read_layer(path: Path, top_k: int) -> list[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Read one layer: for each sequence, ids and weights ``(tokens, top_k)``."""
    sequences = []
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise TraceError(f"{path}: cannot be read as text ({error}); copy it again") from error
    for number, line in enumerate(lines, start=1):
        left, _, right = line.partition("\t\t")
        try:
            ids = np.array([int(item) for item in left.split("\t")], dtype=np.int64)
            weights = np.array([float(item) for item in right.split("\t")], dtype=np.float32)
        except (ValueError, OverflowError) as error:
            raise TraceError(
                f"{path}, line {number}: {error}; a line is ids, an empty column, as many weights, by tabs"
            ) from error
        if ids.size != weights.size or ids.size % top_k:
            raise TraceError(
                f"{path}, line {number}: {ids.size} ids and {weights.size} weights, need equally many and a "
                f"multiple of top_k = {top_k}; give the model's top_k"
            )
        sequences.append((ids.reshape(-1, top_k), weights.reshape(-1, top_k)))
    if not sequences:
        raise TraceError(f"{path}: holds no sequence; remove the domain or copy the file again")
    return sequences


def _digest(paths: Iterable[Path], root: Path | None = None) -> str:
    """SHA-256 over the names (below ``root``, if given) and contents of files."""
    digest = hashlib.sha256()
    for path in paths:
        if root is not None:
            digest.update(path.relative_to(root).as_posix().encode() + b"\0")
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
