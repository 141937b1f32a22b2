"""Kernels of a recording: what the guest says of them, held against what their cubins say themselves."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from evaluators.kernels.cubin import Cubin, CubinError, Function, read_cubin
from evaluators.kernels.plan import Kernel
from evaluators.kernels.reading_json import field, identifier, integer, listing, malformed, mapping, text
from evaluators.kernels.reading_limits import (
    COUNTS,
    CUBIN,
    GLOBALS,
    LOCAL,
    OPTIONS,
    SHARED,
    SIGNATURE,
    SYMBOL,
    Bench,
)
from evaluators.model import Outcome

SCALAR_BYTES = {
    "i1": 1,
    "i8": 1,
    "i16": 2,
    "i32": 4,
    "i64": 8,
    "u1": 1,
    "u8": 1,
    "u16": 2,
    "u32": 4,
    "u64": 8,
    "fp16": 2,
    "bf16": 2,
    "fp32": 4,
    "fp64": 8,
}
"""Bytes of a parameter passed by value, by Triton's name of its type."""

WARPS = (1, 2, 4, 8, 16, 32)
MOST_CTAS = 16
MOST_SCRATCH_ALIGN = 4096
POINTER_BYTES = 8
MAP_BYTES = 128
"""Bytes of a CUtensorMap."""

_POINTER = re.compile(r"\*k?([a-z][a-z0-9]*)")
_DESCRIPTOR = re.compile(r"tensordesc<[a-z0-9]+\[([0-9]+(?:, ?[0-9]+){0,4})\]>")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter of a kernel that Triton passes.

    Args:
        type: Triton's name of its type.
        item_bytes: of the items that a pointer points to, where they are known (else 1); 0 for other parameters.
        rank: axes of a descriptor; 0 for other parameters.
    """

    type: str
    item_bytes: int = 0
    rank: int = 0

    @property
    def sizes(self) -> tuple[int, ...]:
        """Bytes of the machine's parameters that it becomes."""
        if self.rank:  # the map, then the shape in i32 and the strides in i64
            return (MAP_BYTES, *(4,) * self.rank, *(8,) * self.rank)
        return (POINTER_BYTES if self.item_bytes else SCALAR_BYTES[self.type],)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadKernel:
    """A kernel, and the parameters that its launches must fill."""

    kernel: Kernel
    parameters: tuple[Parameter, ...]


def read_cubins(bench: Bench, cubins: Sequence[bytes]) -> tuple[Cubin | None, ...]:
    """Parse all cubins; None stands for one that is none, where an audit has switched that check off.

    Raises:
        RefusedError: one is too large, for another device, or holds what no kernel of Triton's needs.
    """
    limits = bench.limits
    sizes = [len(cubin) for cubin in cubins]
    if len(cubins) > limits.kernels:
        bench.refuse(COUNTS, Outcome.OUT_OF_MEMORY, f"compiles to {len(cubins)} cubins, more than {limits.kernels}")
    if max(sizes, default=0) > limits.cubin_bytes or sum(sizes) > limits.all_cubins_bytes:
        bench.refuse(
            COUNTS,
            Outcome.OUT_OF_MEMORY,
            f"compiles to {sum(sizes)} bytes of machine code, {max(sizes)} in one kernel, where "
            f"{limits.all_cubins_bytes} and {limits.cubin_bytes} are allowed: unroll less, or specialise less",
        )
    return tuple(_read_cubin(bench, cubin, number) for number, cubin in enumerate(cubins))


def _read_cubin(bench: Bench, data: bytes, number: int) -> Cubin | None:
    try:
        cubin = read_cubin(data)
    except CubinError as error:
        bench.cheated(CUBIN, f"cubin {number}: {error}")
        return None
    if cubin.architecture != bench.architecture:
        bench.cheated(CUBIN, f"cubin {number} is for sm_{cubin.architecture}, not sm_{bench.architecture}")
    if cubin.globals or cubin.imports:
        found = ", ".join((*cubin.globals, *cubin.imports))[:200]
        bench.cheated(
            GLOBALS, f"cubin {number} holds or calls what outlives a launch ({found}); leave out prints and asserts"
        )
    return cubin


def read_kernel(bench: Bench, value: object, number: int, cubins: Sequence[Cubin | None]) -> ReadKernel:
    """Read one entry of the list of kernels.

    Raises:
        RefusedError: the cubin says otherwise, or the device has not got what it asks for.
    """
    what = f"kernel {number}"
    claim = mapping(value, what)

    def count(name: str, *, low: int = 0) -> int:
        return integer(field(claim, name, what), f"{name} of {what}", low=low)

    name = identifier(field(claim, "name", what), f"name of {what}")
    at = count("cubin")
    cubin = cubins[at] if at < len(cubins) else None
    function = cubin.functions.get(name) if cubin else None
    if function is None:
        bench.cheated(SYMBOL, f"{what}: cubin {at} holds no kernel {name[:100]!r}")
    kernel = Kernel(
        name=name,
        cubin=at,
        num_warps=count("num_warps"),
        num_ctas=count("num_ctas"),
        shared_bytes=count("shared"),
        global_scratch_bytes=count("global_scratch"),
        global_scratch_align=count("global_scratch_align"),
        profile_scratch_bytes=count("profile_scratch"),
        registers=function.registers if function else 0,
        local_bytes=function.local_bytes if function else 0,
    )
    types = listing(field(claim, "signature", what), f"signature of {what}")
    if len(types) > bench.limits.parameters:
        bench.cheated(SIGNATURE, f"{what} has {len(types)} parameters, more than {bench.limits.parameters}")
    parameters = tuple(_parameter(entry, f"{what}, parameter {position}") for position, entry in enumerate(types))
    if function is not None:
        _check_options(bench, kernel, function, what)
        _check_memory(bench, kernel, function, what)
        _check_signature(bench, parameters, function, what)
    return ReadKernel(kernel=kernel, parameters=parameters)


def _parameter(value: object, what: str) -> Parameter:
    name = text(value, what)
    if name in SCALAR_BYTES:
        return Parameter(type="i1" if name == "u1" else name)
    if pointer := _POINTER.fullmatch(name):
        return Parameter(type=name, item_bytes=SCALAR_BYTES.get(pointer[1], 1))
    if descriptor := _DESCRIPTOR.fullmatch(name):
        return Parameter(type=name, rank=descriptor[1].count(",") + 1)
    raise malformed(f"{what} has the unknown type {ascii(name)[:60]}")


def _check_options(bench: Bench, kernel: Kernel, function: Function, what: str) -> None:
    threads = 32 * kernel.num_warps
    # Where a kernel's warps are specialised their number need be no power of two, but then the cubin says it.
    if threads != function.threads if function.threads else kernel.num_warps not in WARPS:
        wanted = f"its cubin says {function.threads} threads" if function.threads else f"one of {WARPS} is possible"
        bench.cheated(OPTIONS, f"{what} has {kernel.num_warps} warps, where {wanted}")
    if not 1 <= kernel.num_ctas <= MOST_CTAS:
        bench.cheated(OPTIONS, f"{what} has clusters of {kernel.num_ctas} blocks; 1 to {MOST_CTAS} are possible")
    align = kernel.global_scratch_align
    if not (0 < align <= MOST_SCRATCH_ALIGN and align & (align - 1) == 0):
        bench.cheated(OPTIONS, f"{what} wants scratch aligned to {align}, which is no power of two up to 4096")
    if kernel.profile_scratch_bytes:
        bench.cheated(OPTIONS, f"{what} wants {kernel.profile_scratch_bytes} bytes for a profiler; there is none")


def _check_memory(bench: Bench, kernel: Kernel, function: Function, what: str) -> None:
    most = bench.limits.shared_bytes_of(bench.architecture)
    wanted = kernel.shared_bytes + function.shared_bytes
    if wanted > most:
        bench.refuse(
            SHARED,
            Outcome.OUT_OF_MEMORY,
            f"{what} ({kernel.name[:100]}) takes {wanted} bytes of shared memory where a block has {most}: choose "
            "smaller blocks or fewer stages",
        )
    if function.local_bytes > bench.limits.local_bytes:
        bench.refuse(
            LOCAL,
            Outcome.OUT_OF_MEMORY,
            f"{what} ({kernel.name[:100]}) spills {function.local_bytes} bytes of each thread to local memory, more "
            f"than {bench.limits.local_bytes}: choose smaller blocks or more warps",
        )


def _check_signature(bench: Bench, parameters: Sequence[Parameter], function: Function, what: str) -> None:
    """The driver copies as many bytes of each parameter as the cubin says, whatever was put there."""
    said = (*(size for parameter in parameters for size in parameter.sizes), POINTER_BYTES, POINTER_BYTES)
    if said != function.parameters:
        bench.cheated(
            SIGNATURE, f"{what} takes {_short(function.parameters)} bytes, but is said to take {_short(said)}"
        )


def _short(sizes: Sequence[int]) -> str:
    return ascii(list(sizes))[:120]
