"""What an audit does to right outputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Generator, Tensor

from evaluators.kernels.task import Tensors

Spoil = Callable[[Sequence[Tensor], Tensors, Generator], Sequence[Tensor]]
"""Takes right outputs, the arguments and a generator on the same device; gives new, wrong outputs."""
