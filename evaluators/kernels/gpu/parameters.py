"""Kernel parameters as the driver wants them: raw little-endian bytes, and an array of their addresses."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable, Sequence
from typing import Any

from evaluators.kernels.gpu.cuda import MAP_ALIGN, MAP_BYTES
from evaluators.kernels.plan import Argument, Null, Pointer, Scalar, TensorMap

SLOT_BYTES = 8
"""Room of each parameter but a descriptor: the driver reads as many of them as the kernel declares."""

INTEGERS = frozenset({"i1", "i8", "i16", "i32", "i64", "u1", "u8", "u16", "u32", "u64"})

_HALF_MAX = 65520.0
"""From here on a double rounds to infinity in half precision."""


def scalar_bytes(scalar: Scalar) -> bytes:
    """A number as its type, in eight bytes; integers are extended by their sign.

    bfloat16 is cut off, not rounded, because that is what Triton's own launcher does.
    """
    if scalar.type in INTEGERS:
        value = int(scalar.value)
        return value.to_bytes(SLOT_BYTES, "little", signed=value < 0)
    number = float(scalar.value)
    if scalar.type == "fp64":
        return struct.pack("<d", number)
    if scalar.type == "fp32":
        return bytes(ctypes.c_float(number)).ljust(SLOT_BYTES, b"\0")
    if scalar.type == "bf16":
        return bytes(ctypes.c_float(number))[2:].ljust(SLOT_BYTES, b"\0")
    if scalar.type == "fp16":
        if abs(number) >= _HALF_MAX:
            number = float("inf") if number > 0 else float("-inf")
        return struct.pack("<e", number).ljust(SLOT_BYTES, b"\0")
    raise ValueError(f"no kernel parameter has the type {scalar.type!r}")


def address_bytes(address: int) -> bytes:
    """A device address."""
    return address.to_bytes(SLOT_BYTES, "little")


def parameter_bytes(
    arguments: Sequence[Argument],
    locate: Callable[[Pointer], int],
    encode: Callable[[TensorMap, int], bytes],
    scratch: int,
) -> list[bytes]:
    """The parameters of one launch in order, with the two scratch pointers that every Triton kernel ends with.

    Args:
        arguments: of the launch.
        locate: device address of a pointer.
        encode: TMA descriptor of a tensor that starts at an address.
        scratch: address of the global scratch; 0 for none. There is none for profiling.
    """
    parts: list[bytes] = []
    for argument in arguments:
        match argument:
            case Pointer():
                parts.append(address_bytes(locate(argument)))
            case Scalar():
                parts.append(scalar_bytes(argument))
            case Null():
                parts.append(address_bytes(0))
            case TensorMap():
                parts.append(encode(argument, locate(argument.place)))
                parts.extend(scalar_bytes(Scalar(type="i32", value=length)) for length in argument.shape)
                parts.extend(scalar_bytes(Scalar(type="i64", value=stride)) for stride in argument.strides)
    return [*parts, address_bytes(scratch), address_bytes(0)]


class Parameters:
    """Parameters in host memory, for as long as this object lives.

    Args:
        parts: the bytes of each; one of `MAP_BYTES` is a descriptor and is aligned as such.
    """

    def __init__(self, parts: Sequence[bytes]) -> None:
        places, end = [], 0
        for part in parts:
            align = MAP_ALIGN if len(part) == MAP_BYTES else SLOT_BYTES
            start = -(-end // align) * align
            places.append(start)
            end = start + len(part)
        self._room = ctypes.create_string_buffer(end + MAP_ALIGN)
        base = -(-ctypes.addressof(self._room) // MAP_ALIGN) * MAP_ALIGN
        for place, part in zip(places, parts, strict=True):
            ctypes.memmove(base + place, part, len(part))
        self.addresses: Any = (ctypes.c_void_p * len(parts))(*[base + place for place in places])
