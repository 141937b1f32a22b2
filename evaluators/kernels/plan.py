"""Launch plans: what a host function did when it was recorded, as plain values.

A recording travels from the sandbox as JSON beside the cubins, and is then a claim of the candidate's. `reading` turns
it into these values after checking every number; the values themselves are only as good as that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from evaluators.kernels.forms import Call, Form


@dataclass(frozen=True, slots=True, kw_only=True)
class Pointer:
    """A place in one of the plan's buffers, in bytes from its start."""

    buffer: int
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Scalar:
    """A number passed by value.

    Args:
        type: Triton's name of the type: i1, i8, i16, i32, i64, u8, u16, u32, u64, fp16, bf16, fp32 or fp64.
        value: the number.
    """

    type: str
    value: int | float


@dataclass(frozen=True, slots=True, kw_only=True)
class Null:
    """A pointer argument for which None was passed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorMap:
    """A host-side TMA descriptor, with the shape and strides that follow it in the parameter list.

    Args:
        place: start of the tensor.
        shape: in items, outermost first.
        strides: in items, outermost first; the last is 1.
        block: box in items, outermost first, as Triton asks for it.
        element: CUtensorMapDataType.
        item_bytes: bytes of one item.
        swizzle: CUtensorMapSwizzle.
        padding: CUtensorMapFloatOOBfill.
    """

    place: Pointer
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    block: tuple[int, ...]
    element: int
    item_bytes: int
    swizzle: int
    padding: int = 0


Argument = Pointer | Scalar | Null | TensorMap


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """One compiled kernel.

    Args:
        name: its symbol in the cubin.
        cubin: position in `Recording.cubins`.
        num_warps: warps of 32 threads in a block.
        num_ctas: blocks in a cluster.
        shared_bytes: dynamic shared memory of a block.
        global_scratch_bytes: scratch of each block, and its alignment.
        profile_scratch_bytes: the same for profiling; 0.
        registers: of a thread, read from the cubin.
        local_bytes: local memory of a thread (spills and arrays), read from the cubin.
    """

    name: str
    cubin: int
    num_warps: int
    num_ctas: int
    shared_bytes: int
    global_scratch_bytes: int = 0
    global_scratch_align: int = 1
    profile_scratch_bytes: int = 0
    registers: int = 0
    local_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """One launch; its arguments are the kernel's parameters in order, without Triton's trailing scratch pointers."""

    kernel: int
    grid: tuple[int, int, int]
    arguments: tuple[Argument, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """A stretch of a buffer filled with one pattern of 1, 2 or 4 bytes, as by ``torch.zeros`` or ``torch.full``.

    Args:
        place: where it starts, aligned to the pattern.
        count: how many patterns.
        pattern: the bytes.
    """

    place: Pointer
    count: int
    pattern: bytes


Step = Launch | Fill


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """One buffer of a plan.

    Args:
        bytes: its size.
        argument: the parameter whose tensor it holds; empty for one that the host function allocated.
    """

    bytes: int
    argument: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """Where a returned tensor lies; it is contiguous, and no part of an argument or of another output."""

    place: Pointer
    form: Form


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchPlan:
    """What the host function did in one call."""

    call: Call
    storages: tuple[Storage, ...]
    steps: tuple[Step, ...]
    outputs: tuple[Output, ...]

    @property
    def launches(self) -> tuple[Launch, ...]:
        """The kernel launches among the steps."""
        return tuple(step for step in self.steps if isinstance(step, Launch))

    @property
    def allocated_bytes(self) -> int:
        """Bytes of all that the host function allocated, outputs included."""
        return sum(storage.bytes for storage in self.storages if not storage.argument)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """Everything that came of recording one candidate: plans by the call's name, and the kernels they launch.

    Args:
        plans: one for each call.
        kernels: what the plans launch.
        cubins: machine code, for ``sm_`` of `architecture`.
        architecture: compute capability times ten, such as 90.
        triton: version that compiled.
        seconds: wall time of recording and compiling, by the judge's clock.
    """

    plans: Mapping[str, LaunchPlan]
    kernels: tuple[Kernel, ...]
    cubins: tuple[bytes, ...] = field(repr=False)
    architecture: int
    triton: str
    seconds: float = 0.0
