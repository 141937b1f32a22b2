"""The fused experts of one mixture-of-experts layer: what `moe_decode` and `moe_prefill` have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from evaluators.kernels.forms import ITEM_BYTES, Call, Form
from evaluators.kernels.task import Case, Fault, KernelWorkload, Spoil, Tensors, Traffic
from evaluators.kernels.tasks.experts_shapes import ExpertBlocks, Layer
from evaluators.model import Split

if TYPE_CHECKING:
    from torch import Tensor

    from evaluators.kernels.tasks.experts_judge import ExpertsTruth

PARAMETERS = ("x", "w13", "w2", "weights", "ids")
ITEM = ITEM_BYTES["bfloat16"]

MOST_SHRUNK_ROWS, MOST_SHRUNK_TOKENS = 14, 35
"""For tiers that are slow: of tokens times their experts, where those are several; of tokens where it is one, so that
they fill more than a tile."""


class FusedExperts:
    """``NAME(x bf16[T, H], w13 bf16[E, 2 I, H], w2 bf16[E, H, I], weights f32[T, k], ids i32[T, k]) -> bf16[T, H]``.

    ``y[t] = sum over j of weights[t, j] * w2[e] @ (silu(g) * u)`` where ``e = ids[t, j]``, g is the first half of
    ``w13[e] @ x[t]`` and u the second, and ``silu(g) = g / (1 + exp(-g))``. The ids of a token are distinct and in
    ``0 .. E - 1``. H and I are multiples of 64; T may be 0, k may be E; weights are finite, of either sign, and may be
    0. Products are added in float32; what passes from one kernel to the next may be rounded to bf16.

    Args:
        blocks: name of the problem and its shapes.
    """

    parameters = PARAMETERS
    revision = 1
    checks = ("finite", "element", "row", "global", "bias")
    partial_columns: frozenset[str] = frozenset()
    """Columns that do only a part of what is asked: none."""

    def __init__(self, blocks: ExpertBlocks) -> None:
        self.name = blocks.name
        self.entry = blocks.name
        self._blocks = blocks

    def workloads(self, split: Split, seed: bytes) -> Sequence[KernelWorkload]:
        """Six shapes, the cheapest first."""
        return self._blocks.draw(split, seed, self.call)

    def call(self, tokens: int, layer: Layer) -> Call:
        """The call of a shape."""
        hidden, inner, experts, k = layer.hidden, layer.inner, layer.experts, layer.k
        token = Form(dtype="bfloat16", shape=(tokens, hidden))
        return Call(
            name=f"T={tokens} H={hidden} I={inner} E={experts} k={k}",
            tensors={
                "x": token,
                "w13": Form(dtype="bfloat16", shape=(experts, 2 * inner, hidden)),
                "w2": Form(dtype="bfloat16", shape=(experts, hidden, inner)),
                "weights": Form(dtype="float32", shape=(tokens, k)),
                "ids": Form(dtype="int32", shape=(tokens, k)),
            },
            outputs=(token,),
        )

    def shrunk(self, case: Case, most_rows: int) -> Case:
        """The case cut to a small layer and few tokens, for tiers that are slow; H stays a multiple of 128 where it is
        one."""
        forms = case.call.tensors
        (tokens, k), (experts, hidden, inner) = forms["ids"].shape, forms["w2"].shape
        layer = Layer(
            hidden=min(hidden, 192 if hidden % 128 else 128),
            inner=min(inner, 64),
            experts=min(experts, 5),
            k=min(k, 3),
        )
        most = MOST_SHRUNK_TOKENS if k == 1 else MOST_SHRUNK_ROWS // layer.k
        smaller = self.call(min(tokens, most_rows, most), layer)
        if smaller == case.call:
            return case
        return replace(case, call=replace(smaller, name=f"{smaller.name}, cut from {case.call.name}"))

    def contents(self, case: Case, number: int, device: str) -> Tensors:
        """Fresh tokens, weights of experts and routing."""
        from evaluators.kernels.tasks import experts_laws  # noqa: PLC0415 - torch is optional

        return experts_laws.contents(case, number, device)

    def truth(self, case: Case, contents: Tensors) -> ExpertsTruth:
        """The layer in float64, and the budgets of float32 sums between values rounded to bf16."""
        del case
        from evaluators.kernels.tasks import experts_judge  # noqa: PLC0415 - torch is optional

        return experts_judge.truth(contents)

    def fault(
        self, case: Case, contents: Tensors, truth: ExpertsTruth, outputs: Sequence[Tensor], off: frozenset[str]
    ) -> Fault | None:
        """The first check that the output fails."""
        del case, contents
        from evaluators.kernels.tasks import experts_judge  # noqa: PLC0415 - torch is optional

        (output,) = outputs
        return experts_judge.fault(truth, output, off)

    def traffic(self, case: Case, contents: Tensors) -> Traffic:
        """Weights of the experts in use, tokens, ids and their weights read once, results written once. What has a
        weight of 0 need not be computed, nor anything be read for it."""
        import torch  # noqa: PLC0415 - torch is optional

        forms = case.call.tensors
        _, hidden, inner = forms["w2"].shape
        matters = contents["weights"] != 0
        used = contents["ids"][matters]
        experts, tokens = int(torch.unique(used).numel()), int(matters.any(dim=1).sum())
        listed = forms["weights"].bytes + forms["ids"].bytes
        return Traffic(
            read_bytes=(experts * 3 * inner + tokens) * hidden * ITEM + listed,
            written_bytes=case.call.outputs[0].bytes,
            flops=6.0 * used.numel() * hidden * inner,
            rate="bf16",
        )

    def columns(self) -> Mapping[str, Callable[[Case, Tensors], Sequence[Tensor]]]:
        """What a user would call instead."""
        from evaluators.kernels.tasks import experts_columns  # noqa: PLC0415 - torch is optional

        return experts_columns.columns()

    def missing_columns(self) -> Mapping[str, str]:
        """Columns that cannot be had here, each with the reason."""
        from evaluators.kernels.tasks import experts_columns  # noqa: PLC0415 - torch is optional

        return experts_columns.missing()

    def audit_case(self, seed: int) -> Case:
        """A case with enough elements that every one of `spoils` can be told from rounding."""
        return Case(call=self.call(96, Layer(hidden=512, inner=192, experts=6, k=3)), law="zipf", seed=seed)

    def spoils(self) -> Mapping[str, Spoil]:
        """For each check right outputs of `audit_case` made wrong so that this check alone stands against them."""
        from evaluators.kernels.tasks import experts_spoils  # noqa: PLC0415 - torch is optional

        return experts_spoils.SPOILS
