"""Top-k gating of a mixture-of-experts router: softmax over all experts, the k largest scores and their experts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from evaluators.kernels.forms import Call, Form
from evaluators.kernels.task import Case, Fault, KernelWorkload, Spoil, Tensors, Traffic
from evaluators.kernels.tasks.sizes import Blocks, Shape, Tokens, about, anchor
from evaluators.model import Split

if TYPE_CHECKING:
    from torch import Tensor

    from evaluators.kernels.tasks.gating_judge import GatingTruth

TIMED_LAW = "router"
MIXED_LAW = "mixed"
"""Every row by a law of its own."""

LAWS = (
    "mixed",
    "normal",
    "equal",
    "shifted",
    "outliers",
    "binary",
    "scaled",
    "negative",
    "one_hot",
    "router",
)
"""How logits are drawn, see `laws`; all are finite: a router has no expert of score zero."""


# Experts and k of: DeepSeek-V2-Lite 64/6, Qwen3-30B and Qwen3-235B 128/8, Mixtral 8/2, OLMoE 64/8, DeepSeek-V3 256/8.
_TRAIN = (
    Shape(tokens=Tokens(least=9, most=40), width=64, k=6),
    Shape(tokens=anchor(256), width=128, k=8),
    Shape(tokens=about(6000), width=8, k=2),
    Shape(tokens=about(4096), width=256, k=8),
    Shape(tokens=about(16384), width=64, k=8),
    Shape(tokens=anchor(32768), width=128, k=8),
)
# gpt-oss-120b 128/4, gpt-oss-20b 32/4; the others as above at other sizes.
_VALIDATION = (
    Shape(tokens=Tokens(least=1, most=16), width=128, k=8),
    Shape(tokens=about(200), width=256, k=8),
    Shape(tokens=about(3000), width=32, k=4),
    Shape(tokens=about(9000), width=128, k=4),
    Shape(tokens=about(24000), width=64, k=6),
    Shape(tokens=about(28000), width=128, k=8),
)
# Qwen1.5-MoE 60/4, DeepSeek-V2 160/6, Phi-3.5-MoE 16/2, Kimi K2 384/8, Qwen3-Next 512/10; Qwen3-30B at another size.
_HIDDEN = (
    Shape(tokens=about(70), width=160, k=6),
    Shape(tokens=about(11000), width=16, k=2),
    Shape(tokens=about(700), width=384, k=8),
    Shape(tokens=about(11000), width=60, k=4),
    Shape(tokens=about(3500), width=512, k=10),
    Shape(tokens=about(20000), width=128, k=8),
)
_SHAPES = {Split.TRAIN: _TRAIN, Split.VALIDATION: _VALIDATION, Split.HIDDEN: _HIDDEN}

# Beside the timed shapes: no token, one token, no power of two, and all experts chosen.
_ODD = ((0, 64, 6), (1, 128, 8), (37, 60, 4), (3, 8, 8))
_BLOCKS = Blocks(
    name="topk_gating",
    shapes=_SHAPES,
    odd=_ODD,
    checked_tokens=(16, 120),
    laws=LAWS,
    timed_law=TIMED_LAW,
)


class TopkGating:
    """The task ``topk_gating(logits bf16[T, E], k) -> (weights f32[T, k] falling, ids i32[T, k])``.

    ``weights[t, j] = softmax(logits[t])[ids[t, j]]`` over all E experts, not renormalised, in float32. Where scores
    tie, any of the tied experts is right. ``1 <= k <= E``; T may be 0; logits are finite.
    """

    name = "topk_gating"
    entry = "topk_gating"
    parameters = ("logits", "k")
    revision = 2
    checks = ("finite", "range", "distinct", "choice", "falling", "element", "row", "global", "bias")
    partial_columns: frozenset[str] = frozenset()
    """Columns that do only a part of what is asked: none."""

    def workloads(self, split: Split, seed: bytes) -> Sequence[KernelWorkload]:
        """Six shapes, from decode to prefill; the last and largest come last."""
        return _BLOCKS.draw(split, seed, self.call, lambda: MIXED_LAW)

    def call(self, tokens: int, experts: int, k: int, dtype: str = "bfloat16") -> Call:
        """The call of a shape; another type of the logits is for tiers that have no bf16."""
        return Call(
            name=f"T={tokens} E={experts} k={k}",
            tensors={"logits": Form(dtype=dtype, shape=(tokens, experts))},
            scalars={"k": k},
            outputs=(Form(dtype="float32", shape=(tokens, k)), Form(dtype="int32", shape=(tokens, k))),
        )

    def contents(self, case: Case, number: int, device: str) -> Tensors:
        """Fresh logits."""
        from evaluators.kernels.tasks import laws  # noqa: PLC0415 - torch is optional

        return {"logits": laws.logits(case, number, device)}

    def truth(self, case: Case, contents: Tensors) -> GatingTruth:
        """Scores in float64 and the budgets of a float32 softmax."""
        from evaluators.kernels.tasks import gating_judge  # noqa: PLC0415 - torch is optional

        return gating_judge.truth(contents["logits"], int(case.call.scalars["k"]))

    def fault(
        self, case: Case, contents: Tensors, truth: GatingTruth, outputs: Sequence[Tensor], off: frozenset[str]
    ) -> Fault | None:
        """The first check that the outputs fail."""
        del case
        from evaluators.kernels.tasks import gating_judge  # noqa: PLC0415 - torch is optional

        weights, ids = outputs
        return gating_judge.fault(contents["logits"], truth, weights, ids, off)

    def traffic(self, case: Case, contents: Tensors) -> Traffic:
        """Every logit read once, both results written once; one exponential and one addition for each logit."""
        del contents
        logits = case.call.tensors["logits"]
        return Traffic(
            read_bytes=logits.bytes,
            written_bytes=sum(form.bytes for form in case.call.outputs),
            flops=2.0 * logits.items,
        )

    def columns(self) -> Mapping[str, Callable[[Case, Tensors], Sequence[Tensor]]]:
        """What a user would call instead."""
        from evaluators.kernels.tasks import gating_columns  # noqa: PLC0415 - torch is optional

        return gating_columns.columns()

    def missing_columns(self) -> Mapping[str, str]:
        """Columns that cannot be had here, each with the reason."""
        from evaluators.kernels.tasks import gating_columns  # noqa: PLC0415 - torch is optional

        return gating_columns.missing()

    def audit_case(self, seed: int) -> Case:
        """A case whose contents hold all that `spoils` needs: ties, small scores, many rows."""
        return Case(call=self.call(512, 64, 6), law="mixed", seed=seed)

    def spoils(self) -> Mapping[str, Spoil]:
        """For each check right outputs of `audit_case` made wrong so that this check alone stands against them."""
        from evaluators.kernels.tasks import gating_spoils  # noqa: PLC0415 - torch is optional

        return gating_spoils.SPOILS
