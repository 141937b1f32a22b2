"""What a user would call for product-key routing today."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from evaluators.kernels.task import Case, Tensors
from evaluators.kernels.tasks.libraries import compiled

Column = Callable[[Case, Tensors], Sequence[Tensor]]


def columns() -> Mapping[str, Column]:
    """Columns that can be had here, by name."""
    return {"eager": _of(_eager), "compiled": _of(compiled(_eager))}


def missing() -> Mapping[str, str]:
    """Columns that cannot be had here, each with the reason."""
    absent = "it has no product-key router"
    return {"vllm": absent, "triton_kernels": absent}


def _eager(a: Tensor, b: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k best of either axis, then the k best of their k * k sums, as product-key memories do it."""
    best_a, rows = torch.topk(a, k, dim=1)
    best_b, columns = torch.topk(b, k, dim=1)
    sums = (best_a.float()[:, :, None] + best_b.float()[:, None, :]).flatten(1)
    scores, pairs = torch.topk(sums, k, dim=1)
    ids = rows.gather(1, pairs // k) * a.shape[1] + columns.gather(1, pairs % k)
    return scores, ids.to(torch.int32)


def _of(function: Callable[[Tensor, Tensor, int], tuple[Tensor, Tensor]]) -> Column:
    def column(case: Case, contents: Tensors) -> Sequence[Tensor]:
        return function(contents["a"], contents["b"], int(case.call.scalars["k"]))

    return column
