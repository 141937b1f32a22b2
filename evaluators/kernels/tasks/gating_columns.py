"""What a user would call for top-k gating today."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from evaluators.kernels.task import Case, Tensors
from evaluators.kernels.tasks.libraries import LibraryOp, MissingColumnError, compiled, vllm_op

Column = Callable[[Case, Tensors], Sequence[Tensor]]

_VLLM_ARGUMENTS = frozenset({"topk_weights", "topk_indices", "token_expert_indices", "gating_output", "renormalize"})


def columns() -> Mapping[str, Column]:
    """Columns that can be had here, by name."""
    found: dict[str, Column] = {"eager": _with_k(_eager), "compiled": _with_k(compiled(_eager))}
    try:
        found["vllm"] = _vllm(vllm_op("topk_softmax", _VLLM_ARGUMENTS))
    except MissingColumnError:
        return found  # `missing` says why
    return found


def missing() -> Mapping[str, str]:
    """Columns that cannot be had here, each with the reason."""
    absent = {
        "triton_kernels": "its topk normalises over the chosen experts alone and rounds to the logits' type: "
        "another function"
    }
    try:
        vllm_op("topk_softmax", _VLLM_ARGUMENTS)
    except MissingColumnError as error:
        absent["vllm"] = str(error)
    return absent


def _eager(logits: Tensor, k: int) -> tuple[Tensor, Tensor]:
    weights, ids = torch.topk(torch.softmax(logits, dim=1, dtype=torch.float32), k, dim=1)
    return weights, ids.to(torch.int32)


def _with_k(function: Callable[[Tensor, int], tuple[Tensor, Tensor]]) -> Column:
    def column(case: Case, contents: Tensors) -> Sequence[Tensor]:
        return function(contents["logits"], int(case.call.scalars["k"]))

    return column


def _vllm(op: LibraryOp) -> Column:
    def column(case: Case, contents: Tensors) -> Sequence[Tensor]:
        logits = contents["logits"]
        shape = (logits.shape[0], int(case.call.scalars["k"]))
        weights = torch.empty(shape, dtype=torch.float32, device=logits.device)
        ids, rows = (torch.empty(shape, dtype=torch.int32, device=logits.device) for _ in range(2))
        op(
            {
                "topk_weights": weights,
                "topk_indices": ids,
                "token_expert_indices": rows,
                "gating_output": logits,
                "renormalize": False,
            }
        )
        return weights, ids

    return column
