"""What a user would call for grouped gating today."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from evaluators.kernels.task import Case, Tensors
from evaluators.kernels.tasks.libraries import LibraryOp, MissingColumnError, compiled, vllm_op

Column = Callable[[Case, Tensors], Sequence[Tensor]]
Gating = Callable[[Tensor, Tensor, int, int, int], tuple[Tensor, Tensor]]

SIGMOID = 1
"""vLLM's number of the function that makes scores of logits."""

_VLLM_ARGUMENTS = frozenset(
    {"scores", "n_group", "topk_group", "topk", "renormalize", "routed_scaling_factor", "bias", "scoring_func"}
)


def columns() -> Mapping[str, Column]:
    """Columns that can be had here, by name."""
    found: dict[str, Column] = {"eager": _of(_eager), "compiled": _of(compiled(_eager))}
    try:
        found["vllm"] = _of(_vllm(vllm_op("grouped_topk", _VLLM_ARGUMENTS)))
    except MissingColumnError:
        return found  # `missing` says why
    return found


def missing() -> Mapping[str, str]:
    """Columns that cannot be had here, each with the reason."""
    absent = {"triton_kernels": "its topk knows no groups and no bias"}
    try:
        vllm_op("grouped_topk", _VLLM_ARGUMENTS)
    except MissingColumnError as error:
        absent["vllm"] = str(error)
    return absent


def _eager(logits: Tensor, bias: Tensor, k: int, groups: int, top_groups: int) -> tuple[Tensor, Tensor]:
    tokens, experts = logits.shape
    scores = torch.sigmoid(logits.float())
    biased = scores + bias
    by_group = biased.view(tokens, groups, experts // groups)
    kept = torch.topk(by_group.topk(2, dim=2).values.sum(dim=2), top_groups, dim=1).indices
    shut = torch.ones((tokens, groups), dtype=torch.bool, device=logits.device).scatter(1, kept, value=False)
    ids = torch.topk(by_group.masked_fill(shut[:, :, None], -math.inf).view(tokens, experts), k, dim=1).indices
    chosen = scores.gather(1, ids)
    return chosen / chosen.sum(dim=1, keepdim=True), ids.to(torch.int32)


def _of(function: Gating) -> Column:
    def column(case: Case, contents: Tensors) -> Sequence[Tensor]:
        numbers = (int(case.call.scalars[name]) for name in ("k", "groups", "top_groups"))
        return function(contents["logits"], contents["bias"], *numbers)

    return column


def _vllm(op: LibraryOp) -> Gating:
    def gating(logits: Tensor, bias: Tensor, k: int, groups: int, top_groups: int) -> tuple[Tensor, Tensor]:
        given = {
            "scores": logits,
            "n_group": groups,
            "topk_group": top_groups,
            "topk": k,
            "renormalize": True,
            "routed_scaling_factor": 1.0,
            "bias": bias,
            "scoring_func": SIGMOID,
        }
        weights, ids = op.op(*(given.get(name) for name in op.names))
        return weights, ids

    return gating
