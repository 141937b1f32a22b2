"""Joins the problem ``token_dispatch`` with its steps: drawn from a law, or from the routing of a trace.

Train shows four layers on four machines; validation other machines under another law; hidden has other layers, a newer
GPU, a node without NVLink, a slow network and experts dealt to GPUs at random. Every kind is drawn at least twice in a
block.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from evaluators.model import Split
from evaluators.problem import ProblemError
from evaluators.token_dispatch import bound, hardware, reference
from evaluators.token_dispatch.hardware import A100, B200, H100, H100_ETHERNET, H100_PCIE, H200, Model
from evaluators.token_dispatch.problem import TokenDispatch
from evaluators.token_dispatch.routed import routed_facts, routed_streams
from evaluators.token_dispatch.steps import STEPS_VERSION, Deployment, DispatchStream, StepLaw, draw_steps
from evaluators.workloads.choice import GENERATED
from evaluators.workloads.generator import derive_seed, random_generator
from evaluators.workloads.routes import RouteSource, TraceError, open_routes

GPT_OSS = Model(experts=128, top_k=4, hidden=2880, intermediate=2880)
V2_LITE = Model(experts=64, top_k=6, hidden=2048, intermediate=1408)
OLMOE = Model(experts=64, top_k=8, hidden=2048, intermediate=1024)
QWEN3 = Model(experts=128, top_k=8, hidden=2048, intermediate=768)
V3 = Model(experts=256, top_k=8, hidden=7168, intermediate=2048)
K2 = Model(experts=384, top_k=8, hidden=7168, intermediate=2048)
MIXTRAL = Model(experts=8, top_k=2, hidden=4096, intermediate=14336)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """Streams of one deployment and law.

    Args:
        deployment: layer and machine.
        law: of its steps.
        steps: how many each stream has.
    """

    deployment: Deployment
    law: StepLaw
    steps: int

    @property
    def name(self) -> str:
        """Unique within a split."""
        return f"{self.deployment.label}/{self.law.tokens_low}-{self.law.tokens_high}"


def _kind(deployment: Deployment, law: StepLaw, steps: int = 8) -> Kind:
    return Kind(deployment=deployment, law=law, steps=steps)


_GPT_8 = Deployment(model=GPT_OSS, gpu=H200, num_gpus=8, num_nodes=1, label="gpt-oss-120b/8xH200")
_LITE_8 = Deployment(model=V2_LITE, gpu=H100, num_gpus=8, num_nodes=1, label="v2-lite/8xH100")
_QWEN_16 = Deployment(model=QWEN3, gpu=H100, num_gpus=16, num_nodes=2, label="qwen3-30b/16xH100")
_V3_32 = Deployment(model=V3, gpu=H100, num_gpus=32, num_nodes=4, label="v3/32xH100")

_SMALL = StepLaw(tokens_low=6_000, tokens_high=64_000)
_LARGE = StepLaw(tokens_low=32_000, tokens_high=256_000)
_WIDE = StepLaw(tokens_low=8_000, tokens_high=128_000)
_OTHER = StepLaw(
    tokens_low=4_000, tokens_high=128_000, spread_low=0.4, spread_high=1.2, focused=0.25, focus_experts=(2, 6, 12)
)
_UNSEEN = StepLaw(
    tokens_low=1_000,
    tokens_high=256_000,
    spread_low=0.3,
    spread_high=1.3,
    focused=0.45,
    focus_low=0.1,
    focus_high=0.8,
    focus_experts=(1, 3, 10, 24),
    taste=3.0,
    uneven=0.5,
)
_UNSEEN_WIDE = dataclasses.replace(_UNSEEN, tokens_low=4_000, tokens_high=200_000)

DRAWS: Mapping[Split, int] = {Split.TRAIN: 2, Split.VALIDATION: 2, Split.HIDDEN: 4}
"""How often each kind is drawn in a block."""

KINDS: Mapping[Split, tuple[Kind, ...]] = {
    Split.TRAIN: (
        _kind(_LITE_8, _SMALL),
        _kind(_GPT_8, _LARGE),
        _kind(_QWEN_16, _WIDE, 4),
        _kind(_LITE_8, _LARGE),
        _kind(_GPT_8, _SMALL),
        _kind(_V3_32, _WIDE, 3),
    ),
    Split.VALIDATION: (
        _kind(dataclasses.replace(_GPT_8, gpu=H100, label="gpt-oss-120b/8xH100", spare_experts=6), _OTHER),
        _kind(dataclasses.replace(_QWEN_16, gpu=H200, num_gpus=8, num_nodes=1, label="qwen3-30b/8xH200"), _OTHER),
        _kind(
            Deployment(model=OLMOE, gpu=A100, num_gpus=16, num_nodes=2, label="olmoe/16xA100", spare_experts=3),
            _OTHER,
            4,
        ),
        _kind(dataclasses.replace(_V3_32, gpu=H200, label="v3/32xH200"), _OTHER, 3),
    ),
    Split.HIDDEN: (
        _kind(dataclasses.replace(_GPT_8, gpu=B200, label="gpt-oss-120b/8xB200", scattered=True), _UNSEEN),
        _kind(dataclasses.replace(_LITE_8, gpu=H100_PCIE, label="v2-lite/8xH100-PCIe", spare_experts=2), _UNSEEN),
        _kind(
            Deployment(model=MIXTRAL, gpu=H100, num_gpus=8, num_nodes=1, label="mixtral/8xH100", spare_experts=2),
            _UNSEEN,
        ),
        _kind(dataclasses.replace(_QWEN_16, gpu=H100_ETHERNET, label="qwen3-30b/16xH100-Ethernet"), _UNSEEN_WIDE, 4),
        _kind(
            Deployment(
                model=K2, gpu=H200, num_gpus=16, num_nodes=2, label="k2/16xH200", spare_experts=8, scattered=True
            ),
            _UNSEEN_WIDE,
            4,
        ),
        _kind(dataclasses.replace(_V3_32, gpu=H200, label="v3/32xH200", scattered=True), _UNSEEN_WIDE, 3),
    ),
}
"""The streams of each split, in the order in which they are judged; all draws of a kind are spread over the block."""


def make_problem(workload: str) -> TokenDispatch:
    """Build the problem on ``generated`` steps, or on the routing of the project's ``own`` traces or of a trace's path.

    Raises:
        ProblemError: the trace cannot be used; says why and how to mend it.
    """
    if workload == GENERATED:
        return TokenDispatch(_generated, _facts())
    try:
        source = open_routes(workload)
        for split in Split:
            routed_streams(source, split, bytes(32))
    except TraceError as error:
        raise ProblemError(
            f"cannot use the workload {workload!r}: {error}\nhint: use 'generated', or the path of a trace "
            "(see docs/token_dispatch.md)"
        ) from error
    return TokenDispatch(partial(routed_streams, source), _facts(source))


def _generated(split: Split, seed: bytes) -> Sequence[DispatchStream]:
    streams = []
    for draw in range(DRAWS[split]):
        for kind in KINDS[split]:
            rng = random_generator(derive_seed(seed, f"token_dispatch/{split.value}/{kind.name}/{draw}"))
            steps = draw_steps(kind.deployment, kind.law, rng, kind.steps)
            streams.append(DispatchStream(name=f"{kind.name}/{draw}", stratum=kind.name, steps=steps))
    return streams


def _facts(source: RouteSource | None = None) -> Mapping[str, object]:
    """Everything that decides what a score means: the law of steps, costs, and how reference and bound are found."""
    streams: object
    if source is None:
        kinds = {split.value: [dataclasses.asdict(kind) for kind in KINDS[split]] for split in Split}
        streams = {"kinds": kinds, "draws": {split.value: DRAWS[split] for split in Split}}
    else:
        streams = {"routes": source.digest, **routed_facts()}
    return {
        "steps_version": STEPS_VERSION,
        "streams": streams,
        "shares": [hardware.GEMM_SHARE, hardware.MEMORY_SHARE, hardware.LINK_SHARE],
        "fixed_us": [hardware.LAUNCH_US, *hardware.COLLECTIVE_US, *hardware.REARRANGE_US, hardware.BYTES],
        "reference": [
            *(reference.REFERENCE_VERSION, reference.TARGETS, reference.ROUNDS, *reference.POWERS),
            *(reference.HEAVY_GPUS, reference.HEAVY_EXPERTS, reference.LIGHT_GPUS),
        ],
        "bound": [bound.BOUND_VERSION, bound.HEAVY, bound.SOLVER_SLACK],
    }
