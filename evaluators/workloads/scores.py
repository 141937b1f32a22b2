"""Where all affinities of single tokens come from: the project's own records, a file of the same layout, or a law.

Rules. A source gives streams: the affinities of one model's router in one layer at one step of its training, for some
tokens of one domain in the order of the text. All layers and steps of a model and domain are of the same tokens.
Recorded sequences are dealt whole, by an order that depends on the file alone, each to the split that has the fewest
tokens yet; whatever the seed, the splits share no token. Documents repeat each other: of tokens with the same
affinities in all layers and steps only the first is kept. Where nothing tells the sequences, the tokens are cut into
`PIECES` pieces first. `HIDDEN_DOMAIN` belongs to hidden as a whole. The law draws other models for every seed.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from evaluators.digests import facts_digest
from evaluators.model import Split
from evaluators.workloads.choice import GENERATED, OWN, no_such_workload
from evaluators.workloads.generator import derive_seed, random_generator
from evaluators.workloads.own import FOLDER, HIDDEN_DOMAIN, MODELS, RouterScores, read_own, read_scores
from evaluators.workloads.score_law import draw_streams, law_facts
from evaluators.workloads.score_stream import ScoreStream
from evaluators.workloads.trace_files import TraceError, load_arrays

__all__ = ["ScoreSource", "ScoreStream", "TraceError", "open_scores"]

# Raise with every change of how tokens are dealt: scores of different versions never compare.
SCORES_VERSION = 1

PIECES = 9
"""Into how many pieces of neighbouring tokens a domain is cut where nothing tells its sequences: three a split."""

_SUFFIX = "_scores.npz"


class ScoreSource(Protocol):
    """Gives affinities of tokens."""

    @property
    def name(self) -> str:
        """Short, such as ``"own"``; names the workloads that are made of it."""

    @property
    def digest(self) -> str:
        """16 hexadecimal digits over everything that decides what a split and a seed give."""

    def streams(self, split: Split, seed: bytes) -> tuple[ScoreStream, ...]:
        """All streams of a split: by model, then domain, then layer, then step of training, both rising.

        Args:
            split: whose tokens; the splits share none.
            seed: 32 bytes; another seed gives other models (generated). Records give the same for every seed.
        """


def open_scores(workload: str) -> ScoreSource:
    """Open a source of affinities.

    Args:
        workload: ``generated``, ``own``, or the path of a ``NAME_scores.npz`` in the layout of `RouterScores`. With
            ``NAME.npz`` and ``NAME_weights.npz`` beside it sequences are dealt whole; without them the file needs an
            array ``top_k``, one whole number.

    Raises:
        TraceError: it cannot be used; says why and how to mend it.
    """
    if workload == GENERATED:
        return GeneratedScores()
    if workload == OWN:
        return RecordedScores(OWN, FOLDER, MODELS)
    path = Path(workload)
    if not path.is_file():
        raise TraceError(no_such_workload(workload))
    if not path.name.endswith(_SUFFIX):
        raise TraceError(f"{path}: affinities are read from a file named NAME{_SUFFIX}; rename it, or name another")
    model = path.name.removesuffix(_SUFFIX)
    return RecordedScores(model, path.parent, (model,))


class GeneratedScores:
    """Affinities drawn from the law of `evaluators.workloads.score_law`."""

    name = GENERATED

    @property
    def digest(self) -> str:
        """Digest of the law."""
        return facts_digest({"scores": SCORES_VERSION, **law_facts()})

    def streams(self, split: Split, seed: bytes) -> tuple[ScoreStream, ...]:
        """Draw models and their text; see `ScoreSource.streams`."""
        return draw_streams(split, random_generator(derive_seed(seed, f"scores/{split.value}")))


class RecordedScores:
    """Affinities of recorded models.

    Args:
        name: short name of the source.
        folder: where the files are.
        models: whose; each has a ``MODEL_scores.npz``.

    Raises:
        TraceError: a file is not there, or cannot be used.
    """

    def __init__(self, name: str, folder: Path, models: tuple[str, ...]) -> None:
        self.name = name
        self._models = tuple(_read(model, folder) for model in models)

    @property
    def digest(self) -> str:
        """Digest of the affinities, of which tokens they are, and of the rules by which these are dealt."""
        return facts_digest({"scores": SCORES_VERSION, "models": [model.digest for model in self._models]})

    def streams(self, split: Split, seed: bytes) -> tuple[ScoreStream, ...]:
        """All streams of the split, whatever the seed; see `ScoreSource.streams`."""
        del seed
        return tuple(stream for model in self._models for stream in model.streams(split))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Model:
    """One recorded model.

    Args:
        name: of the model.
        digest: SHA-256 over affinities and sequences, in hexadecimal.
        top_k: experts per token.
        scores: all that was recorded.
        sequence: by domain, int32 ``(tokens,)``, rising: which sequence each token is of.
    """

    name: str
    digest: str
    top_k: int
    scores: RouterScores
    sequence: Mapping[str, NDArray[np.int32]]

    def streams(self, split: Split) -> list[ScoreStream]:
        """Those of the split's tokens, a domain without any left out."""
        streams = []
        for domain, affinity in self.scores.affinity.items():
            chosen = self._dealt(domain) == list(Split).index(split)
            if not chosen.any():
                continue
            table = affinity[:, chosen].astype(np.float32)
            streams += [
                ScoreStream(
                    model=self.name,
                    domain=domain,
                    layer=int(self.scores.layer[layer]),
                    step=step,
                    top_k=self.top_k,
                    affinity=np.ascontiguousarray(table[step, :, layer]),
                    bias=self.scores.bias[step, layer],
                    sequence=self.sequence[domain][chosen],
                )
                for layer in range(len(self.scores.layer))
                for step in range(len(self.scores.step))
            ]
        return streams

    def _dealt(self, domain: str) -> NDArray[np.int64]:
        """The number of each token's split, ``(tokens,)``."""
        sequence = self.sequence[domain]
        hidden = list(Split).index(Split.HIDDEN)
        if domain == HIDDEN_DOMAIN:
            return np.full(len(sequence), hidden)
        names, counts = np.unique(sequence, return_counts=True)
        rng = random_generator(derive_seed(bytes.fromhex(self.digest), f"scores/{domain}"))
        order = rng.permutation(len(names))
        held = np.zeros(len(Split), dtype=np.int64)
        owner = np.empty(len(names), dtype=np.int64)
        for index in order[np.argsort(-counts[order], kind="stable")]:
            owner[index] = held.argmin()
            held[owner[index]] += counts[index]
        return owner[np.searchsorted(names, sequence)]


def _read(name: str, folder: Path) -> _Model:
    """Read a model's affinities, and its sequences where they are told."""
    path = folder / f"{name}{_SUFFIX}"
    if not path.is_file():
        raise TraceError(
            f"{folder}: {path.name} is missing; use 'generated' or the path of another file, or make it with "
            "bench/traces/train.py"
        )
    scores = _without_repeats(read_scores(name, folder))
    if (folder / f"{name}.npz").is_file() and (folder / f"{name}_weights.npz").is_file():
        trace = read_own(name, folder)
        top_k = trace.top_k
        ends = {domain: np.cumsum([len(own.ids) for own in held]) for domain, held in trace.domains.items()}
        if any(domain not in ends or (own >= ends[domain][-1]).any() for domain, own in scores.tokens.items()):
            raise TraceError(f"{path}: has tokens that {name}.npz and {name}_weights.npz do not; make all three again")
        sequence = {domain: np.searchsorted(ends[domain], own, side="right") for domain, own in scores.tokens.items()}
    else:
        top_k = _top_k(path)
        sequence = {domain: np.arange(len(own)) * PIECES // max(1, len(own)) for domain, own in scores.tokens.items()}
    _check(path, scores, top_k, sequence)
    digest = hashlib.sha256(f"{name} {top_k}".encode())
    for domain in sorted(scores.affinity):
        for array in (scores.affinity[domain], sequence[domain].astype(np.int32), scores.bias, scores.layer):
            digest.update(f"{domain} {array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data.cast("B"))
    return _Model(
        name=name,
        digest=digest.hexdigest(),
        top_k=top_k,
        scores=scores,
        sequence={domain: own.astype(np.int32) for domain, own in sequence.items()},
    )


def _top_k(path: Path) -> int:
    """What the file itself says about experts per token."""
    found = load_arrays(path).get("top_k")
    if found is None or found.size != 1 or found.dtype.kind not in "iu":
        raise TraceError(
            f"{path}: nothing tells how many experts a token visits; add an array top_k, one whole number, or put "
            "NAME.npz and NAME_weights.npz beside it"
        )
    return int(found.reshape(()))


def _without_repeats(scores: RouterScores) -> RouterScores:
    """Only the first of tokens with the same affinities, over all domains."""
    seen: set[bytes] = set()
    affinity, tokens = {}, {}
    for domain, table in scores.affinity.items():
        kept = []
        for token in range(table.shape[1]):
            row = table[:, token].tobytes()
            if row not in seen:
                kept.append(token)
            seen.add(row)
        affinity[domain], tokens[domain] = table[:, kept], scores.tokens[domain][kept]
    return dataclasses.replace(scores, affinity=affinity, tokens=tokens)


def _check(path: Path, scores: RouterScores, top_k: int, sequence: Mapping[str, NDArray[np.integer[Any]]]) -> None:
    """Refuse what no router with sigmoid affinities gives, and too little to be dealt."""
    experts = scores.bias.shape[-1]
    if not 1 <= top_k < experts:
        raise TraceError(f"{path}: top_k is {top_k} with {experts} experts; it lies between 1 and {experts - 1}")
    for domain, affinity in scores.affinity.items():
        if not (affinity.min(initial=1) >= 0 and affinity.max(initial=0) <= 1):
            raise TraceError(f"{path}: affinities of domain {domain!r} leave 0..1; record them after the sigmoid")
        if len(np.unique(sequence[domain])) < len(Split) or (np.diff(scores.tokens[domain]) <= 0).any():
            raise TraceError(
                f"{path}: domain {domain!r} needs different tokens of {len(Split)} sequences or more, in rising order; "
                "record more"
            )
