"""The experts of one layer on the few tokens of a decoding step: the weights of the experts in use are what is read."""

from __future__ import annotations

from evaluators.kernels.tasks.experts import FusedExperts
from evaluators.kernels.tasks.experts_shapes import (
    DBRX_TP8,
    DEEPSEEK_V2_LITE,
    GRANITE_3B,
    MIXTRAL_TP8,
    OLMOE,
    QWEN3_30B,
    QWEN3_235B_TP8,
    QWEN15_MOE,
    ExpertBlocks,
    ExpertShape,
)
from evaluators.kernels.tasks.sizes import Tokens, about, anchor
from evaluators.model import Split

_TRAIN = (
    ExpertShape(tokens=anchor(1), layer=QWEN3_30B, law="uniform"),
    ExpertShape(tokens=Tokens(least=4, most=12), layer=MIXTRAL_TP8, law="zipf"),
    ExpertShape(tokens=anchor(8), layer=OLMOE, law="uniform"),
    ExpertShape(tokens=about(180), layer=OLMOE, law="zipf"),
    ExpertShape(tokens=anchor(64), layer=QWEN3_30B, law="zipf"),
    ExpertShape(tokens=about(200), layer=QWEN3_30B, law="uniform"),
)
_VALIDATION = (
    ExpertShape(tokens=Tokens(least=1, most=2), layer=OLMOE, law="uniform"),
    ExpertShape(tokens=about(90), layer=MIXTRAL_TP8, law="uniform"),
    ExpertShape(tokens=Tokens(least=5, most=12), layer=QWEN3_30B, law="zipf"),
    ExpertShape(tokens=about(40), layer=OLMOE, law="zipf"),
    ExpertShape(tokens=about(30), layer=QWEN3_30B, law="uniform"),
    ExpertShape(tokens=about(120), layer=QWEN3_30B, law="zipf"),
)
_HIDDEN = (
    ExpertShape(tokens=Tokens(least=1, most=3), layer=GRANITE_3B, law="steep"),
    ExpertShape(tokens=about(12), layer=QWEN3_235B_TP8, law="bursty"),
    ExpertShape(tokens=about(220), layer=QWEN3_235B_TP8, law="steep"),
    ExpertShape(tokens=about(24), layer=QWEN15_MOE, law="steep"),
    ExpertShape(tokens=about(56), layer=DBRX_TP8, law="bursty"),
    ExpertShape(tokens=about(140), layer=DEEPSEEK_V2_LITE, law="bursty"),
)

BLOCKS = ExpertBlocks(
    name="moe_decode",
    shapes={Split.TRAIN: _TRAIN, Split.VALIDATION: _VALIDATION, Split.HIDDEN: _HIDDEN},
)


def moe_decode_task() -> FusedExperts:
    """The problem's trusted side."""
    return FusedExperts(BLOCKS)
