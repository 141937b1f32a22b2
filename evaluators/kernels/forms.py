"""What a kernel's host function is called with, and what it must return: types and shapes, no data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

ITEM_BYTES = {
    "bool": 1,
    "uint8": 1,
    "int8": 1,
    "int16": 2,
    "float16": 2,
    "bfloat16": 2,
    "int32": 4,
    "float32": 4,
    "int64": 8,
    "float64": 8,
}
"""Bytes of one item of each type that a tensor may have; the names are torch's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """Type and shape of a contiguous tensor.

    Args:
        dtype: one of `ITEM_BYTES`.
        shape: length of every axis; any may be 0.
    """

    dtype: str
    shape: tuple[int, ...]

    @property
    def items(self) -> int:
        """How many items it holds."""
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        """How many bytes it takes."""
        return self.items * ITEM_BYTES[self.dtype]

    def __str__(self) -> str:
        """As in ``bfloat16[4096, 128]``."""
        return f"{self.dtype}[{', '.join(map(str, self.shape))}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of a host function, without data.

    Args:
        name: unique within an evaluation, such as ``"T=4096 E=128 K=8"``.
        tensors: tensor arguments by parameter name, contiguous, in the order of the parameters.
        scalars: the other arguments by parameter name.
        outputs: forms of the tensors that must come back; one means a tensor, several a tuple of them.
    """

    name: str
    tensors: Mapping[str, Form]
    outputs: tuple[Form, ...]
    scalars: Mapping[str, int | float] = field(default_factory=dict)
