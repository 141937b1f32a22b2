"""What a user would call for the experts of a layer today: grouped matrix products, and vLLM's fused kernels."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import silu

from evaluators.kernels.task import Case, Tensors
from evaluators.kernels.tasks.libraries import MissingColumnError, compiled

Column = Callable[[Case, Tensors], Sequence[Tensor]]

_VLLM_MODULE = "vllm.model_executor.layers.fused_moe.fused_moe"
_LOOP = "it waits for the host at every expert, to learn how many rows it has, and cannot be captured in a graph"
_TRITON_KERNELS = (
    "its routing takes the router's scores, its fused activation wants rows of the gate and of the other half in turn: "
    "other arguments"
)


def columns() -> Mapping[str, Column]:
    """Columns that can be had here, by name."""
    found: dict[str, Column] = {"eager": _of(_eager), "compiled": _of(compiled(_eager))}
    try:
        _vllm_file()
    except MissingColumnError:
        return found  # `missing` says why
    found["vllm"] = _vllm
    return found


def missing() -> Mapping[str, str]:
    """Columns that cannot be had here, each with the reason."""
    absent = {"loop": _LOOP, "triton_kernels": _TRITON_KERNELS}
    try:
        _vllm_file()
    except MissingColumnError as error:
        absent["vllm"] = str(error)
    return absent


def _eager(x: Tensor, w13: Tensor, w2: Tensor, weights: Tensor, ids: Tensor) -> Tensor:
    """Rows sorted by expert, two grouped products, and sums by token; nothing in it waits for the host."""
    (tokens, k), experts = ids.shape, w13.shape[0]
    order = ids.flatten().argsort(stable=True)
    token = order // k
    chosen = ids.flatten()[order].contiguous()
    ends = torch.searchsorted(chosen, torch.arange(experts, dtype=chosen.dtype, device=ids.device), right=True)
    offsets = ends.to(torch.int32)
    gate, up = torch._grouped_mm(x[token], w13.transpose(1, 2), offs=offsets).chunk(2, dim=1)
    rows = torch._grouped_mm(silu(gate) * up, w2.transpose(1, 2), offs=offsets)
    weighted = rows.float() * weights.flatten()[order].unsqueeze(1)
    total = torch.zeros((tokens, x.shape[1]), dtype=torch.float32, device=x.device)
    return total.index_add(0, token, weighted).to(x.dtype)


def _of(function: Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], Tensor]) -> Column:
    def column(case: Case, contents: Tensors) -> Sequence[Tensor]:
        del case
        return (function(*(contents[name] for name in ("x", "w13", "w2", "weights", "ids"))),)

    return column


def _vllm_file() -> Path:
    """Where vLLM's fused experts are; importing them takes seconds, and waits for the first call.

    Raises:
        MissingColumnError: nowhere.
    """
    found = find_spec("vllm")
    if found is None or found.submodule_search_locations is None:
        raise MissingColumnError("vllm is not installed")
    inside = Path(*_VLLM_MODULE.split(".")[1:]).with_suffix(".py")
    for folder in found.submodule_search_locations:
        if (Path(folder) / inside).is_file():
            return Path(folder) / inside
    raise MissingColumnError(f"the installed vllm has no {inside}")


def _vllm(case: Case, contents: Tensors) -> Sequence[Tensor]:
    """`fused_experts` with the configuration that vLLM ships for these sizes."""
    del case
    module: Any = importlib.import_module(_VLLM_MODULE)
    output: Tensor = module.fused_experts(
        hidden_states=contents["x"],
        w1=contents["w13"],
        w2=contents["w2"],
        topk_weights=contents["weights"],
        topk_ids=contents["ids"],
    )
    return (output,)
