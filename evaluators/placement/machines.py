"""The workloads: which models on which machines make up train, validation and hidden, under which laws.

Train shows three machines; validation asks for others under the same law of affinity; hidden changes the machines
(down to four experts on a GPU), the law, and lets the domains' mix move in pieces of random length. Every kind is drawn
at least twice in a block, so that the spread between its draws shows how much of a score is the luck of the draw.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from evaluators.model import Split
from evaluators.placement.law import LAW_VERSION, AffinityLaw, draw_router, route
from evaluators.placement.periods import Deployment, count, gate_seconds
from evaluators.workloads.generator import GENERATOR_VERSION, derive_seed, random_generator
from evaluators.workloads.regimes import MixConfig, Regime, mix_path

WARM_PERIODS = 1
SCORED_PERIODS = 4

MIX_WINDOWS = 8
"""Into how many windows a period is cut, each with a domain mix of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A model on a machine.

    Args:
        layers: MoE layers.
        experts: routed experts per layer.
        top_k: experts per token and layer.
        num_gpus: GPUs.
        num_nodes: servers.
        tokens: tokens of a period.
    """

    layers: int
    experts: int
    top_k: int
    num_gpus: int
    num_nodes: int
    tokens: int = 2048

    @property
    def label(self) -> str:
        """Short name, such as ``"16x256/32gpu/4node"``."""
        return f"{self.layers}x{self.experts}/{self.num_gpus}gpu/{self.num_nodes}node"


@dataclass(frozen=True, slots=True, kw_only=True)
class LawRange:
    """The ranges, low to high, that the law of a workload is drawn from; see `AffinityLaw`.

    ``sequences`` is how many of them share a window of the mix, ``popularity`` the popularity scale over the affinity
    at 64 experts: it falls as one over the root of their number, or the hottest of many would fill a GPU by itself.
    """

    affinity: tuple[float, float]
    decay: tuple[float, float]
    persistence: tuple[float, float]
    word_share: tuple[float, float]
    sequence_share: tuple[float, float]
    popularity: tuple[float, float]
    words: tuple[int, int]
    domains: tuple[int, int]
    concentration: tuple[float, float]
    sequences: tuple[int, ...]


SEEN = LawRange(
    affinity=(5.0, 12.0),
    decay=(0.75, 0.85),
    persistence=(0.985, 0.995),
    word_share=(0.7, 0.85),
    sequence_share=(0.02, 0.08),
    popularity=(0.15, 0.2),
    words=(256, 512),
    domains=(3, 5),
    concentration=(0.5, 1.0),
    sequences=(8,),
)
UNSEEN = LawRange(
    affinity=(3.0, 16.0),
    decay=(0.7, 0.9),
    persistence=(0.97, 0.998),
    word_share=(0.5, 0.85),
    sequence_share=(0.0, 0.15),
    popularity=(0.1, 0.25),
    words=(128, 1024),
    domains=(3, 8),
    concentration=(0.3, 2.0),
    sequences=(4, 8, 16),
)

V2_LITE_8 = Machine(layers=26, experts=64, top_k=6, num_gpus=8, num_nodes=1)
V2_LITE_16 = dataclasses.replace(V2_LITE_8, num_gpus=16, num_nodes=2)
QWEN3_8 = Machine(layers=48, experts=128, top_k=8, num_gpus=8, num_nodes=1, tokens=1536)
QWEN3_16 = dataclasses.replace(QWEN3_8, num_gpus=16, num_nodes=2)
QWEN3_32 = dataclasses.replace(QWEN3_8, num_gpus=32, num_nodes=4)
GPT_OSS_8 = Machine(layers=36, experts=128, top_k=4, num_gpus=8, num_nodes=1)
# Part of the layers of models with more: a transition table has experts^2 cells for each layer.
V3_32 = Machine(layers=16, experts=256, top_k=8, num_gpus=32, num_nodes=4)
V3_16 = dataclasses.replace(V3_32, num_gpus=16, num_nodes=2)
V3_64 = dataclasses.replace(V3_32, num_gpus=64, num_nodes=8)
K2_48 = Machine(layers=12, experts=384, top_k=8, num_gpus=48, num_nodes=6)

Kind = tuple[Machine, Regime]

KINDS: Mapping[Split, tuple[Kind, ...]] = {
    Split.TRAIN: (
        (V2_LITE_8, Regime.DRIFTING),
        (V3_32, Regime.DRIFTING),
        (QWEN3_16, Regime.ABRUPT),
    ),
    Split.VALIDATION: (
        (V2_LITE_8, Regime.RECURRING),
        (V2_LITE_16, Regime.ABRUPT),
        (V3_16, Regime.ABRUPT),
        (QWEN3_8, Regime.DRIFTING),
    ),
    Split.HIDDEN: (
        (V2_LITE_16, Regime.PIECEWISE),
        (GPT_OSS_8, Regime.PIECEWISE),
        (QWEN3_32, Regime.PIECEWISE),
        (V3_64, Regime.PIECEWISE),
        (K2_48, Regime.PIECEWISE),
    ),
}
"""Machine and regime of the workloads of each split, the cheapest first."""

DRAWS: Mapping[Split, int] = {Split.TRAIN: 2, Split.VALIDATION: 2, Split.HIDDEN: 4}
"""How often each kind is drawn in a block."""

RANGES: Mapping[Split, LawRange] = {Split.TRAIN: SEEN, Split.VALIDATION: SEEN, Split.HIDDEN: UNSEEN}


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """One workload of a block, before it is drawn."""

    split: Split
    machine: Machine
    regime: Regime
    number: int

    @property
    def name(self) -> str:
        """Unique within its block."""
        return f"{self.stratum}/{self.number}"

    @property
    def stratum(self) -> str:
        """Machine and regime."""
        return f"{self.machine.label}/{self.regime.value}"


def draws(split: Split) -> tuple[Draw, ...]:
    """The workloads of a block, kind by kind, the cheapest first."""
    return tuple(
        Draw(split=split, machine=machine, regime=regime, number=number)
        for (machine, regime), number in itertools.product(KINDS[split], range(DRAWS[split]))
    )


def build(draw: Draw, seed: bytes) -> Deployment:
    """Draw one workload; its seed derives from the block's, the split and its name."""
    rng = random_generator(derive_seed(seed, f"placement/{draw.split.value}/{draw.name}"))
    machine, ranges = draw.machine, RANGES[draw.split]
    periods = WARM_PERIODS + SCORED_PERIODS
    windows = periods * MIX_WINDOWS
    sequences = int(rng.choice(ranges.sequences))
    law = _law(machine, ranges, machine.tokens // (MIX_WINDOWS * sequences), rng)
    mix = mix_path(
        draw.regime,
        windows,
        MixConfig(
            domains=law.domains,
            concentration=rng.uniform(*ranges.concentration),
            drift_windows=windows,
            stay_low=MIX_WINDOWS,
            stay_high=3 * MIX_WINDOWS,
            half_period_low=MIX_WINDOWS // 2,
            half_period_high=2 * MIX_WINDOWS,
            segment_low=MIX_WINDOWS // 2,
            segment_high=2 * MIX_WINDOWS,
        ),
        rng,
    )
    domains = np.concatenate([rng.choice(law.domains, size=sequences, p=window) for window in mix])
    ids = route(draw_router(law, rng), domains, rng)
    transitions, load = count(np.split(ids, periods), machine.experts)
    return Deployment(
        name=draw.name,
        transitions=transitions,
        load=load,
        num_gpus=machine.num_gpus,
        num_nodes=machine.num_nodes,
        gate_seconds=gate_seconds(machine.layers, machine.experts),
        warm_periods=WARM_PERIODS,
        stratum=draw.stratum,
    )


def _law(machine: Machine, ranges: LawRange, sequence_tokens: int, rng: np.random.Generator) -> AffinityLaw:
    """Draw the law of one workload."""
    affinity = float(rng.uniform(*ranges.affinity))
    popularity = float(rng.uniform(*ranges.popularity)) * np.sqrt(64 / machine.experts)
    return AffinityLaw(
        layers=machine.layers,
        experts=machine.experts,
        top_k=machine.top_k,
        domains=int(rng.integers(*ranges.domains, endpoint=True)),
        affinity=affinity,
        decay=float(rng.uniform(*ranges.decay)),
        persistence=float(rng.uniform(*ranges.persistence)),
        word_share=float(rng.uniform(*ranges.word_share)),
        sequence_share=float(rng.uniform(*ranges.sequence_share)),
        popularity_scale=affinity * float(popularity),
        sequence_tokens=sequence_tokens,
        words=int(rng.integers(*ranges.words, endpoint=True)),
    )


def definition() -> dict[str, object]:
    """Everything that decides what a split and a seed give, to be digested."""
    return {
        "law": LAW_VERSION,
        "generator": GENERATOR_VERSION,
        "periods": [WARM_PERIODS, SCORED_PERIODS, MIX_WINDOWS],
        "draws": {split.value: [dataclasses.asdict(draw) for draw in draws(split)] for split in Split},
        "ranges": {split.value: dataclasses.asdict(RANGES[split]) for split in Split},
        "gates": {draw.machine.label: _gate(draw.machine) for split in Split for draw in draws(split)},
    }


def _gate(machine: Machine) -> float:
    return gate_seconds(machine.layers, machine.experts)
