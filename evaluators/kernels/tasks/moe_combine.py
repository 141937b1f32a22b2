"""The last step of a mixture-of-experts layer: every token's weighted sum of its experts' output rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from evaluators.kernels.forms import Call, Form
from evaluators.kernels.task import Case, Fault, KernelWorkload, Spoil, Tensors, Traffic
from evaluators.kernels.tasks.sizes import Blocks, Shape, Tokens, about, anchor, random_of
from evaluators.model import Split

if TYPE_CHECKING:
    from torch import Tensor

    from evaluators.kernels.tasks.combine_judge import CombineTruth

TIMED_LAW = "router"
LAWS = (
    "normal",
    "zeros",
    "outliers",
    "signed",
    "shifted",
    "one_hot",
    "binary",
    "scaled",
    "one_expert",
    "equal",
    "router",
)
"""How the three arguments are drawn, see `combine_laws`."""


# Hidden size and k of: Qwen3-30B 2048/8, Mixtral 4096/2, DeepSeek-V3 7168/8, V2-Lite 2048/6, Qwen3-235B 4096/8.
_TRAIN = (
    Shape(tokens=Tokens(least=5, most=24), width=2048, k=8),
    Shape(tokens=about(96), width=4096, k=2),
    Shape(tokens=about(256), width=7168, k=8),
    Shape(tokens=about(1800), width=2048, k=6),
    Shape(tokens=about(5000), width=4096, k=2),
    Shape(tokens=anchor(4096), width=4096, k=8),
)
# OLMoE 2048/8, DeepSeek-V2-Lite, DBRX 6144/4, Qwen3-235B, DeepSeek-V3.
_VALIDATION = (
    Shape(tokens=Tokens(least=1, most=12), width=4096, k=8),
    Shape(tokens=about(80), width=7168, k=8),
    Shape(tokens=about(350), width=4096, k=8),
    Shape(tokens=about(1500), width=6144, k=4),
    Shape(tokens=about(6000), width=2048, k=8),
    Shape(tokens=about(14000), width=2048, k=6),
)
# gpt-oss 2880/4, Qwen3-Next 2048/10, DeepSeek-V2 5120/6, Phi-3.5-MoE 4096/2, Kimi K2 7168/8.
_HIDDEN = (
    Shape(tokens=about(40), width=2880, k=4),
    Shape(tokens=about(160), width=5120, k=6),
    Shape(tokens=about(900), width=2880, k=4),
    Shape(tokens=about(3000), width=2048, k=10),
    Shape(tokens=about(9000), width=4096, k=2),
    Shape(tokens=about(3200), width=7168, k=8),
)
_SHAPES = {Split.TRAIN: _TRAIN, Split.VALIDATION: _VALIDATION, Split.HIDDEN: _HIDDEN}

# Beside the timed shapes: no token, one token, a hidden size that is no power of two, one expert for each token.
_ODD = ((0, 2048, 8), (1, 4096, 2), (5, 2896, 5), (19, 80, 1))

# Odd sizes are checked at so many tokens: contents and reference cost tokens * k * hidden.
_CHECKED_TOKENS = (4, 40)
_BLOCKS = Blocks(
    name="moe_combine",
    shapes=_SHAPES,
    odd=_ODD,
    checked_tokens=_CHECKED_TOKENS,
    laws=LAWS,
    timed_law=TIMED_LAW,
)


class MoeCombine:
    """The task ``moe_combine(expert_out bf16[T * k, H], row_of i32[T, k], weights f32[T, k]) -> bf16[T, H]``.

    ``y[t] = sum over j of weights[t, j] * expert_out[row_of[t, j]]``, added in float32 and rounded once. `row_of` is a
    permutation of ``0 .. T * k - 1``: every row belongs to one token. H is a multiple of 16; T may be 0; weights are
    finite, of either sign, and may be 0.
    """

    name = "moe_combine"
    entry = "moe_combine"
    parameters = ("expert_out", "row_of", "weights")
    revision = 2
    checks = ("finite", "element", "row", "global", "bias")
    partial_columns = frozenset({"vllm_sum"})
    """Columns that do a part of what is asked, to compare times: ``vllm_sum`` adds rows that lie in the order of their
    tokens, without weights, because vLLM's matrix product has put them there and weighted them."""

    def workloads(self, split: Split, seed: bytes) -> Sequence[KernelWorkload]:
        """Six shapes, from decode to prefill; the cheapest comes first."""
        others = random_of(seed, f"{self.name}:{split.value}:laws of timed sizes")
        return _BLOCKS.draw(split, seed, self.call, lambda: others.choice(LAWS[:-1]))

    def call(self, tokens: int, hidden: int, k: int, dtype: str = "bfloat16") -> Call:
        """The call of a shape; another type of rows and result is for tiers that have no bf16."""
        return Call(
            name=f"T={tokens} H={hidden} k={k}",
            tensors={
                "expert_out": Form(dtype=dtype, shape=(tokens * k, hidden)),
                "row_of": Form(dtype="int32", shape=(tokens, k)),
                "weights": Form(dtype="float32", shape=(tokens, k)),
            },
            outputs=(Form(dtype=dtype, shape=(tokens, hidden)),),
        )

    def contents(self, case: Case, number: int, device: str) -> Tensors:
        """Fresh expert outputs, permutation and weights."""
        from evaluators.kernels.tasks import combine_laws  # noqa: PLC0415 - torch is optional

        return combine_laws.contents(case, number, device)

    def truth(self, case: Case, contents: Tensors) -> CombineTruth:
        """Sums in float64 and the budgets of float32 sums rounded once."""
        del case
        from evaluators.kernels.tasks import combine_judge  # noqa: PLC0415 - torch is optional

        return combine_judge.truth(contents)

    def fault(
        self, case: Case, contents: Tensors, truth: CombineTruth, outputs: Sequence[Tensor], off: frozenset[str]
    ) -> Fault | None:
        """The first check that the outputs fail."""
        del case, contents
        from evaluators.kernels.tasks import combine_judge  # noqa: PLC0415 - torch is optional

        (output,) = outputs
        return combine_judge.fault(truth, output, off)

    def traffic(self, case: Case, contents: Tensors) -> Traffic:
        """Rows of weight 0 need not be read; all else once. A product and an addition for every element read."""
        rows, hidden = case.call.tensors["expert_out"].shape
        active = int((contents["weights"] != 0).sum()) if rows else 0
        row_bytes = case.call.tensors["expert_out"].bytes // rows if rows else 0
        return Traffic(
            read_bytes=active * row_bytes + sum(case.call.tensors[name].bytes for name in ("row_of", "weights")),
            written_bytes=case.call.outputs[0].bytes,
            flops=2.0 * active * hidden,
        )

    def columns(self) -> Mapping[str, Callable[[Case, Tensors], Sequence[Tensor]]]:
        """What a user would call instead."""
        from evaluators.kernels.tasks import combine_columns  # noqa: PLC0415 - torch is optional

        return combine_columns.columns()

    def missing_columns(self) -> Mapping[str, str]:
        """Columns that cannot be had here, each with the reason."""
        from evaluators.kernels.tasks import combine_columns  # noqa: PLC0415 - torch is optional

        return combine_columns.missing()

    def audit_case(self, seed: int) -> Case:
        """A case with enough elements that every one of `spoils` can be told from rounding."""
        return Case(call=self.call(128, 1024, 4), law="router", seed=seed)

    def spoils(self) -> Mapping[str, Spoil]:
        """For each check right outputs of `audit_case` made wrong so that this check alone stands against them."""
        from evaluators.kernels.tasks import combine_spoils  # noqa: PLC0415 - torch is optional

        return combine_spoils.SPOILS
