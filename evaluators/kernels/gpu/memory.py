"""Buffers of the judge's own: each inside a slab, between guard zones, 256-byte aligned, poisoned as a whole.

Nothing here needs a GPU: a slab on ``cpu`` behaves alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from evaluators.kernels.forms import ITEM_BYTES, Call, Form
from evaluators.model import EvaluatorError

ALIGN = 256
"""Of every storage in bytes, as torch's own allocator aligns; recorded kernels count on 16."""

GUARD_BYTES = 64 << 10
"""Between two storages: an unmasked tail of a block mostly lands here."""

END_BYTES = 1 << 20
"""Before the first storage and after the last."""

NAN_BYTE = 0xFF
"""A poison that is NaN in every floating-point type and -1 in every integer type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where storages lie in a slab.

    Args:
        starts: first byte of each storage.
        sizes: their bytes.
        total: bytes of the slab, a multiple of `ALIGN`.
    """

    starts: tuple[int, ...]
    sizes: tuple[int, ...]
    total: int

    @property
    def guards(self) -> tuple[tuple[int, int], ...]:
        """First byte of each guard zone and the byte after its last: one before every storage, one after the last.

        What a storage leaves free up to the next aligned byte belongs to the guard after it.
        """
        ends = [0, *(start + size for start, size in zip(self.starts, self.sizes, strict=True))]
        return tuple(zip(ends, [*self.starts, self.total], strict=True))


def lay_out(sizes: Sequence[int], *, guard: int = GUARD_BYTES, ends: int = END_BYTES) -> Layout:
    """Place storages of these sizes, with at least so many guard bytes between them and at both ends."""
    starts = []
    place = _aligned(ends)
    for size in sizes:
        starts.append(place)
        place = _aligned(place + size + guard)
    return Layout(starts=tuple(starts), sizes=tuple(sizes), total=_aligned(place + ends))


def _aligned(place: int) -> int:
    return -(-place // ALIGN) * ALIGN


class Storages(Protocol):
    """Memory for buffers."""

    def poison(self, byte: int) -> None:
        """Fill everything with one byte."""

    def address(self, storage: int) -> int:
        """Device address of a storage."""

    def bytes_at(self, storage: int, offset: int, count: int) -> Tensor:
        """So many bytes of a storage, as uint8; a view."""

    def damage(self) -> str | None:
        """What has been written to outside of the storages since they were last poisoned; None where nothing shows."""


class Slab:
    """Storages in one allocation.

    Args:
        sizes: of the storages, in bytes.
        names: what to call them in a reason.
        device: ``cuda`` or ``cpu``.
    """

    def __init__(self, sizes: Sequence[int], names: Sequence[str], device: str) -> None:
        self.layout = lay_out(sizes)
        self._names = tuple(names)
        room = torch.empty(self.layout.total + ALIGN, dtype=torch.uint8, device=device)
        self._bytes = room.narrow(0, -room.data_ptr() % ALIGN, self.layout.total)
        self._words = self._bytes.view(torch.int64)
        self.poison_byte = 0
        self.poison(0)

    def poison(self, byte: int) -> None:
        """Fill everything, guards and storages, with one byte."""
        self.poison_byte = byte
        self._words.fill_(int.from_bytes(bytes([byte]) * 8, "little", signed=True))

    def address(self, storage: int) -> int:
        """Device address of a storage."""
        return self._bytes.data_ptr() + self.layout.starts[storage]

    def bytes_at(self, storage: int, offset: int, count: int) -> Tensor:
        """So many bytes of a storage, as uint8; a view."""
        return self._bytes.narrow(0, self.layout.starts[storage] + offset, count)

    def damage(self) -> str | None:
        """Which guard zone has been written to since it was last poisoned, and where; None if none."""
        zones = self.layout.guards
        touched = torch.stack([(self._bytes[start:end] != self.poison_byte).any() for start, end in zones]).tolist()
        if not any(touched):
            return None
        zone = touched.index(True)
        start, end = zones[zone]
        first = int((self._bytes[start:end] != self.poison_byte).nonzero()[0].item())
        if zone == 0:
            return f"{end - start - first} bytes before {self._named(0)}"
        return f"{first} bytes past the end of {self._named(zone - 1)}"

    def _named(self, storage: int) -> str:
        return self._names[storage] if self._names else "the buffers"


class Apart:
    """Storages in allocations of their own, for a tool that knows where each of these ends; see `Slab`."""

    def __init__(self, sizes: Sequence[int], names: Sequence[str], device: str) -> None:
        del names
        # An allocation of nothing has no address, which some launches need: a byte is as little as there is.
        self._parts = [torch.empty(max(1, size), dtype=torch.uint8, device=device) for size in sizes]
        self.poison(0)

    def poison(self, byte: int) -> None:
        """See `Storages`."""
        for part in self._parts:
            part.fill_(byte)

    def address(self, storage: int) -> int:
        """See `Storages`."""
        return self._parts[storage].data_ptr()

    def bytes_at(self, storage: int, offset: int, count: int) -> Tensor:
        """See `Storages`."""
        return self._parts[storage].narrow(0, offset, count)

    def damage(self) -> str | None:
        """Nothing shows: there is nothing between the storages."""
        return None


Room = Callable[[Sequence[int], Sequence[str], str], Storages]
"""Makes memory for storages of these sizes, under these names, on this device: `Slab` or `Apart`."""


def dtype_of(form: Form) -> torch.dtype:
    """Torch's type."""
    dtype = getattr(torch, form.dtype)
    assert isinstance(dtype, torch.dtype)
    return dtype


def as_tensor(raw: Tensor, form: Form) -> Tensor:
    """Raw bytes as a tensor of a form; any byte but 0 is true where it holds truth values."""
    if form.dtype == "bool":
        return raw.ne(0).view(form.shape)
    return raw.view(dtype_of(form)).view(form.shape)


def same_bits(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> bool:
    """Whether tensors of the same forms hold the same bits."""
    return all(
        torch.equal(first[name].contiguous().view(torch.uint8), second[name].contiguous().view(torch.uint8))
        for name in first
    )


def unwritten(first: Tensor, second: Tensor, poisons: tuple[int, int], form: Form) -> int | None:
    """Flat index of the first item that two calls left as it was poisoned, each time with another byte; None if none.

    Args:
        first: raw bytes of an output after the first call.
        second: the same after the second.
        poisons: the byte that each had been filled with.
        form: of the output.
    """
    if not form.bytes:
        return None
    left = first.eq(poisons[0]) & second.eq(poisons[1])
    items = left.view(-1, ITEM_BYTES[form.dtype]).all(dim=1)
    if not bool(items.any()):
        return None
    return int(items.nonzero()[0].item())


class Arguments:
    """The tensor arguments of a call in a slab: shared by all programs that are called with them.

    Args:
        call: their forms.
        device: ``cuda`` or ``cpu``.
        room: makes their memory.
    """

    def __init__(self, call: Call, device: str, room: Room = Slab) -> None:
        self._call = call
        self._forms = call.tensors
        self.slab = room([form.bytes for form in self._forms.values()], [repr(name) for name in self._forms], device)
        self.tensors: dict[str, Tensor] = {
            name: self.slab.bytes_at(storage, 0, form.bytes).view(dtype_of(form)).view(form.shape)
            for storage, (name, form) in enumerate(self._forms.items())
        }
        self.addresses = {name: self.slab.address(storage) for storage, name in enumerate(self._forms)}

    def raw(self, name: str, offset: int, count: int) -> Tensor:
        """So many bytes of an argument, as uint8; a view."""
        return self.slab.bytes_at(list(self._forms).index(name), offset, count)

    def refresh(self, contents: Mapping[str, Tensor]) -> None:
        """Copy contents in.

        Raises:
            EvaluatorError: they are not of the call's forms.
        """
        for name, form in self._forms.items():
            tensor = contents.get(name)
            fits = tensor is not None and tensor.dtype == dtype_of(form) and tuple(tensor.shape) == tuple(form.shape)
            if tensor is None or not fits:
                found = "nothing" if tensor is None else f"{tensor.dtype} {tuple(tensor.shape)}"
                raise EvaluatorError(
                    f"call {self._call.name}: the task draws {found} for {name!r}, which it declares as {form}; mend "
                    "KernelTask.contents"
                )
            self.tensors[name].copy_(tensor)

    def changed(self, contents: Mapping[str, Tensor]) -> str | None:
        """Which argument no longer holds these contents, bit for bit, and from which flat index on; None if all do."""
        for storage, (name, form) in enumerate(self._forms.items()):
            if not form.bytes:
                continue
            master = contents[name].contiguous().view(-1).view(torch.uint8)
            differs = self.slab.bytes_at(storage, 0, form.bytes).ne(master)
            if bool(differs.any()):
                first = int(differs.nonzero()[0].item())
                return f"argument {name!r} was written to, first at item {first // ITEM_BYTES[form.dtype]}"
        return None
