"""The experts of one layer on the many tokens of prompts: two grouped matrix products at the matrix units' pace."""

from __future__ import annotations

from evaluators.kernels.tasks.experts import FusedExperts
from evaluators.kernels.tasks.experts_shapes import (
    DBRX_TP8,
    DEEPSEEK_V2_LITE,
    GPT_OSS_20B,
    GRANITE_3B,
    MIXTRAL_TP8,
    OLMOE,
    QWEN3_30B,
    QWEN3_235B_TP8,
    QWEN15_MOE,
    ExpertBlocks,
    ExpertShape,
)
from evaluators.kernels.tasks.sizes import about, anchor
from evaluators.model import Split

_TRAIN = (
    ExpertShape(tokens=anchor(1024), layer=MIXTRAL_TP8, law="uniform"),
    ExpertShape(tokens=about(1500), layer=OLMOE, law="zipf"),
    ExpertShape(tokens=about(2600), layer=QWEN3_30B, law="uniform"),
    ExpertShape(tokens=anchor(4096), layer=QWEN3_30B, law="zipf"),
    ExpertShape(tokens=about(7000), layer=MIXTRAL_TP8, law="uniform"),
    ExpertShape(tokens=about(9000), layer=OLMOE, law="zipf"),
)
_VALIDATION = (
    ExpertShape(tokens=about(1800), layer=MIXTRAL_TP8, law="zipf"),
    ExpertShape(tokens=about(1200), layer=OLMOE, law="uniform"),
    ExpertShape(tokens=about(1600), layer=QWEN3_30B, law="zipf"),
    ExpertShape(tokens=about(4500), layer=OLMOE, law="uniform"),
    ExpertShape(tokens=about(9000), layer=QWEN3_30B, law="uniform"),
    ExpertShape(tokens=about(13000), layer=MIXTRAL_TP8, law="zipf"),
)
_HIDDEN = (
    ExpertShape(tokens=about(1100), layer=GRANITE_3B, law="steep"),
    ExpertShape(tokens=about(2000), layer=QWEN3_235B_TP8, law="bursty"),
    ExpertShape(tokens=about(3000), layer=QWEN15_MOE, law="steep"),
    ExpertShape(tokens=about(6000), layer=DEEPSEEK_V2_LITE, law="bursty"),
    ExpertShape(tokens=about(3500), layer=DBRX_TP8, law="steep"),
    ExpertShape(tokens=about(4200), layer=GPT_OSS_20B, law="bursty"),
)

BLOCKS = ExpertBlocks(
    name="moe_prefill",
    shapes={Split.TRAIN: _TRAIN, Split.VALIDATION: _VALIDATION, Split.HIDDEN: _HIDDEN},
)


def moe_prefill_task() -> FusedExperts:
    """The problem's trusted side."""
    return FusedExperts(BLOCKS)
