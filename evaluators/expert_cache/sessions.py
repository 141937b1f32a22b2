"""Makes sessions of routed sequences: requests in the order of their arrival, on a machine drawn from a law."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from evaluators.expert_cache.laws import EXPERT_BYTES, SMALLER, Law
from evaluators.expert_cache.session import Ids, Mask, Session, Sizes, Visit
from evaluators.workloads.trace_files import RoutedSequence, Trace, TraceError

Values = NDArray[np.float64]

FEWEST_STEPS = 12
"""A session of fewer forward passes tells nothing."""

FEWEST_DECODED = 4
"""Sequences have at least so many tokens beside two of a prompt; shorter ones are left out."""

MOST_PROMPT = 64
"""Tokens of a prompt that go through the layers in one pass; what a longer prompt has beyond goes token by token."""

GATE_SECONDS = 0.1
"""A call may take so long: a guard, hundreds of times what the seeds take. Most of so short a call is waiting for a
processor where the machine is busy, so that a gate near the true pace would refuse honest programs."""


def make_session(law: Law, trace: Trace, rng: np.random.Generator, name: str, sizes: Sizes | None = None) -> Session:
    """Draw a machine and let requests of a trace arrive at it.

    Args:
        law: what is drawn from; the trace's shape counts, not the law's.
        trace: one model's sequences; none is used twice.
        rng: source of randomness.
        name: the session's.
        sizes: int64 ``(layers,)``, bytes of an expert of each layer where they were recorded; drawn if None.

    Raises:
        TraceError: the trace is too short.
    """
    link = _between(law.link, rng)
    if sizes is None:
        small = rng.random(trace.layers) < rng.choice([0.0, 0.5])
        sizes = np.where(small, round(EXPERT_BYTES * SMALLER), EXPERT_BYTES).astype(np.int64)
    total = int(sizes.sum()) * trace.experts
    compute = _between(law.overlap, rng) * float(sizes.mean()) / link
    capacity = int(_between(law.share, rng) * total)
    accuracy = _between(law.accuracy, rng)
    visits: list[Visit] = []
    counts = {id(one): _counts(one, trace.experts) for each in trace.domains.values() for one in each}
    popular = sum(counts.values(), start=np.zeros(()))
    steps = 0
    for sequence in _arrivals(law, trace, rng):
        prompt = max(2, min(MOST_PROMPT, round(rng.uniform(*law.prompt) * len(sequence.ids))))
        cuts = [0, *range(prompt, len(sequence.ids) + 1)][: law.steps - steps + 1]
        guesses = _guesses(sequence, popular - counts[id(sequence)], accuracy, rng)
        for start, stop in pairwise(cuts):
            visits.extend(_pass(sequence, guesses, slice(start, stop), steps, compute))
            steps += 1
        if steps >= law.steps:
            break
    if steps < FEWEST_STEPS:
        raise TraceError(f"{name}: {steps} forward passes, need {FEWEST_STEPS}; record more or longer sequences")
    return Session(
        name=name,
        stratum=law.label(trace.layers, trace.experts, trace.top_k),
        experts=trace.experts,
        expert_bytes=sizes,
        capacity_bytes=capacity,
        link_bytes_per_second=link,
        visits=tuple(visits),
        cached=_fill(sizes, trace.experts, capacity, rng),
        gate_seconds=GATE_SECONDS,
    )


def _between(bounds: tuple[float, float], rng: np.random.Generator) -> float:
    """Log-uniform."""
    return float(np.exp(rng.uniform(np.log(bounds[0]), np.log(bounds[1]))))


def _arrivals(law: Law, trace: Trace, rng: np.random.Generator) -> Sequence[RoutedSequence]:
    """Sequences in the order in which they come: mostly of the domain of the one before, until none is left."""
    left = {
        domain: [sequence for sequence in sequences if len(sequence.ids) >= FEWEST_DECODED + 2]
        for domain, sequences in trace.domains.items()
    }
    order: list[RoutedSequence] = []
    domain = ""
    while any(left.values()):
        open_domains = [name for name, sequences in left.items() if sequences]
        if domain not in open_domains or rng.random() >= law.stay:
            others = [name for name in open_domains if name != domain] or open_domains
            domain = others[int(rng.integers(len(others)))]
        order.append(left[domain].pop(int(rng.integers(len(left[domain])))))
    return order


def _counts(sequence: RoutedSequence, experts: int) -> Values:
    """How often a sequence visits each expert: ``(layers, experts)``."""
    layers = sequence.ids.shape[1]
    cells = sequence.ids.astype(np.int64) + experts * np.arange(layers)[None, :, None]
    return np.bincount(cells.ravel(), minlength=layers * experts).reshape(layers, experts).astype(np.float64)


def _guesses(sequence: RoutedSequence, popular: Values, accuracy: float, rng: np.random.Generator) -> Ids:
    """What an early gate takes the experts of each layer to be: ``(tokens, layers, top_k)``, rising.

    Each expert of a token is found with the given chance. The others of a guess are wrong ones, drawn without
    replacement by how often other sequences visit them, as an early gate errs towards popular experts. By this very
    sequence's visits they must not be drawn: a wrong guess would tell what it visits later.

    Args:
        sequence: what is guessed.
        popular: visits by other sequences, ``(layers, experts)``.
        accuracy: that chance.
        rng: source of randomness.
    """
    tokens, layers, top_k = sequence.ids.shape
    ids = sequence.ids.astype(np.int64)
    scores = np.log(popular + 0.1) + rng.gumbel(size=(tokens, layers, popular.shape[1]))
    found = rng.random(ids.shape) < accuracy
    np.put_along_axis(scores, ids, np.where(found, np.inf, -np.inf), axis=2)
    return np.sort(np.argpartition(scores, -top_k, axis=2)[:, :, -top_k:], axis=2).astype(np.int32)


def _pass(sequence: RoutedSequence, guesses: Ids, tokens: slice, step: int, compute: float) -> list[Visit]:
    """The visits of one forward pass of some tokens. Its time is that of reading the experts: in their proportion."""
    ids = sequence.ids[tokens].astype(np.int32)
    layers, top_k = ids.shape[1:]
    if sequence.weights is None:
        weights = np.full(ids.shape, 1 / top_k, dtype=np.float32)
    else:
        weights = sequence.weights[tokens].astype(np.float32)
    ahead = np.full_like(ids, -1)
    ahead[:, :-1] = guesses[tokens, 1:]
    return [
        Visit(
            step=step,
            layer=layer,
            ids=np.ascontiguousarray(ids[:, layer]),
            weights=np.ascontiguousarray(weights[:, layer]),
            guess=np.ascontiguousarray(ahead[:, layer]),
            compute_seconds=compute * len(np.unique(ids[:, layer])) / top_k,
        )
        for layer in range(layers)
    ]


def _fill(sizes: Sizes, experts: int, capacity: int, rng: np.random.Generator) -> Mask:
    """What earlier traffic left on the GPU: experts at random, until the next one does not fit."""
    order: NDArray[np.int64] = rng.permutation(len(sizes) * experts)
    bytes_of = np.repeat(sizes, experts)[order]
    cached = np.zeros(len(sizes) * experts, dtype=np.bool_)
    cached[order[np.cumsum(bytes_of) <= capacity]] = True
    return cached.reshape(len(sizes), experts)
