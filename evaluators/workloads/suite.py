"""The load-balancing workloads: which streams of expert loads make up train, validation and hidden.

Train shows two shapes under four simple regimes; validation asks for some of that and for other machines, with
fresh seeds and another drift; hidden changes drift, domain mixes, regime lengths and most shapes, down to two
slots per GPU. Every kind is drawn at least twice in a block, so that the spread between its draws shows how much
of a score is the luck of the draw.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from evaluators.digests import facts_digest
from evaluators.model import Split
from evaluators.workloads.generator import GENERATOR_VERSION, GeneratorConfig, derive_seed, generate
from evaluators.workloads.regimes import SIMPLE_REGIMES, MixConfig, Regime
from evaluators.workloads.stream import LoadStream

WARM_WINDOWS = 6
SCORED_WINDOWS = 24

DRAWS = 2
"""How often each kind of stream is drawn in a block of train or validation, with its scored windows shared out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A model on a machine: the router's shape and what holds its experts.

    Args:
        layers: MoE layers.
        experts: routed experts per layer.
        top_k: experts per token and layer.
        num_slots: physical expert slots per layer, a multiple of ``num_gpus``.
        num_gpus: GPUs, a multiple of ``num_nodes``.
        num_nodes: servers.
    """

    layers: int
    experts: int
    top_k: int
    num_slots: int
    num_gpus: int
    num_nodes: int

    def __post_init__(self) -> None:
        """Refuse a machine that cannot hold the model."""
        if self.num_slots < self.experts or self.num_slots % self.num_gpus or self.num_gpus % self.num_nodes:
            raise ValueError(f"needs slots >= experts, slots % gpus == 0 and gpus % nodes == 0, got {self}")

    @property
    def label(self) -> str:
        """Short name, such as ``"58x256/32gpu/288"``."""
        return f"{self.layers}x{self.experts}/{self.num_gpus}gpu/{self.num_slots}"

    @property
    def gate_seconds(self) -> float:
        """How long one plan may take.

        150 ms for 26 x 64 and 250 ms for 58 x 256; other shapes lie on the straight line through both by
        layers * experts, never below 150 ms.
        """
        small, large = 26 * 64, 58 * 256
        seconds = 0.150 + (self.layers * self.experts - small) * (0.250 - 0.150) / (large - small)
        return max(0.150, round(seconds, 3))


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamDefinition:
    """One stream up to its seed.

    Args:
        name: unique within its split.
        deployment: model and machine.
        generator: law of the loads; its shape is the deployment's.
        regime: how the domain mix moves.
        warm_windows: leading windows that are history only.
        scored_windows: windows that are planned for.
    """

    name: str
    deployment: Deployment
    generator: GeneratorConfig
    regime: Regime
    warm_windows: int = WARM_WINDOWS
    scored_windows: int = SCORED_WINDOWS

    def __post_init__(self) -> None:
        """Refuse a law of another shape than the deployment."""
        ours = (self.deployment.layers, self.deployment.experts, self.deployment.top_k)
        if ours != (self.generator.layers, self.generator.experts, self.generator.top_k):
            raise ValueError(f"stream {self.name}: generator and deployment differ in shape")
        if self.warm_windows < 1 or self.scored_windows < 1:
            raise ValueError(f"stream {self.name}: needs at least one warm and one scored window")

    @property
    def stratum(self) -> str:
        """Model, GPUs and regime.

        The number of slots is left out, so that draws of a machine with more or fewer of them are draws of one kind;
        that makes the error larger and never smaller.
        """
        machine = self.deployment
        return f"{machine.layers}x{machine.experts}/{machine.num_gpus}gpu/{self.regime.value}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteConfig:
    """The streams of each split, in the order in which they are judged: cheap ones first."""

    train: tuple[StreamDefinition, ...]
    validation: tuple[StreamDefinition, ...]
    hidden: tuple[StreamDefinition, ...]

    def __post_init__(self) -> None:
        """Refuse an empty split and two streams of one name."""
        for split in Split:
            names = [definition.name for definition in self.of(split)]
            if not names or len(set(names)) != len(names):
                raise ValueError(f"split {split.value} needs streams with different names, got {names}")

    def of(self, split: Split) -> tuple[StreamDefinition, ...]:
        """Definitions of one split."""
        return {Split.TRAIN: self.train, Split.VALIDATION: self.validation, Split.HIDDEN: self.hidden}[split]


V2_LITE_8 = Deployment(layers=26, experts=64, top_k=6, num_slots=80, num_gpus=8, num_nodes=1)
V3_32 = Deployment(layers=58, experts=256, top_k=8, num_slots=288, num_gpus=32, num_nodes=4)
QWEN3_16 = Deployment(layers=48, experts=128, top_k=8, num_slots=160, num_gpus=16, num_nodes=2)
GPT_OSS_64 = Deployment(layers=36, experts=128, top_k=4, num_slots=192, num_gpus=64, num_nodes=8)
K2_64 = Deployment(layers=60, experts=384, top_k=8, num_slots=448, num_gpus=64, num_nodes=8)
# V2-Lite thinly spread over 32 GPUs: two, three and four slots on each.
V2_LITE_32_BY_2 = dataclasses.replace(V2_LITE_8, num_slots=64, num_gpus=32, num_nodes=4)
V2_LITE_32_BY_3 = dataclasses.replace(V2_LITE_32_BY_2, num_slots=96)
V2_LITE_32_BY_4 = dataclasses.replace(V2_LITE_32_BY_2, num_slots=128)

# Machines that only validation uses: five, four and three slots on each GPU.
V2_LITE_16 = dataclasses.replace(V2_LITE_8, num_gpus=16, num_nodes=2)
V2_LITE_24 = dataclasses.replace(V2_LITE_8, num_slots=96, num_gpus=24, num_nodes=3)
GPT_OSS_48 = Deployment(layers=36, experts=128, top_k=4, num_slots=144, num_gpus=48, num_nodes=6)

_Kind = tuple[Deployment, Regime]

# Every regime on both machines. The order shows early, at little cost, who is not worth finishing: a look at the
# large machine comes fourth, because what a change does there often does not show on the small one, and the rest
# of the large machine's streams, nine times as dear, come last.
_TRAIN_ORDER: tuple[tuple[_Kind, int], ...] = (
    ((V2_LITE_8, Regime.STATIONARY), 0),
    ((V2_LITE_8, Regime.DRIFTING), 0),
    ((V2_LITE_8, Regime.ABRUPT), 0),
    ((V3_32, Regime.ABRUPT), 0),
    ((V2_LITE_8, Regime.RECURRING), 0),
    *(((V2_LITE_8, regime), 1) for regime in SIMPLE_REGIMES),
    ((V3_32, Regime.DRIFTING), 0),
    ((V3_32, Regime.RECURRING), 0),
    ((V3_32, Regime.STATIONARY), 0),
    *(((V3_32, regime), 1) for regime in SIMPLE_REGIMES),
)
_VALIDATION_KINDS: tuple[_Kind, ...] = (
    (V2_LITE_8, Regime.ABRUPT),
    (V2_LITE_16, Regime.DRIFTING),
    (V2_LITE_16, Regime.RECURRING),
    (V2_LITE_24, Regime.ABRUPT),
    (V2_LITE_24, Regime.DRIFTING),
    (GPT_OSS_48, Regime.ABRUPT),
    (GPT_OSS_48, Regime.DRIFTING),
    (V3_32, Regime.ABRUPT),
)
# Nobody is raced out on validation: only a program that fails ends early, and a single draw shows that.
_VALIDATION_ORDER = tuple((kind, draw) for draw in range(DRAWS) for kind in _VALIDATION_KINDS)

# Four draws of the hidden law: (domains, concentration of their mix, drift sd in nats per window).
_HIDDEN_LAWS = ((3, 0.5, 0.03), (9, 0.1, 0.015), (5, 0.3, 0.04), (12, 0.2, 0.025))
_HIDDEN_DEPLOYMENTS = (
    (V2_LITE_8, V2_LITE_8, V2_LITE_8, V2_LITE_8),
    (V2_LITE_32_BY_3, V2_LITE_32_BY_2, V2_LITE_32_BY_4, V2_LITE_32_BY_3),
    (GPT_OSS_64, GPT_OSS_64, GPT_OSS_64, GPT_OSS_64),
    (QWEN3_16, QWEN3_16, QWEN3_16, QWEN3_16),
    (V3_32, V3_32, V3_32, V3_32),
    (K2_64, K2_64, K2_64, K2_64),
)
_TRAIN_DRIFT_SD = 0.02
_VALIDATION_DRIFT_SD = 0.025
_TOKENS_PER_EXPERT = 128
_TOKENS_PER_SEQUENCE = 512


def load_law(deployment: Deployment, *, mix: MixConfig | None = None, drift_sd: float = 0.02) -> GeneratorConfig:
    """Make the suite's law of loads for a deployment.

    Windows grow with the number of experts (128 tokens for each, 512 tokens a sequence), so that sampling
    noise per expert is alike at every shape.
    """
    tokens = _TOKENS_PER_EXPERT * deployment.experts
    return GeneratorConfig(
        layers=deployment.layers,
        experts=deployment.experts,
        top_k=deployment.top_k,
        mix=mix or MixConfig(),
        drift_sd=drift_sd,
        tokens_per_window=tokens,
        sequences_per_window=tokens // _TOKENS_PER_SEQUENCE,
    )


def _simple(order: Iterable[tuple[_Kind, int]], drift_sd: float) -> tuple[StreamDefinition, ...]:
    """One stream for each machine, regime and draw; the draws of a kind share `SCORED_WINDOWS` evenly."""
    return tuple(
        StreamDefinition(
            name=f"{deployment.label}/{regime.value}/{draw}",
            deployment=deployment,
            generator=load_law(deployment, drift_sd=drift_sd),
            regime=regime,
            scored_windows=SCORED_WINDOWS // DRAWS,
        )
        for (deployment, regime), draw in order
    )


def _unseen_kinds() -> tuple[StreamDefinition, ...]:
    """Four draws at each of six machines, in piecewise regimes under laws that no other split uses."""
    return tuple(
        StreamDefinition(
            name=f"{deployment.label}/{Regime.PIECEWISE.value}/{draw}",
            deployment=deployment,
            generator=load_law(
                deployment,
                mix=MixConfig(domains=domains, concentration=concentration, segment_low=3, segment_high=11),
                drift_sd=drift_sd,
            ),
            regime=Regime.PIECEWISE,
        )
        for deployments in _HIDDEN_DEPLOYMENTS
        for draw, (deployment, (domains, concentration, drift_sd)) in enumerate(
            zip(deployments, _HIDDEN_LAWS, strict=True)
        )
    )


def default_suite() -> SuiteConfig:
    """The suite that scores are quoted on.

    Train and validation: 8 kinds, drawn twice with 12 scored windows each. Hidden: 6 machines, drawn four times
    with 24 scored windows each.
    """
    return SuiteConfig(
        train=_simple(_TRAIN_ORDER, _TRAIN_DRIFT_SD),
        validation=_simple(_VALIDATION_ORDER, _VALIDATION_DRIFT_SD),
        hidden=_unseen_kinds(),
    )


def build_stream(definition: StreamDefinition, seed: bytes) -> LoadStream:
    """Draw one stream from its own 32-byte seed."""
    deployment = definition.deployment
    return LoadStream(
        name=definition.name,
        loads=generate(
            definition.generator,
            seed,
            regime=definition.regime,
            windows=definition.warm_windows + definition.scored_windows,
        ),
        num_slots=deployment.num_slots,
        num_gpus=deployment.num_gpus,
        num_nodes=deployment.num_nodes,
        warm_windows=definition.warm_windows,
        gate_seconds=deployment.gate_seconds,
        stratum=definition.stratum,
    )


def build_streams(split: Split, seed: bytes, suite: SuiteConfig | None = None) -> list[LoadStream]:
    """Draw all streams of a split, in the order of their definitions.

    Args:
        split: which split.
        seed: the block's 32-byte secret; a stream's seed derives from it, the split and the stream's name.
        suite: definitions; the default suite if None.
    """
    return [
        build_stream(definition, derive_seed(seed, f"{split.value}/{definition.name}"))
        for definition in (suite or default_suite()).of(split)
    ]


def suite_digest(suite: SuiteConfig | None = None, *, traces: Sequence[str] = ()) -> str:
    """Name a workload set: 16 hexadecimal digits over everything that defines it, except the seed.

    Args:
        suite: definitions; the default suite if None.
        traces: ``trace_digest`` of each trace that is used beside or instead of generated streams, in order.
    """
    suite = suite or default_suite()
    definition = {
        "generator": GENERATOR_VERSION,
        "splits": {
            split.value: [
                {**dataclasses.asdict(stream), "gate_seconds": stream.deployment.gate_seconds}
                for stream in suite.of(split)
            ]
            for split in Split
        },
        "traces": list(traces),
    }
    return facts_digest(definition, compact=True)
