"""What a recording may ask for, the names of the checks that hold it to that, and how one refuses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from evaluators.kernels.forms import Call
from evaluators.model import Outcome
from evaluators.problem import RefusedError

MIB = 1 << 20

SHARED_BYTES: Mapping[int, int] = MappingProxyType(
    {
        70: 98_304,
        75: 65_536,
        80: 166_912,
        86: 101_376,
        87: 166_912,
        89: 101_376,
        90: 232_448,
        100: 232_448,
        103: 232_448,
        120: 101_376,
        121: 101_376,
    }
)
"""Most shared memory of one block in bytes, by compute capability times ten (CUDA programming guide, appendix on
compute capabilities); any other device has at least `LEAST_SHARED_BYTES`."""

LEAST_SHARED_BYTES = 49_152

FORM = "form of the recording"
CALLS = "names of the calls"
COUNTS = "counts of the recording"
CUBIN = "cubin"
GLOBALS = "state in the cubin"
SYMBOL = "kernel in its cubin"
OPTIONS = "options of a launch"
SHARED = "shared memory"
LOCAL = "local memory"
SIGNATURE = "parameters of the kernel"
BUFFERS = "buffers of the arguments"
MEMORY = "memory"
POINTER = "pointers"
SCALAR = "numbers passed by value"
DESCRIPTOR = "descriptors"
GRID = "grid"
FILL = "fills"
OUTPUTS = "number of outputs"
OUTPUT_DTYPE = "dtype of outputs"
OUTPUT_SHAPE = "shape of outputs"
OUTPUT_PLACE = "place of outputs"

CHECKS = (
    CALLS,
    COUNTS,
    CUBIN,
    GLOBALS,
    SYMBOL,
    OPTIONS,
    SHARED,
    LOCAL,
    SIGNATURE,
    BUFFERS,
    MEMORY,
    POINTER,
    SCALAR,
    DESCRIPTOR,
    GRID,
    FILL,
    OUTPUTS,
    OUTPUT_DTYPE,
    OUTPUT_SHAPE,
    OUTPUT_PLACE,
)
"""Names of the checks that an audit can switch off; `FORM` cannot be, since nothing can be read without it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanLimits:
    """The most that a recording may ask for.

    Args:
        temporary_factor: what one call may allocate beside its outputs, kernels' scratch included, as a multiple of
            the bytes of its arguments and outputs.
        temporary_extra_bytes: the same, added to that.
        buffers: buffers that one call may allocate.
        launches: of one call.
        fills: of one call.
        kernels: of all calls together.
        cubin_bytes: of one cubin.
        all_cubins_bytes: of all cubins together.
        shared_bytes: of one block; None for what the architecture has.
        local_bytes: stack of one thread; the driver reserves that for every thread that the device can hold.
        parameters: of one kernel.
        text_bytes: of the JSON text.
    """

    temporary_factor: float = 4.0
    temporary_extra_bytes: int = 256 * MIB
    buffers: int = 256
    launches: int = 64
    fills: int = 64
    kernels: int = 64
    cubin_bytes: int = 8 * MIB
    all_cubins_bytes: int = 32 * MIB
    shared_bytes: int | None = None
    local_bytes: int = 65_536
    parameters: int = 256
    text_bytes: int = 4 * MIB

    def temporary_bytes(self, call: Call) -> int:
        """Bytes that a call may allocate beside its outputs."""
        forms = (*call.tensors.values(), *call.outputs)
        return int(self.temporary_factor * sum(form.bytes for form in forms)) + self.temporary_extra_bytes

    def shared_bytes_of(self, architecture: int) -> int:
        """Shared memory that a block may take on a device."""
        return SHARED_BYTES.get(architecture, LEAST_SHARED_BYTES) if self.shared_bytes is None else self.shared_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What a recording is held against.

    Args:
        architecture: compute capability times ten.
        limits: the most that it may ask for.
        off: names of checks to leave out; only audits leave any out.
    """

    architecture: int
    limits: PlanLimits
    off: frozenset[str]

    def refuse(self, check: str, outcome: Outcome, reason: str) -> None:
        """Refuse the recording; returns only where an audit has switched that check off.

        Raises:
            RefusedError: always, but for that.
        """
        if check not in self.off:
            raise RefusedError(outcome, reason, check=check)

    def cheated(self, check: str, reason: str) -> None:
        """Refuse a claim that no honest recorder makes.

        Raises:
            RefusedError: always, but where the check is off.
        """
        self.refuse(check, Outcome.CHEATED, f"the recording is not an honest one: {reason}")
