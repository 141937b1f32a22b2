"""What a user would call for rotated and quantised vectors today."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib import import_module
from importlib.util import find_spec

import torch
from torch import Tensor

from evaluators.kernels.task import Case, Tensors
from evaluators.kernels.tasks.hadamard_judge import LARGEST, matrix
from evaluators.kernels.tasks.libraries import compiled

Column = Callable[[Case, Tensors], Sequence[Tensor]]
Rotated = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]

LIBRARY = "fast_hadamard_transform"


def columns() -> Mapping[str, Column]:
    """Columns that can be had here, by name."""
    found = {
        "eager": _with_matrix(_eager, torch.float32),
        "compiled": _with_matrix(compiled(_eager), torch.float32),
        "compiled_bf16": _with_matrix(compiled(_in_bf16), torch.bfloat16),
    }
    if find_spec(LIBRARY):
        found["fast_hadamard"] = _fast_hadamard()
    return found


def missing() -> Mapping[str, str]:
    """Columns that cannot be had here, each with the reason."""
    absent = {
        "vllm": "it rotates and quantises in steps of its own formats: no operator gives these codes and scales",
        "triton_kernels": "it has no Hadamard rotation",
    }
    if not find_spec(LIBRARY):
        absent["fast_hadamard"] = f"{LIBRARY} is not installed"
    return absent


def _eager(x: Tensor, rotation: Tensor) -> tuple[Tensor, Tensor]:
    """Rotate by a float32 matrix product."""
    return _quantised(x.float() @ rotation)


def _in_bf16(x: Tensor, rotation: Tensor) -> tuple[Tensor, Tensor]:
    """Rotate on matrix units: torch rounds their sums to the type of the vectors."""
    return _quantised((x @ rotation).float())


def _quantised(rotated: Tensor) -> tuple[Tensor, Tensor]:
    peak = rotated.abs().amax(dim=1)
    codes = torch.round(rotated * torch.where(peak > 0, LARGEST / peak, 0.0)[:, None]).to(torch.int32) & 15
    packed = (codes[:, 0::2] | codes[:, 1::2] << 4).to(torch.uint8)
    return packed, peak * (1 / (LARGEST * math.sqrt(rotated.shape[1])))


def _with_matrix(function: Rotated, dtype: torch.dtype) -> Column:
    @cache
    def rotation(width: int, device: torch.device) -> Tensor:
        return matrix(width, device, dtype)

    def column(case: Case, contents: Tensors) -> Sequence[Tensor]:
        del case
        x = contents["x"]
        return function(x, rotation(x.shape[1], x.device))

    return column


def _fast_hadamard() -> Column:
    transform = import_module(LIBRARY).hadamard_transform

    def column(case: Case, contents: Tensors) -> Sequence[Tensor]:
        del case
        x = contents["x"]
        return (transform(x, scale=1 / math.sqrt(x.shape[1])),)

    return column
