"""The generated workloads: which shapes and laws make up train, validation and hidden."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from evaluators.digests import facts_digest
from evaluators.eplb_speed.shapes import Shape
from evaluators.eplb_speed.tasks import GeneratedLoads, PlanningTask
from evaluators.model import Split
from evaluators.workloads.generator import GENERATOR_VERSION, GeneratorConfig, derive_seed
from evaluators.workloads.regimes import MixConfig

TOKENS_PER_EXPERT = 128
TOKENS_PER_SEQUENCE = 512

HIDDEN_DRAWS = 2
"""How often each kind is drawn in a hidden block: where programs and buffers come to lie differs from seating to
seating by more than the noise of calls, and only the spread between seatings shows it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A shape with a law of loads.

    Args:
        shape: model and machine.
        law: name of the law.
        spread: smallest and largest standard deviation of log popularity in nats; see `GeneratorConfig`.
        tokens_per_expert: how much traffic a load was counted over; little makes ties and idle experts.
        mix: domains of the traffic.
    """

    shape: Shape
    law: str = "usual"
    spread: tuple[float, float] = (0.6, 1.05)
    tokens_per_expert: int = TOKENS_PER_EXPERT
    mix: MixConfig = dataclasses.field(default_factory=MixConfig)

    @property
    def name(self) -> str:
        """Such as ``"58x256/32gpu/288/usual"``."""
        return f"{self.shape.label}/{self.law}"

    @property
    def generator(self) -> GeneratorConfig:
        """The law as the generator knows it."""
        tokens = self.tokens_per_expert * self.shape.experts
        low, high = self.spread
        return GeneratorConfig(
            layers=self.shape.layers,
            experts=self.shape.experts,
            top_k=self.shape.top_k,
            mix=self.mix,
            spread_low=low,
            spread_high=high,
            tokens_per_window=tokens,
            sequences_per_window=max(1, tokens // TOKENS_PER_SEQUENCE),
        )


V2_LITE_8 = Shape(layers=26, experts=64, top_k=6, num_slots=80, num_nodes=1, num_gpus=8)
V2_LITE_24 = dataclasses.replace(V2_LITE_8, num_slots=72, num_nodes=3, num_gpus=24)
V2_LITE_32 = dataclasses.replace(V2_LITE_8, num_slots=128, num_nodes=4, num_gpus=32)
QWEN3_8 = Shape(layers=48, experts=128, top_k=8, num_slots=144, num_nodes=1, num_gpus=8)
QWEN3_16 = dataclasses.replace(QWEN3_8, num_slots=192, num_nodes=2, num_gpus=16)
V3_32 = Shape(layers=58, experts=256, top_k=8, num_slots=288, num_groups=8, num_nodes=4, num_gpus=32)
V3_64 = dataclasses.replace(V3_32, num_slots=320, num_nodes=8, num_gpus=64)
V2_32 = Shape(layers=59, experts=160, top_k=6, num_slots=192, num_groups=8, num_nodes=4, num_gpus=32)
GPT_OSS_48 = Shape(layers=36, experts=128, top_k=4, num_slots=144, num_nodes=6, num_gpus=48)
GPT_OSS_64 = dataclasses.replace(GPT_OSS_48, num_slots=192, num_nodes=8, num_gpus=64)
K2_16 = Shape(layers=60, experts=384, top_k=8, num_slots=416, num_nodes=2, num_gpus=16)

# Half the layers: a train evaluation calls the baseline some fifty times on every kind, and that is its cost.
HALF_QWEN3_8 = dataclasses.replace(QWEN3_8, layers=24)
HALF_V3_32 = dataclasses.replace(V3_32, layers=29)

STEEP, FLAT = (1.1, 1.7), (0.1, 0.4)

KINDS: dict[Split, tuple[Kind, ...]] = {
    Split.TRAIN: (Kind(shape=V2_LITE_24), Kind(shape=HALF_QWEN3_8), Kind(shape=HALF_V3_32)),
    Split.VALIDATION: (
        Kind(shape=V2_LITE_8),
        Kind(shape=V2_LITE_32, law="sparse", tokens_per_expert=8),
        Kind(shape=QWEN3_16, law="steep", spread=STEEP),
        Kind(shape=GPT_OSS_48),
        Kind(shape=V3_32),
    ),
    Split.HIDDEN: (
        Kind(shape=dataclasses.replace(V2_LITE_32, num_slots=96), law="steep", spread=STEEP),
        Kind(shape=dataclasses.replace(QWEN3_16, num_slots=160), law="flat", spread=FLAT),
        Kind(shape=GPT_OSS_64, law="sparse", tokens_per_expert=8),
        Kind(shape=V2_32, law="many domains", mix=MixConfig(domains=12, concentration=0.5)),
        Kind(shape=V3_64, law="steep", spread=STEEP),
        Kind(shape=K2_16, law="few domains", mix=MixConfig(domains=3, concentration=0.05)),
    ),
}
"""The kinds of each split, the cheapest first."""


def generated_tasks(split: Split, seed: bytes) -> Sequence[PlanningTask]:
    """Workloads of a split for a 32-byte seed."""
    draws = HIDDEN_DRAWS if split is Split.HIDDEN else 1
    return [_task(split, kind, draw, seed) for kind in KINDS[split] for draw in range(draws)]


def _task(split: Split, kind: Kind, draw: int, seed: bytes) -> PlanningTask:
    name = f"{kind.name}/{draw}"
    loads = GeneratedLoads(law=kind.generator, seed=derive_seed(seed, f"eplb_speed/{split.value}/{name}"))
    return PlanningTask(name=name, stratum=kind.name, shape=kind.shape, loads=loads)


def generated_digest() -> str:
    """16 hexadecimal digits over everything that defines the generated workloads, except the seed."""
    kinds = {split.value: [dataclasses.asdict(kind) for kind in kinds] for split, kinds in KINDS.items()}
    facts = {
        "generator": GENERATOR_VERSION,
        "kinds": kinds,
        "tokens_per_sequence": TOKENS_PER_SEQUENCE,
        "hidden_draws": HIDDEN_DRAWS,
    }
    return facts_digest(facts)
