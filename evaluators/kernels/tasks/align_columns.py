"""What a user would call to sort routed tokens by expert today."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from evaluators.kernels.task import Case, Tensors
from evaluators.kernels.tasks.libraries import LibraryOp, MissingColumnError, compiled, vllm_op

Column = Callable[[Case, Tensors], Sequence[Tensor]]

_VLLM_ARGUMENTS = frozenset(
    {"topk_ids", "num_experts", "block_size", "sorted_token_ids", "experts_ids", "num_tokens_post_pad"}
)


def columns() -> Mapping[str, Column]:
    """Columns that can be had here, by name."""
    found: dict[str, Column] = {"eager": _of(_eager), "compiled": _of(compiled(_eager))}
    try:
        found["vllm"] = _vllm(vllm_op("moe_align_block_size", _VLLM_ARGUMENTS))
    except MissingColumnError:
        return found  # `missing` says why
    return found


def missing() -> Mapping[str, str]:
    """Columns that cannot be had here, each with the reason."""
    absent = {"triton_kernels": "its routing sorts rows without padding them to blocks: another function"}
    try:
        vllm_op("moe_align_block_size", _VLLM_ARGUMENTS)
    except MissingColumnError as error:
        absent["vllm"] = str(error)
    return absent


def _eager(ids: Tensor, experts: int, block: int, places: int) -> tuple[Tensor, Tensor, Tensor]:
    """One stable sort; nothing in it waits for the host, so that it can be captured."""
    chosen = ids.flatten().long()
    counts = torch.zeros(experts, dtype=torch.int64, device=ids.device)
    counts = counts.scatter_add(0, chosen, torch.ones_like(chosen))
    padded = (counts + block - 1) // block * block
    ends = padded.cumsum(0)
    by_expert, order = chosen.sort(stable=True)
    shift = (ends - padded) - (counts.cumsum(0) - counts)
    place = torch.arange(chosen.numel(), device=ids.device) + shift[by_expert]
    sorted_rows = torch.full((places,), chosen.numel(), dtype=torch.int32, device=ids.device)
    sorted_rows = sorted_rows.scatter(0, place, order.to(torch.int32))
    starts = torch.arange(0, places, block, device=ids.device)
    owner = torch.searchsorted(ends, starts, right=True)
    block_expert = torch.where(starts < ends[-1], owner, -1).to(torch.int32)
    return sorted_rows, block_expert, ends[-1:].to(torch.int32)


def _of(function: Callable[[Tensor, int, int, int], tuple[Tensor, Tensor, Tensor]]) -> Column:
    def column(case: Case, contents: Tensors) -> Sequence[Tensor]:
        scalars = case.call.scalars
        places = case.call.outputs[0].shape[0]
        return function(contents["ids"], int(scalars["num_experts"]), int(scalars["block"]), places)

    return column


def _vllm(op: LibraryOp) -> Column:
    def column(case: Case, contents: Tensors) -> Sequence[Tensor]:
        ids = contents["ids"]
        outputs = [torch.empty(form.shape, dtype=torch.int32, device=ids.device) for form in case.call.outputs]
        op(
            {
                "topk_ids": ids,
                "num_experts": int(case.call.scalars["num_experts"]),
                "block_size": int(case.call.scalars["block"]),
                "sorted_token_ids": outputs[0],
                "experts_ids": outputs[1],
                "num_tokens_post_pad": outputs[2],
            }
        )
        return outputs

    return column
