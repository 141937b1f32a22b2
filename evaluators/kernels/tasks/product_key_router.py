"""Product-key routing: the k best of S * S experts whose scores are sums of one score of each of two axes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from evaluators.kernels.forms import Call, Form
from evaluators.kernels.task import Case, Fault, KernelWorkload, Spoil, Tensors, Traffic
from evaluators.kernels.tasks.sizes import Blocks, Shape, Tokens, about, anchor
from evaluators.model import Split

if TYPE_CHECKING:
    from torch import Tensor

    from evaluators.kernels.tasks.product_judge import ProductTruth

MIXED_LAW = "mixed"
"""Every row by a law of its own."""

LAWS = (
    "mixed",
    "normal",
    "grid",
    "absorbed",
    "equal",
    "steep",
    "router",
    "cancelling",
    "outliers",
    "one_hot",
    "binary",
    "negative",
    "scaled",
)
"""How the scores of the two axes are drawn, see `product_laws`; all are finite, and so are all sums."""


# Scores of an axis (the root of the number of experts) and k of: OmniMoE's example (arXiv 2602.05711) 64/16, memories
# of product keys (arXiv 1907.05242) 512/32, PEER (arXiv 2407.04153) 1024/16. A row is one head of a token.
_TRAIN = (
    Shape(tokens=Tokens(least=9, most=40), width=256, k=16),
    Shape(tokens=about(256), width=1024, k=16),
    Shape(tokens=about(7000), width=64, k=16),
    Shape(tokens=about(3000), width=512, k=32),
    Shape(tokens=about(16384), width=256, k=8),
    Shape(tokens=anchor(16384), width=512, k=16),
)
_VALIDATION = (
    Shape(tokens=Tokens(least=1, most=16), width=512, k=32),
    Shape(tokens=about(300), width=256, k=8),
    Shape(tokens=about(6000), width=128, k=16),
    Shape(tokens=about(3000), width=1024, k=16),
    Shape(tokens=about(9000), width=512, k=8),
    Shape(tokens=about(28000), width=256, k=16),
)
_HIDDEN = (
    Shape(tokens=about(60), width=160, k=10),
    Shape(tokens=about(900), width=768, k=24),
    Shape(tokens=about(9000), width=96, k=12),
    Shape(tokens=about(5000), width=320, k=32),
    Shape(tokens=about(1400), width=2048, k=16),
    Shape(tokens=about(12000), width=640, k=8),
)
_SHAPES = {Split.TRAIN: _TRAIN, Split.VALIDATION: _VALIDATION, Split.HIDDEN: _HIDDEN}
_TIMED_LAWS = {Split.TRAIN: "router", Split.VALIDATION: "router", Split.HIDDEN: "normal"}

# Beside the timed shapes: no row, one row, no power of two, as many chosen as an axis has, a single one.
_ODD = ((0, 64, 16), (1, 512, 32), (37, 60, 5), (3, 8, 8), (5, 33, 1))

# An interpreter takes a tenth of a second for a row of many rounds: few rows are checked beside the timed shapes, and
# few of those are left there.
_CHECKED_TOKENS = (2, 9)
_SHRUNK_ROUNDS, _LEAST_ROWS = 80, 5
_BLOCKS = {
    split: Blocks(
        name="product_key_router",
        shapes=_SHAPES,
        odd=_ODD,
        checked_tokens=_CHECKED_TOKENS,
        laws=LAWS,
        timed_law=law,
    )
    for split, law in _TIMED_LAWS.items()
}


class ProductKeyRouter:
    """The task ``product_key_router(a bf16[T, S], b bf16[T, S], k) -> (scores f32[T, k] falling, ids i32[T, k])``.

    ``scores[t, n] = float32(a[t, i] + b[t, j])`` with ``i * S + j = ids[t, n]``, rounded once, are the k largest sums
    of all ``S * S``. Where sums tie, or tie after rounding, any of the tied pairs is right. ``1 <= k <= min(S, 64)``,
    S is at most 4096, T may be 0; all scores and sums are finite.
    """

    name = "product_key_router"
    entry = "product_key_router"
    parameters = ("a", "b", "k")
    revision = 1
    checks = ("finite", "range", "distinct", "choice", "falling", "element")
    partial_columns: frozenset[str] = frozenset()
    """Columns that do only a part of what is asked: none."""

    def workloads(self, split: Split, seed: bytes) -> Sequence[KernelWorkload]:
        """Six shapes, from a few rows to many; the cheapest comes first."""
        return _BLOCKS[split].draw(split, seed, self.call, lambda: MIXED_LAW)

    def call(self, tokens: int, side: int, k: int, dtype: str = "bfloat16") -> Call:
        """The call of a shape; another type of the axes is for tiers that have no bf16."""
        return Call(
            name=f"T={tokens} S={side} k={k}",
            tensors={name: Form(dtype=dtype, shape=(tokens, side)) for name in ("a", "b")},
            scalars={"k": k},
            outputs=(Form(dtype="float32", shape=(tokens, k)), Form(dtype="int32", shape=(tokens, k))),
        )

    def shrunk(self, case: Case, most_rows: int) -> Case:
        """The case cut to few rows, for tiers that are slow: the more rounds a row takes, the fewer."""
        tokens, side = case.call.tensors["a"].shape
        k = int(case.call.scalars["k"])
        rows = min(most_rows, max(_LEAST_ROWS, _SHRUNK_ROUNDS // k))
        if tokens <= rows:
            return case
        smaller = self.call(rows, side, k, case.call.tensors["a"].dtype)
        return replace(case, call=replace(smaller, name=f"{case.call.name}, of which {rows} rows"))

    def contents(self, case: Case, number: int, device: str) -> Tensors:
        """Fresh scores of both axes."""
        from evaluators.kernels.tasks import product_laws  # noqa: PLC0415 - torch is optional

        return product_laws.contents(case, number, device)

    def truth(self, case: Case, contents: Tensors) -> ProductTruth:
        """The k largest sums in float64, which holds them exactly."""
        from evaluators.kernels.tasks import product_judge  # noqa: PLC0415 - torch is optional

        return product_judge.truth(contents, int(case.call.scalars["k"]))

    def fault(
        self, case: Case, contents: Tensors, truth: ProductTruth, outputs: Sequence[Tensor], off: frozenset[str]
    ) -> Fault | None:
        """The first check that the outputs fail."""
        del case
        from evaluators.kernels.tasks import product_judge  # noqa: PLC0415 - torch is optional

        scores, ids = outputs
        return product_judge.fault(contents, truth, scores, ids, off)

    def traffic(self, case: Case, contents: Tensors) -> Traffic:
        """Both axes read once, both results written once; one addition for each result."""
        del contents
        return Traffic(
            read_bytes=sum(form.bytes for form in case.call.tensors.values()),
            written_bytes=sum(form.bytes for form in case.call.outputs),
            flops=float(case.call.outputs[0].items),
        )

    def columns(self) -> Mapping[str, Callable[[Case, Tensors], Sequence[Tensor]]]:
        """What a user would call instead."""
        from evaluators.kernels.tasks import product_columns  # noqa: PLC0415 - torch is optional

        return product_columns.columns()

    def missing_columns(self) -> Mapping[str, str]:
        """Columns that cannot be had here, each with the reason."""
        from evaluators.kernels.tasks import product_columns  # noqa: PLC0415 - torch is optional

        return product_columns.missing()

    def audit_case(self, seed: int) -> Case:
        """A case whose contents hold all that `spoils` needs: ties, and rows with a clear best pair."""
        return Case(call=self.call(512, 64, 8), law=MIXED_LAW, seed=seed)

    def spoils(self) -> Mapping[str, Spoil]:
        """For each check right outputs of `audit_case` made wrong so that this check alone stands against them."""
        from evaluators.kernels.tasks import product_spoils  # noqa: PLC0415 - torch is optional

        return product_spoils.SPOILS
