"""Routed tokens sorted by expert, every expert's rows padded to whole blocks: what a grouped matrix product reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from evaluators.kernels.forms import Call, Form
from evaluators.kernels.task import Case, Fault, KernelWorkload, Spoil, Tensors, Traffic
from evaluators.kernels.tasks import align_shapes
from evaluators.model import Split

if TYPE_CHECKING:
    from torch import Tensor

    from evaluators.kernels.tasks.align_judge import AlignTruth

LAWS = align_shapes.LAWS


def padded_rows(rows: int, experts: int, block: int) -> int:
    """Length of ``sorted_rows``: no routing of so many rows needs more, and it is known before any id is.

    At most ``min(experts, rows)`` experts have rows, and each of them adds up to ``block - 1`` places; the sum is
    rounded up to whole blocks, as vLLM and SGLang do it.
    """
    most = rows + min(experts, rows) * (block - 1)
    return -(-most // block) * block


class MoeAlign:
    """The task ``moe_align(ids i32[T, k], num_experts, block) -> (sorted_rows i32[P], block_expert i32[P / block],
    num_padded i32[1])``.

    Row r = t * k + j is token t's j-th choice. `sorted_rows` holds, expert after expert in rising order, the rows that
    chose it, in any order, and after them ``T * k`` up to a whole block; from ``num_padded[0]`` on it holds ``T * k``
    alone. ``block_expert[b]`` is the expert of places ``b * block .. (b + 1) * block - 1``, and -1 where no expert has
    them. An expert that nobody chose has no block. ``P = padded_rows(T * k, num_experts, block)``.

    Any order within an expert is right because nobody who reads the list can tell: a matrix product gives every row its
    own result, and the kernels of vLLM and SGLang give an order that changes from call to call, since they hand out
    places by atomic additions.
    """

    name = "moe_align"
    entry = "moe_align"
    parameters = ("ids", "num_experts", "block")
    revision = 1
    checks = ("count", "blocks", "unused", "tail", "padding", "range", "home", "once")
    partial_columns: frozenset[str] = frozenset()
    """Columns that do only a part of what is asked: none."""

    def workloads(self, split: Split, seed: bytes) -> Sequence[KernelWorkload]:
        """Six shapes, from decode to prefill; the cheapest comes first."""
        return align_shapes.draw(split, seed, self.call)

    def call(self, tokens: int, experts: int, k: int, block: int) -> Call:
        """The call of a shape."""
        places = padded_rows(tokens * k, experts, block)
        return Call(
            name=f"T={tokens} E={experts} k={k} block={block}",
            tensors={"ids": Form(dtype="int32", shape=(tokens, k))},
            scalars={"num_experts": experts, "block": block},
            outputs=(
                Form(dtype="int32", shape=(places,)),
                Form(dtype="int32", shape=(places // block,)),
                Form(dtype="int32", shape=(1,)),
            ),
        )

    def shrunk(self, case: Case, most_rows: int) -> Case:
        """The case cut to few tokens, for tiers that are slow: lengths of outputs hang on those of arguments."""
        tokens, k = case.call.tensors["ids"].shape
        if tokens <= most_rows:
            return case
        scalars = case.call.scalars
        smaller = self.call(most_rows, int(scalars["num_experts"]), k, int(scalars["block"]))
        return replace(case, call=replace(smaller, name=f"{case.call.name}, of which {most_rows} tokens"))

    def contents(self, case: Case, number: int, device: str) -> Tensors:
        """Fresh ids."""
        from evaluators.kernels.tasks import align_laws  # noqa: PLC0415 - torch is optional

        return {"ids": align_laws.ids(case, number, device)}

    def truth(self, case: Case, contents: Tensors) -> AlignTruth:
        """Whose each place is, by counting."""
        from evaluators.kernels.tasks import align_judge  # noqa: PLC0415 - torch is optional

        scalars = case.call.scalars
        return align_judge.truth(
            contents["ids"], int(scalars["num_experts"]), int(scalars["block"]), case.call.outputs[0].shape[0]
        )

    def fault(
        self, case: Case, contents: Tensors, truth: AlignTruth, outputs: Sequence[Tensor], off: frozenset[str]
    ) -> Fault | None:
        """The first check that the outputs fail; all are exact."""
        del case
        from evaluators.kernels.tasks import align_judge  # noqa: PLC0415 - torch is optional

        sorted_rows, block_expert, num_padded = outputs
        given = align_judge.Outputs(sorted_rows=sorted_rows, block_expert=block_expert, num_padded=num_padded)
        return align_judge.fault(contents["ids"], truth, given, off)

    def traffic(self, case: Case, contents: Tensors) -> Traffic:
        """Every id read once, every place of all outputs written once, what is beyond ``num_padded`` too."""
        del contents
        return Traffic(
            read_bytes=case.call.tensors["ids"].bytes, written_bytes=sum(form.bytes for form in case.call.outputs)
        )

    def columns(self) -> Mapping[str, Callable[[Case, Tensors], Sequence[Tensor]]]:
        """What a user would call instead."""
        from evaluators.kernels.tasks import align_columns  # noqa: PLC0415 - torch is optional

        return align_columns.columns()

    def missing_columns(self) -> Mapping[str, str]:
        """Columns that cannot be had here, each with the reason."""
        from evaluators.kernels.tasks import align_columns  # noqa: PLC0415 - torch is optional

        return align_columns.missing()

    def audit_case(self, seed: int) -> Case:
        """A case whose outputs have all that `spoils` needs: padding, unused blocks, experts of several rows."""
        return Case(call=self.call(96, 32, 4, 16), law="router", seed=seed)

    def spoils(self) -> Mapping[str, Spoil]:
        """For each check right outputs of `audit_case` made wrong so that this check alone stands against them."""
        from evaluators.kernels.tasks import align_spoils  # noqa: PLC0415 - torch is optional

        return align_spoils.SPOILS
