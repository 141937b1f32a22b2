"""Gating of a router as in DeepSeek-V3: sigmoid scores, a bias for the choice alone, groups of experts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from evaluators.kernels.forms import Call, Form
from evaluators.kernels.task import Case, Fault, KernelWorkload, Spoil, Tensors, Traffic
from evaluators.kernels.tasks.sizes import Blocks, Shape, Tokens, about, anchor
from evaluators.model import Split

if TYPE_CHECKING:
    from torch import Tensor

    from evaluators.kernels.tasks.grouped_judge import GroupedTruth

MIXED_LAW = "mixed"
"""Every row of logits by a law of its own."""

LAWS = (
    "mixed",
    "unbiased",
    "negative",
    "equal",
    "peaks",
    "biased",
    "deep",
    "normal",
    "saturated",
    "binary",
    "scaled",
    "one_hot",
    "router",
)
"""How logits and bias are drawn, see `grouped_laws`."""

TIMED_LAWS = {Split.TRAIN: "router", Split.VALIDATION: "router", Split.HIDDEN: "scaled"}

GROUPS = {
    (256, 8): (8, 4),  # DeepSeek-V3, Ling 2.0
    (64, 6): (1, 1),  # Moonlight
    (128, 8): (1, 1),  # GLM-4.5-Air
    (160, 8): (1, 1),  # GLM-4.5
    (128, 6): (1, 1),  # dots.llm1
    (384, 8): (1, 1),  # Kimi K2
    # No model's, the same rule: groups that are no power of two, of two experts, more experts, all chosen.
    (512, 10): (8, 4),
    (192, 8): (8, 4),
    (96, 6): (4, 2),
    (60, 4): (5, 2),
    (16, 2): (8, 3),
    (8, 8): (4, 4),
}
"""Groups and how many of them are kept, by experts and k."""

# No number of tokens above 67 divides the number of experts: where calls are cut to few rows, what has as many rows as
# there are tokens is cut with them, and the bias must not be.
_TRAIN = (
    Shape(tokens=Tokens(least=9, most=40), width=256, k=8),
    Shape(tokens=anchor(250), width=256, k=8),
    Shape(tokens=about(1500), width=128, k=8),
    Shape(tokens=about(4096), width=256, k=8),
    Shape(tokens=about(16384), width=64, k=6),
    Shape(tokens=anchor(32768), width=256, k=8),
)
_VALIDATION = (
    Shape(tokens=Tokens(least=1, most=16), width=256, k=8),
    Shape(tokens=about(200), width=160, k=8),
    Shape(tokens=about(2500), width=256, k=8),
    Shape(tokens=about(9000), width=128, k=6),
    Shape(tokens=about(24000), width=64, k=6),
    Shape(tokens=about(26000), width=256, k=8),
)
_HIDDEN = (
    Shape(tokens=about(70), width=384, k=8),
    Shape(tokens=about(700), width=512, k=10),
    Shape(tokens=about(3000), width=192, k=8),
    Shape(tokens=about(11000), width=96, k=6),
    Shape(tokens=about(6000), width=256, k=8),
    Shape(tokens=about(20000), width=256, k=8),
)
_SHAPES = {Split.TRAIN: _TRAIN, Split.VALIDATION: _VALIDATION, Split.HIDDEN: _HIDDEN}

# Beside the timed shapes: no token, one token, groups of twelve and of two experts, and all experts chosen.
_ODD = ((0, 256, 8), (1, 256, 8), (37, 60, 4), (5, 16, 2), (3, 8, 8))
_BLOCKS = {
    split: Blocks(
        name="topk_gating_grouped",
        shapes=_SHAPES,
        odd=_ODD,
        checked_tokens=(16, 120),
        laws=LAWS,
        timed_law=law,
    )
    for split, law in TIMED_LAWS.items()
}


class TopkGatingGrouped:
    """The task ``topk_gating_grouped(logits bf16[T, E], bias f32[E], k, groups, top_groups) -> (weights, ids)``.

    ``s = sigmoid(logits[t])`` and ``b = s + bias``. Experts form `groups` groups of E / groups neighbours each; a
    group's score is the sum of its two largest b. Of the `top_groups` groups of the largest scores the k experts of the
    largest b are chosen (DeepSeek-V3, arXiv 2412.19437, section 2.1.2, and its published inference code). ``ids`` int32
    ``[T, k]`` names them, ``weights`` float32 ``[T, k]`` are their s over the sum of those k; the order is free.

    Where b or scores of groups tie within float32's error, any of them is right. E / groups is 2 at least,
    ``k <= top_groups * E / groups``, T may be 0, logits lie in -24 .. 24 and bias in -8 .. 8.
    """

    name = "topk_gating_grouped"
    entry = "topk_gating_grouped"
    parameters = ("logits", "bias", "k", "groups", "top_groups")
    revision = 1
    checks = ("finite", "range", "distinct", "groups", "choice", "element", "row", "global", "bias")
    partial_columns = frozenset({"vllm"})
    """Columns that do less than is asked, to compare times: vLLM's operator keeps scores of groups in the logits' type,
    bfloat16, so that it keeps other groups where they are close."""

    def workloads(self, split: Split, seed: bytes) -> Sequence[KernelWorkload]:
        """Six shapes, from decode to prefill; hidden ones hold other contents too."""
        return _BLOCKS[split].draw(split, seed, self.call, lambda: MIXED_LAW)

    def call(self, tokens: int, experts: int, k: int, dtype: str = "bfloat16") -> Call:
        """The call of a shape, its groups those of `GROUPS`; another type of the logits is for tiers without bf16."""
        groups, top_groups = GROUPS[experts, k]
        return Call(
            name=f"T={tokens} E={experts} k={k} G={groups}/{top_groups}",
            tensors={
                "logits": Form(dtype=dtype, shape=(tokens, experts)),
                "bias": Form(dtype="float32", shape=(experts,)),
            },
            scalars={"k": k, "groups": groups, "top_groups": top_groups},
            outputs=(Form(dtype="float32", shape=(tokens, k)), Form(dtype="int32", shape=(tokens, k))),
        )

    def contents(self, case: Case, number: int, device: str) -> Tensors:
        """Fresh logits and bias."""
        from evaluators.kernels.tasks import grouped_laws  # noqa: PLC0415 - torch is optional

        return grouped_laws.contents(case, number, device)

    def truth(self, case: Case, contents: Tensors) -> GroupedTruth:
        """Scores of experts and groups in float64, how well float32 knows them, and the budgets of weights."""
        from evaluators.kernels.tasks import grouped_judge  # noqa: PLC0415 - torch is optional

        scalars = {name: int(value) for name, value in case.call.scalars.items()}
        return grouped_judge.truth(contents["logits"], contents["bias"], **scalars)

    def fault(
        self, case: Case, contents: Tensors, truth: GroupedTruth, outputs: Sequence[Tensor], off: frozenset[str]
    ) -> Fault | None:
        """The first check that the outputs fail."""
        del case, contents
        from evaluators.kernels.tasks import grouped_judge  # noqa: PLC0415 - torch is optional

        weights, ids = outputs
        return grouped_judge.fault(truth, weights, ids, off)

    def traffic(self, case: Case, contents: Tensors) -> Traffic:
        """Logits and bias read once, both results written once; an exponential and an addition for each logit."""
        del contents
        return Traffic(
            read_bytes=sum(form.bytes for form in case.call.tensors.values()) if case.call.outputs[0].items else 0,
            written_bytes=sum(form.bytes for form in case.call.outputs),
            flops=2.0 * case.call.tensors["logits"].items,
        )

    def columns(self) -> Mapping[str, Callable[[Case, Tensors], Sequence[Tensor]]]:
        """What a user would call instead."""
        from evaluators.kernels.tasks import grouped_columns  # noqa: PLC0415 - torch is optional

        return grouped_columns.columns()

    def missing_columns(self) -> Mapping[str, str]:
        """Columns that cannot be had here, each with the reason."""
        from evaluators.kernels.tasks import grouped_columns  # noqa: PLC0415 - torch is optional

        return grouped_columns.missing()

    def audit_case(self, seed: int) -> Case:
        """A case whose contents hold all that `spoils` needs: small scores, experts shut out by their group."""
        return Case(call=self.call(512, 256, 8), law="mixed", seed=seed)

    def spoils(self) -> Mapping[str, Spoil]:
        """For each check right outputs of `audit_case` made wrong so that this check alone stands against them."""
        from evaluators.kernels.tasks import grouped_spoils  # noqa: PLC0415 - torch is optional

        return grouped_spoils.SPOILS
