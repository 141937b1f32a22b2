"""How streams are drawn: what text comes, how far training goes, how large batches are.

Every stream has one layer of one model. Models and layers come by turns: six draws of two models with three layers meet
each once. A stream's experts are numbered anew, so that nothing can be known of a router but what its batches show. The
mix of domains moves by a regime of `evaluators.workloads.regimes`, a batch being a window. A batch is made of runs of
neighbouring tokens.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluators.bias_control.streams import PARTNER, BatchStream
from evaluators.model import Split
from evaluators.workloads.generator import derive_seed, random_generator
from evaluators.workloads.regimes import MixConfig, Regime, mix_path
from evaluators.workloads.scores import ScoreSource, ScoreStream, TraceError

# Raise with every change of what a seed gives: scores of different versions never compare.
LAWS_VERSION = 1

RUN = 4
"""Neighbouring tokens that come together."""

LEAST, MOST = 1e-4, 1 - 1e-4
"""Affinities are brought into this range before their logits are taken: records are rounded, some to 0 or 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """Streams of one law.

    Args:
        label: short name.
        regime: how the mix of domains moves.
        training: from which step of training to which, counted back from the last recorded one.
        uneven: whether training goes on in spurts.
        size: tokens of a batch, a multiple of `RUN`.
        batches: how many; all but the first are scored.
    """

    label: str
    regime: Regime
    training: tuple[float, float]
    uneven: bool = False
    size: int = 1024
    batches: int = 24


KINDS: Mapping[Split, tuple[Kind, ...]] = {
    Split.TRAIN: (
        Kind(label="settled/abrupt", regime=Regime.ABRUPT, training=(0, 0)),
        Kind(label="late/drifting", regime=Regime.DRIFTING, training=(1, 0)),
        Kind(label="early/stationary", regime=Regime.STATIONARY, training=(1.5, 0.5)),
    ),
    Split.VALIDATION: (
        Kind(label="settled/recurring", regime=Regime.RECURRING, training=(0, 0)),
        Kind(label="late/abrupt", regime=Regime.ABRUPT, training=(1, 0)),
        Kind(label="whole/drifting", regime=Regime.DRIFTING, training=(1.5, 0), size=768, batches=32),
    ),
    Split.HIDDEN: (
        Kind(label="settled/piecewise", regime=Regime.PIECEWISE, training=(0, 0), size=512, batches=32),
        Kind(label="late/piecewise", regime=Regime.PIECEWISE, training=(1, 0), uneven=True, size=1536),
        Kind(label="whole/piecewise", regime=Regime.PIECEWISE, training=(1.75, 0), uneven=True, batches=32),
    ),
}
"""What a block is made of, by split."""

DRAWS: Mapping[Split, int] = {Split.TRAIN: 4, Split.VALIDATION: 4, Split.HIDDEN: 6}
"""Streams of each kind."""


def mix_config(domains: int) -> MixConfig:
    """How mixes are drawn and how long each lasts, in batches."""
    return MixConfig(
        domains=domains,
        concentration=0.5,
        drift_windows=9,
        stay_low=4,
        stay_high=12,
        half_period_low=2,
        half_period_high=5,
        segment_low=4,
        segment_high=12,
    )


def laws_facts() -> dict[str, object]:
    """Everything that decides what a split and a seed make of a source."""
    return {
        "version": LAWS_VERSION,
        "kinds": {split.value: [dataclasses.asdict(kind) for kind in kinds] for split, kinds in KINDS.items()},
        "draws": {split.value: draws for split, draws in DRAWS.items()},
        "tokens": [RUN, LEAST, MOST, PARTNER],
        "mix": dataclasses.asdict(mix_config(2)),
    }


def draw_streams(source: ScoreSource, split: Split, seed: bytes) -> list[BatchStream]:
    """Draw a block of streams, draw by draw, every kind in each.

    Raises:
        TraceError: the source holds too little.
    """
    models = routers(source, split, derive_seed(seed, f"bias_control/scores/{split.value}"))
    streams = []
    for number in range(DRAWS[split]):
        layers = models[number % len(models)]
        # One layer on from draw to draw and kind to kind, and one more where layers and models come together again.
        turn = number + number // math.lcm(len(models), len(layers))
        for place, kind in enumerate(KINDS[split]):
            router = layers[(turn + place) % len(layers)]
            name = f"{kind.label}/{source.name}-{router[0].model}/{number}"
            rng = random_generator(derive_seed(seed, f"bias_control/{split.value}/{kind.label}/{number}"))
            streams.append(_draw(kind, name, router, rng))
    return streams


def routers(source: ScoreSource, split: Split, seed: bytes) -> list[list[list[ScoreStream]]]:
    """The streams of each router, by model and then layer, the layers in an order of the seed's.

    Raises:
        TraceError: the source holds too little.
    """
    held: dict[str, dict[int, list[ScoreStream]]] = {}
    for stream in source.streams(split, seed):
        held.setdefault(stream.model, {}).setdefault(stream.layer, []).append(stream)
    for model, layers in held.items():
        for layer, streams in layers.items():
            if len({stream.domain for stream in streams}) < 2 or min(len(stream.affinity) for stream in streams) < RUN:
                raise TraceError(
                    f"{source.name}: layer {layer} of {model} needs two domains of {RUN} tokens or more in split "
                    f"{split.value}; record more"
                )
    models = [list(layers.values()) for layers in held.values()]
    order = random_generator(seed).permutation(max(len(layers) for layers in models))
    return [[layers[index] for index in order if index < len(layers)] for layers in models]


def _draw(kind: Kind, name: str, router: Sequence[ScoreStream], rng: np.random.Generator) -> BatchStream:
    """Draw one stream of a router."""
    domains = list(dict.fromkeys(stream.domain for stream in router))
    steps = sorted({stream.step for stream in router})
    held = {(stream.domain, stream.step): stream.affinity for stream in router}
    affinity = np.stack([np.concatenate([held[domain, step] for domain in domains]) for step in steps])
    affinity = np.clip(affinity[:, :, rng.permutation(affinity.shape[2])], LEAST, MOST)
    tokens = np.array([len(held[domain, steps[0]]) for domain in domains])
    shares = mix_path(kind.regime, kind.batches, mix_config(len(domains)), rng)
    return BatchStream(
        name=name,
        stratum=kind.label,
        top_k=router[0].top_k,
        logits=np.log(affinity / (1 - affinity)),
        domain=np.repeat(np.arange(len(domains)), tokens),
        picks=np.stack([_pick(tokens, mix, kind.size, rng) for mix in shares]),
        path=_path(kind, len(steps), rng),
    )


def _pick(
    tokens: NDArray[np.int64], mix: NDArray[np.float64], size: int, rng: np.random.Generator
) -> NDArray[np.int32]:
    """Numbers of the recorded tokens ``(2, size)`` of a batch; the second is any of the same domain."""
    first = np.cumsum(tokens) - tokens
    domain = rng.choice(len(tokens), size=size // RUN, p=mix)
    start = first[domain] + rng.integers(tokens[domain] - RUN + 1)
    own = (start[:, None] + np.arange(RUN)).ravel()
    partner = (first[domain][:, None] + rng.integers(tokens[domain][:, None], size=(len(domain), RUN))).ravel()
    return np.stack([own, partner]).astype(np.int32)


def _path(kind: Kind, steps: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Step of training at each batch, ``(batches,)``, never falling."""
    start, stop = (max(0.0, steps - 1 - back) for back in kind.training)
    gains = rng.gamma(0.3, size=kind.batches - 1) if kind.uneven else np.ones(kind.batches - 1)
    done = np.concatenate([[0.0], np.cumsum(gains) / gains.sum()])
    path: NDArray[np.float64] = start + (stop - start) * done
    return path
