"""Tensors without data: they know type, shape, strides and the buffer that they are a view of, and nothing more."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from evaluators.kernels.inside.refusals import RefusalError
from evaluators.kernels.inside.tape import Buffer, Tape

DEVICE = "cuda:0"
LEGAL = "a host function may allocate, view, fill and launch"

aten = torch.ops.aten
ALLOCATIONS = frozenset({"empty", "empty_like", "empty_strided", "empty_permuted", "new_empty", "new_empty_strided"})
# What a new tensor is filled with: a value, or the position of the argument that tells it.
FILLED: dict[str, int | None] = {
    "zeros": None, "zeros_like": None, "new_zeros": None, "ones": None, "ones_like": None, "new_ones": None,
    "full": 1, "full_like": 1, "new_full": 2,
}  # fmt: skip
READS = frozenset({"item", "is_nonzero", "equal"})
PUBLIC_NAMES = {"_local_scalar_dense": "item", "_to_copy": "to"}


class Dataless(Tensor):
    """A tensor that holds no data and says that it is on the device.

    To torch itself it is on no device, so that torch never reaches for one.

    Args:
        form: a meta tensor of its type, shape, strides and offset.
        buffer: what it is a view of.
    """

    form: Tensor
    buffer: Buffer

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @staticmethod
    def __new__(cls: type[Dataless], form: Tensor, buffer: Buffer) -> Dataless:
        """Wrap a form."""
        tensor: Dataless = Tensor._make_subclass(cls, form)
        tensor.form, tensor.buffer = form, buffer
        return tensor

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, function: Any, types: object, arguments: tuple[Any, ...] = (), keywords: dict[str, Any] | None = None
    ) -> Any:
        """Refuse: every operation within a call goes through `Operations`."""
        raise RefusalError(f"torch.{_name(function)} is used on the device's tensors outside of a call")

    @property
    def offset_bytes(self) -> int:
        """Where it starts in its buffer."""
        return int(self.form.storage_offset()) * self.form.element_size()

    def data_ptr(self) -> int:
        """An address that no real buffer has, aligned as a real one would be."""
        return self.buffer.address + self.offset_bytes

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        """The device."""
        return torch.device(DEVICE)

    @property
    def is_cuda(self) -> bool:  # type: ignore[override]
        """It is."""
        return True

    @property
    def is_meta(self) -> bool:  # type: ignore[override]
        """It does not say so."""
        return False

    def get_device(self) -> int:
        """Number of the device."""
        return 0

    def cuda(self, *_: object, **__: object) -> Dataless:
        """It is there already."""
        return self

    def to(self, *arguments: Any, copy: bool = False, **keywords: Any) -> Dataless:
        """Itself where that changes nothing; a copy is refused."""
        other = arguments[0] if arguments else keywords.get("other")
        if isinstance(other, Tensor):
            device, dtype, memory_format = other.device, other.dtype, keywords.get("memory_format")
        else:
            device, dtype, _, memory_format = torch._C._nn._parse_to(*arguments, **keywords)
        moves = device is not None and device.type != "cuda"
        if copy or moves or dtype not in (None, self.dtype):
            raise copying("to")
        reorders = memory_format is not torch.preserve_format
        if memory_format is not None and reorders and not self.is_contiguous(memory_format=memory_format):
            raise copying("to")
        return self

    def tolist(self) -> Any:
        """Refuse."""
        raise _reading("tolist")

    def numpy(self, **_: object) -> Any:
        """Refuse."""
        raise _reading("numpy")

    def __array__(self, *_: object, **__: object) -> Any:
        """Refuse."""
        raise _reading("numpy")

    def __repr__(self, **_: Any) -> str:  # type: ignore[override]
        """Type and shape."""
        return f"tensor(..., device='{DEVICE}', size={tuple(self.shape)}, dtype={self.dtype})"


def argument(tape: Tape, name: str, dtype: str, shape: list[int]) -> Dataless:
    """A tensor argument, contiguous, in a buffer of its own."""
    form = torch.empty(shape, dtype=getattr(torch, dtype), device="meta")
    return Dataless(form, tape.new_buffer(form.numel() * form.element_size(), name))


class Operations(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Sees every operation of torch while a host function runs.

    Args:
        tape: where allocations and fills are noted.
    """

    def __init__(self, tape: Tape) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._tape = tape

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Nothing is traced here; without this torch imports its tracer, which takes seconds."""
        return False

    def __torch_dispatch__(
        self, function: Any, types: object, arguments: tuple[Any, ...] = (), keywords: dict[str, Any] | None = None
    ) -> Any:
        """Do what is legal on forms, refuse what would need data."""
        keywords = dict(keywords or {})
        ours = [leaf for leaf in pytree.tree_leaves((arguments, keywords)) if isinstance(leaf, Dataless)]
        device = keywords.get("device")
        here = device.type == "cuda" if device is not None else bool(ours)
        name = _name(function)
        if not ours and not here:
            return function(*arguments, **keywords)  # on the host's own memory
        if ours and function.is_view:
            views = function(*_forms(arguments), **_forms(keywords))
            return pytree.tree_map_only(Tensor, lambda view: Dataless(view, ours[0].buffer), views)
        if name in ALLOCATIONS:
            return self._allocated(function, arguments, keywords, here=here)
        if name in FILLED and here:
            tensor = self._allocated(function, arguments, keywords, here=True)
            place = FILLED[name]
            value = ("ones" in name) if place is None else keywords.get("fill_value", arguments[place:][:1])
            self._fill(tensor, value[0] if isinstance(value, tuple) else value)
            return tensor
        if name in ("zero_", "fill_") and isinstance(arguments[0], Dataless):
            self._fill(arguments[0], 0 if name == "zero_" else arguments[1])
            return arguments[0]
        raise _reading(name) if name in READS else copying(name)

    def _allocated(self, function: Any, arguments: Any, keywords: dict[str, Any], *, here: bool) -> Any:
        keywords.pop("pin_memory", None)
        if not here:
            return function(*_forms(arguments), **keywords)
        form = function(*_forms(arguments), **{**keywords, "device": torch.device("meta")})
        return Dataless(form, self._tape.new_buffer(form.untyped_storage().nbytes()))

    def _fill(self, tensor: Dataless, value: Any) -> None:
        if isinstance(value, Tensor):
            raise RefusalError(f"filling with a tensor copies data; {LEGAL}")
        if not torch.ops.aten.is_non_overlapping_and_dense(tensor.form):
            raise RefusalError("only a tensor that covers one stretch of memory can be filled; fill it in a kernel")
        item = bytes(torch.full((1,), value, dtype=tensor.dtype).view(torch.uint8).tolist())
        self._tape.fill(tensor.buffer, tensor.offset_bytes, tensor.numel(), item)


def _name(function: Any) -> str:
    name: str = function.overloadpacket.__name__
    return PUBLIC_NAMES.get(name, name)


def _forms(tree: Any) -> Any:
    return pytree.tree_map_only(Dataless, lambda tensor: tensor.form, tree)


def _reading(name: str) -> RefusalError:
    return RefusalError(
        f"torch.{name} reads a tensor's contents, but a host function is recorded without data; {LEGAL}"
    )


def copying(name: str) -> RefusalError:
    """The refusal of an operation of torch that moves or makes data."""
    return RefusalError(f"torch.{name} computes, copies or changes data outside of a kernel; {LEGAL}")
