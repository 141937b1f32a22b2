"""Turns what Triton hands a launcher into plain data: kernels, and their arguments in order."""

from __future__ import annotations

import hashlib
import math
import operator
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from evaluators.kernels.cubin import read_cubin
from evaluators.kernels.inside.refusals import RefusalError
from evaluators.kernels.inside.tape import FIRST_ADDRESS, LAST_ADDRESS, Json, Tape
from evaluators.kernels.inside.tensors import Dataless

# Triton numbers the element types of a tensor map as the device does; the driver's enumeration differs in three.
HOST_ELEMENT = {8: 10, 9: 8, 10: 9}
FLOATS = {"f32": "fp32", "fp16": "fp16", "bf16": "bf16", "fp32": "fp32", "fp64": "fp64"}
DESCRIPTOR = "tensordesc"
BEFORE_ARGUMENTS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A cubin that Triton believes to be loaded.

    Args:
        name: the kernel's.
        cubin: its number.
        registers: of a thread.
    """

    name: str
    cubin: int
    registers: int


@dataclass(slots=True)
class Launches:
    """All kernels of a candidate, and the call that is being recorded; `tape` is None outside of calls."""

    tape: Tape | None = None
    cubins: list[bytes] = field(default_factory=list)
    kernels: list[Json] = field(default_factory=list)
    _numbers: dict[bytes, int] = field(default_factory=dict)

    def load(self, name: str, cubin: bytes) -> Loaded:
        """Keep a cubin, each contents once."""
        digest = hashlib.sha256(cubin).digest()
        if digest not in self._numbers:
            self._numbers[digest] = len(self.cubins)
            self.cubins.append(cubin)
        return Loaded(name=name, cubin=self._numbers[digest], registers=read_cubin(cubin).functions[name].registers)

    def number(self, kernel: Json) -> int:
        """Position of a kernel among all, which it joins if it is new."""
        if kernel not in self.kernels:
            self.kernels.append(kernel)
        return self.kernels.index(kernel)


class Launcher:
    """Launches one compiled kernel.

    Args:
        source: what it was compiled from.
        metadata: what the compiler says about it.
        launches: takes what is launched.
    """

    def __init__(self, source: Any, metadata: Any, launches: Launches) -> None:
        if metadata.launch_cooperative_grid or metadata.launch_pdl:
            raise RefusalError("launch_cooperative_grid and launch_pdl cannot be replayed; launch without them")
        self._types = list(source.signature.values())
        self._names = list(source.signature)
        self._metadata = metadata
        self._maps = list(getattr(metadata, "tensordesc_meta", None) or [])
        self._launches = launches

    def __call__(self, x: Any, y: Any, z: Any, _stream: Any, function: Loaded, *rest: Any) -> None:
        """Note a launch; ``rest`` is metadata and hooks, which only a real launcher needs, then the arguments."""
        tape = self._launches.tape
        if tape is None:
            raise RefusalError("launches a kernel outside of a call of the host function")
        values = rest[BEFORE_ARGUMENTS:]
        if len(values) != len(self._types):
            raise RefusalError(f"kernel {function.name} takes {len(self._types)} arguments, not {len(values)}")
        maps = iter(self._maps)
        arguments, signature = [], []
        for name, type_name, value in zip(self._names, self._types, values, strict=True):
            try:
                pairs = list(_flattened(type_name, value, maps))
                arguments += [_argument(kind, item, tape) for kind, item in pairs]
            except (TypeError, ValueError, OverflowError) as error:
                raise RefusalError(f"argument {name} of kernel {function.name}: {error}") from error
            signature += [kind for kind, _ in pairs]
        tape.launch(self._launches.number(self._kernel(function, signature)), (x, y, z), arguments)

    def _kernel(self, function: Loaded, signature: list[str]) -> Json:
        metadata = self._metadata
        return {
            "cubin": function.cubin,
            "name": function.name,
            "num_warps": metadata.num_warps,
            "num_ctas": metadata.num_ctas,
            "shared": metadata.shared,
            "global_scratch": metadata.global_scratch_size,
            "global_scratch_align": metadata.global_scratch_align,
            "profile_scratch": metadata.profile_scratch_size,
            "signature": signature,
        }


def _flattened(kind: Any, value: Any, maps: Iterator[Any]) -> Iterator[tuple[str, Any]]:
    """Types and values of the parameters that an argument becomes: none for a constant, several for a tuple."""
    if isinstance(kind, tuple):
        for inner, item in zip(kind, value, strict=True):
            yield from _flattened(inner, item, maps)
    elif kind.startswith(DESCRIPTOR):
        told = next(maps, None)
        if told is not None:
            yield kind, (value, told)
        else:
            yield from _decomposed(kind, value)
    elif kind != "constexpr":
        yield kind, value


def _decomposed(kind: str, value: Any) -> Iterator[tuple[str, Any]]:
    """A descriptor for which the kernel uses no tensor map: the tensor, and twice its shape and strides."""
    yield "*" + kind.partition("<")[2].partition("[")[0], value.base
    for number in (*value.shape, *value.strides):
        yield "i64", number
    yield "i1", value.padding == "nan"
    if hasattr(value, "round_f32_to_tf32"):  # since Triton 3.7
        yield "i1", value.round_f32_to_tf32
    for number in value.shape:
        yield "i32", number
    for number in value.strides:
        yield "i64", number


def _argument(kind: str, value: Any, tape: Tape) -> Json:
    if kind.startswith(DESCRIPTOR):
        return ["m", _map(value, tape)]
    if kind.startswith("*"):
        return ["n"] if value is None else ["p", *_place(value, tape)]
    if kind in FLOATS:
        number = float(value)
        return ["s", FLOATS[kind], number if math.isfinite(number) else repr(number)]
    whole = operator.index(value)
    if FIRST_ADDRESS <= whole < LAST_ADDRESS:
        raise RefusalError("an address is passed as a number; pass the tensor itself")
    return ["s", "i1" if kind == "u1" else kind, whole]


def _place(value: Any, tape: Tape) -> tuple[int, int]:
    if not isinstance(value, Dataless):
        raise TypeError(f"a {type(value).__name__} that is not on the device is passed as a pointer")
    tape.owns(value.buffer)
    return value.buffer.number, value.offset_bytes


def _map(value: tuple[Any, Any], tape: Tape) -> Json:
    descriptor, told = value
    if told["fp4_padded"] or told.get("is_im2col") or getattr(descriptor, "round_f32_to_tf32", False):
        raise ValueError("descriptors of fp4, tf32 or image tiles cannot be replayed")
    return {
        "place": list(_place(descriptor.base, tape)),
        "shape": [operator.index(length) for length in descriptor.shape],
        "strides": [operator.index(stride) for stride in descriptor.strides],
        "block": list(told["block_size"]),
        "element": HOST_ELEMENT.get(told["elem_type"], told["elem_type"]),
        "item_bytes": told["elem_size"],
        "swizzle": told["swizzle"],
        "padding": int(descriptor.padding == "nan"),
    }
