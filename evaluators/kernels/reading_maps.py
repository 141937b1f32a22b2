"""Host-side TMA descriptors of a recording, held to what ``cuTensorMapEncodeTiled`` asks."""

from __future__ import annotations

from evaluators.kernels.plan import TensorMap
from evaluators.kernels.reading_json import field, integer, integers, listing, malformed, mapping
from evaluators.kernels.reading_limits import DESCRIPTOR
from evaluators.kernels.reading_places import Places

ELEMENT_BYTES = (1, 2, 4, 4, 8, 8, 2, 4, 8, 2, 4, 4, 4)
"""Bytes of one item by CUtensorMapDataType: u8 u16 u32 i32 u64 i64 f16 f32 f64 bf16, f32 ftz, tf32, tf32 ftz."""

MOST_AXIS, MOST_STRIDE_BYTES, MOST_BOX, MOST_SWIZZLE = 2**32, 2**40, 256, 3
ALIGN = 16


def read_map(places: Places, value: object, rank: int, what: str) -> TensorMap:
    """Read a descriptor.

    Args:
        places: the call's buffers.
        value: the claim.
        rank: axes that the kernel's parameter has.
        what: how messages call it.

    Raises:
        RefusedError: it reaches beyond its buffer, or could not be encoded.
    """
    claim = mapping(value, what)

    def numbers(name: str) -> tuple[int, ...]:
        return integers(field(claim, name, what), f"{name} of {what}")

    def number(name: str) -> int:
        return integer(field(claim, name, what), f"{name} of {what}")

    buffer, offset = listing(field(claim, "place", what), f"place of {what}", length=2)
    entry = TensorMap(
        place=places.pointer(buffer, offset, what, align=ALIGN),
        shape=numbers("shape"),
        strides=numbers("strides"),
        block=numbers("block"),
        element=number("element"),
        item_bytes=number("item_bytes"),
        swizzle=number("swizzle"),
        padding=number("padding"),
    )
    if not len(entry.shape) == len(entry.strides) == len(entry.block) > 0:
        lengths = f"{len(entry.shape)} lengths, {len(entry.strides)} strides and {len(entry.block)} boxes"
        raise malformed(f"{what} has {lengths}")
    reason = _fault(entry, rank) or _beyond(places, entry)
    if reason:
        places.bench.cheated(DESCRIPTOR, f"{what}: {reason}")
    return entry


def _fault(entry: TensorMap, rank: int) -> str | None:
    """Why it could not be encoded."""
    if len(entry.shape) != rank:
        return f"a descriptor of {len(entry.shape)} axes, where the kernel wants {rank}"
    if entry.element >= len(ELEMENT_BYTES) or ELEMENT_BYTES[entry.element] != entry.item_bytes:
        return f"items of type {entry.element} do not have {entry.item_bytes} bytes"
    if entry.swizzle > MOST_SWIZZLE or entry.padding > 1:
        return f"swizzle {entry.swizzle} or padding {entry.padding} is unknown"
    if not all(1 <= length <= MOST_AXIS for length in entry.shape):
        return f"the shape {entry.shape} has an axis outside of 1 .. {MOST_AXIS}"
    if not all(1 <= length <= MOST_BOX for length in entry.block):
        return f"the box {entry.block} has an axis outside of 1 .. {MOST_BOX}"
    outer = [stride * entry.item_bytes for stride in entry.strides[:-1]]
    if entry.strides[-1] != 1 or not all(0 <= size < MOST_STRIDE_BYTES and size % ALIGN == 0 for size in outer):
        return f"the strides {entry.strides} do not end in 1 or are no multiples of {ALIGN} bytes"
    return None


def _beyond(places: Places, entry: TensorMap) -> str | None:
    """Whether its last item lies outside of its buffer; boxes may reach beyond, the machine cuts them."""
    storage = places.storage(entry.place)
    last = sum((length - 1) * stride for length, stride in zip(entry.shape, entry.strides, strict=True))
    end = entry.place.offset + (last + 1) * entry.item_bytes
    if storage and end > storage.bytes:
        return f"it reaches to byte {end} of a buffer of {storage.bytes}"
    return None
