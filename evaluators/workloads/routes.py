"""Where the routing of single tokens comes from: a generator, a recorded trace, or the traces of this project.

Rules. A source gives, for a split and a seed, one model's routing of some sequences by domain. Sequences of a recorded
trace are dealt to the splits by an order that depends on the trace alone, so that whatever the seed the splits share
none. A domain with fewer than `FEWEST_SEQUENCES` sequences is first cut into pieces of consecutive tokens. The seed
decides the order of a split's sequences. The generator draws another model for every seed, train and validation from
the same ranges of laws, hidden from wider ones.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from evaluators.digests import facts_digest
from evaluators.model import Split
from evaluators.workloads.choice import GENERATED, OWN, no_such_workload
from evaluators.workloads.generator import GENERATOR_VERSION, GeneratorConfig, derive_seed, random_generator
from evaluators.workloads.own import OwnRoutes
from evaluators.workloads.regimes import MixConfig
from evaluators.workloads.route_csv import read_route_csv
from evaluators.workloads.tokens import TokenConfig, route_sequences
from evaluators.workloads.trace_files import RoutedSequence, Trace, TraceError, read_trace
from evaluators.workloads.traces import split_sequences

__all__ = ["RouteLaw", "RouteShape", "RouteSource", "TraceError", "open_routes"]

# Raise with every change of what a seed gives: scores of different versions never compare.
ROUTES_VERSION = 1

FEWEST_SEQUENCES = 9
"""A recorded domain with fewer sequences is cut into at least so many pieces: three a split."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteShape:
    """What a generated source is asked for; recorded ones have a shape of their own.

    Args:
        layers: MoE layers.
        experts: routed experts per layer.
        top_k: experts per token and layer.
        tokens: tokens over all domains together.
    """

    layers: int = 26
    experts: int = 64
    top_k: int = 6
    tokens: int = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteLaw:
    """The ranges, low to high, that a generated model's law is drawn from.

    Args:
        domains: how many domains there are.
        repeat_probability: see `TokenConfig`.
        affinity: see `TokenConfig`.
        successors: see `TokenConfig`.
        sequence_tokens: lengths of sequences, log-uniform.
        domain_correlation: see `GeneratorConfig`.
        sequence_sd: see `TokenConfig`.
    """

    domains: tuple[int, int]
    repeat_probability: tuple[float, float]
    affinity: tuple[float, float]
    successors: tuple[int, int]
    sequence_tokens: tuple[int, int]
    domain_correlation: tuple[float, float]
    sequence_sd: tuple[float, float]


_SEEN = RouteLaw(
    domains=(3, 5),
    repeat_probability=(0.12, 0.18),
    affinity=(1.7, 2.3),
    successors=(4, 4),
    sequence_tokens=(32, 160),
    domain_correlation=(0.15, 0.15),
    sequence_sd=(0.0, 0.0),
)
LAWS: Mapping[Split, RouteLaw] = {
    Split.TRAIN: _SEEN,
    Split.VALIDATION: _SEEN,
    Split.HIDDEN: RouteLaw(
        domains=(4, 9),
        repeat_probability=(0.04, 0.30),
        affinity=(1.0, 3.0),
        successors=(2, 8),
        sequence_tokens=(16, 320),
        domain_correlation=(0.05, 0.30),
        sequence_sd=(0.0, 0.0),
    ),
}
"""What generated models are drawn from, by split."""


class RouteSource(Protocol):
    """Gives the routing of tokens."""

    @property
    def name(self) -> str:
        """Short, such as ``"generated"``; names the workloads that are made of it."""

    @property
    def digest(self) -> str:
        """16 hexadecimal digits over everything that decides what a split and a seed give."""

    @property
    def variants(self) -> Sequence[RouteSource]:
        """A source for each of the models between which `sequences` chooses by seed; itself where it is but one."""

    def sequences(self, split: Split, seed: bytes, shape: RouteShape | None = None) -> Trace:
        """One model's sequences by domain, in the order in which they arrive.

        Args:
            split: whose sequences; the splits share none.
            seed: 32 bytes; another seed gives another model (generated) or another order (recorded).
            shape: what a generated source is asked for; the default shape if None.

        Raises:
            TraceError: the split holds no sequence.
        """


def open_routes(workload: str) -> RouteSource:
    """Open a source of routes.

    Args:
        workload: ``generated``, ``own``, or the path of a trace: npz, a folder of ESFT's scores, or a route log (csv).

    Raises:
        TraceError: it cannot be used; says why and how to mend it.
    """
    if workload == GENERATED:
        return GeneratedRoutes()
    if workload == OWN:
        return OwnRoutes.open()
    path = Path(workload)
    if not path.exists():
        raise TraceError(no_such_workload(workload))
    trace = read_route_csv(path) if path.suffix == ".csv" else read_trace(path)
    return RecordedRoutes(path.stem, trace)


class GeneratedRoutes:
    """Routes drawn from `LAWS`."""

    name = GENERATED

    @property
    def digest(self) -> str:
        """Digest of the laws and of the versions of the code that draws."""
        laws = {split.value: dataclasses.asdict(law) for split, law in LAWS.items()}
        return facts_digest({"routes": ROUTES_VERSION, "generator": GENERATOR_VERSION, "laws": laws})

    @property
    def variants(self) -> tuple[RouteSource, ...]:
        """Itself."""
        return (self,)

    def sequences(self, split: Split, seed: bytes, shape: RouteShape | None = None) -> Trace:
        """Draw a law, a model of it, and its sequences; see `RouteSource.sequences`."""
        shape = shape or RouteShape()
        rng = random_generator(derive_seed(seed, f"routes/{split.value}"))
        law = LAWS[split]
        domains = int(rng.integers(*law.domains, endpoint=True))
        config = TokenConfig(
            popularity=GeneratorConfig(
                layers=shape.layers,
                experts=shape.experts,
                top_k=shape.top_k,
                mix=MixConfig(domains=domains),
                domain_correlation=float(rng.uniform(*law.domain_correlation)),
            ),
            repeat_probability=float(rng.uniform(*law.repeat_probability)),
            affinity=float(rng.uniform(*law.affinity)),
            successors=int(rng.integers(*law.successors, endpoint=True)),
            sequence_sd=float(rng.uniform(*law.sequence_sd)),
        )
        lengths = [_lengths(tokens, law.sequence_tokens, rng) for tokens in _shares(shape.tokens, domains)]
        every = np.concatenate(lengths)
        routed = route_sequences(
            config, rng, domains=np.repeat(np.arange(domains), [len(own) for own in lengths]), lengths=every
        )
        cuts = np.cumsum(every)[:-1]
        pieces = [
            RoutedSequence(ids=ids, weights=weights)
            for ids, weights in zip(np.split(routed.ids, cuts), np.split(routed.weights, cuts), strict=True)
        ]
        held = {}
        for domain, own in enumerate(lengths):
            held[f"domain{domain}"] = tuple(pieces[: len(own)])
            pieces = pieces[len(own) :]
        return Trace(
            digest=facts_digest({"source": self.digest, "split": split.value, "seed": seed.hex()}),
            layers=shape.layers,
            top_k=shape.top_k,
            experts=shape.experts,
            domains=held,
        )


class RecordedRoutes:
    """Routes of a recorded trace.

    Args:
        name: short name of the trace.
        trace: what was recorded.
    """

    def __init__(self, name: str, trace: Trace) -> None:
        self.name = name
        self._trace = dataclasses.replace(
            trace, domains={domain: _enough(sequences) for domain, sequences in trace.domains.items()}
        )

    @property
    def digest(self) -> str:
        """Digest of the files and of the rules by which sequences are dealt."""
        trace = self._trace
        return facts_digest({"routes": ROUTES_VERSION, "files": trace.digest, "experts": trace.experts})

    @property
    def variants(self) -> tuple[RouteSource, ...]:
        """Itself."""
        return (self,)

    def sequences(self, split: Split, seed: bytes, shape: RouteShape | None = None) -> Trace:  # noqa: ARG002 (recorded)
        """The split's sequences in an order of the seed's; see `RouteSource.sequences`."""
        held = {}
        for domain, sequences in split_sequences(self._trace, split).items():
            rng = random_generator(derive_seed(seed, f"routes/{split.value}/{domain}"))
            if sequences:
                held[domain] = tuple(sequences[index] for index in rng.permutation(len(sequences)))
        if not held:
            raise TraceError(f"{self.name}: no domain has a sequence for split {split.value}; record longer ones")
        return dataclasses.replace(self._trace, domains=held)


def _shares(tokens: int, domains: int) -> list[int]:
    """Tokens of each domain, alike to one token and at least 1."""
    if tokens < domains:
        raise TraceError(f"{tokens} tokens for {domains} domains; ask for more tokens")
    return [tokens // domains + (domain < tokens % domains) for domain in range(domains)]


def _lengths(tokens: int, bounds: tuple[int, int], rng: np.random.Generator) -> NDArray[np.int64]:
    """Lengths of sequences, log-uniform within the bounds, that make up so many tokens; the last one may be shorter."""
    low, high = np.log(bounds[0]), np.log(bounds[1] + 1)
    drawn = np.exp(rng.uniform(low, high, size=-(-tokens // bounds[0]))).astype(np.int64)
    ends = np.minimum(np.cumsum(drawn), tokens)
    lengths = np.diff(ends, prepend=0)
    return lengths[lengths > 0]


def _enough(sequences: tuple[RoutedSequence, ...]) -> tuple[RoutedSequence, ...]:
    """Cut sequences into pieces of consecutive tokens where there are too few for three splits."""
    if len(sequences) >= FEWEST_SEQUENCES:
        return sequences
    into = -(-FEWEST_SEQUENCES // len(sequences))
    pieces: list[RoutedSequence] = []
    for sequence in sequences:
        tokens = len(sequence.ids)
        cuts = np.linspace(0, tokens, min(into, tokens) + 1).astype(np.int64)
        for start, stop in pairwise(cuts.tolist()):
            gates = None if sequence.weights is None else sequence.weights[start:stop]
            pieces.append(RoutedSequence(ids=sequence.ids[start:stop], weights=gates))
    return tuple(pieces)
