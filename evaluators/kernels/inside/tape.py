"""What a host function does in one call, noted as it happens."""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass, field
from typing import Any

from evaluators.kernels.inside.refusals import RefusalError

FIRST_ADDRESS = 1 << 45
LAST_ADDRESS = 1 << 47
SPACING_BYTES = 1 << 21
LONGEST_PATTERN_BYTES = 4
MOST_BYTES = 1 << 44
MOST_STEPS = 4096

Json = Any


@dataclass(eq=False, slots=True, kw_only=True)
class Buffer:
    """One stretch of the device's memory.

    Args:
        tape: the call that it belongs to.
        number: its position among the call's buffers.
        bytes: its size.
        argument: parameter whose tensor it holds; empty for one that the host function allocated.
        address: of its start, as the host function is told.
    """

    tape: Tape
    number: int
    bytes: int
    argument: str
    address: int


@dataclass(eq=False, slots=True)
class Tape:
    """One call."""

    buffers: list[Buffer] = field(default_factory=list)
    steps: list[Json] = field(default_factory=list)
    _address: int = FIRST_ADDRESS

    def new_buffer(self, size: int, argument: str = "") -> Buffer:
        """Note an allocation.

        Args:
            size: in bytes.
            argument: the parameter that it is for.
        """
        if size > MOST_BYTES:
            raise RefusalError(f"allocates {size} bytes at once")
        buffer = Buffer(tape=self, number=len(self.buffers), bytes=size, argument=argument, address=self._address)
        self._address += -(-(size + 1) // SPACING_BYTES) * SPACING_BYTES
        self.buffers.append(buffer)
        return buffer

    def owns(self, buffer: Buffer) -> None:
        """See to it that a buffer is of this call.

        Raises:
            RefusalError: it is of another one.
        """
        if buffer.tape is not self:
            raise RefusalError("a tensor from outside of the call is used; allocate temporaries anew in every call")

    def fill(self, buffer: Buffer, offset: int, count: int, item: bytes) -> None:
        """Note a fill.

        Args:
            buffer: what is filled.
            offset: where it starts, in bytes.
            count: number of items.
            item: one of them.
        """
        self.owns(buffer)
        while len(item) > LONGEST_PATTERN_BYTES:
            half = len(item) // 2
            if item[:half] != item[half:]:
                raise RefusalError(f"memory can be filled with items of up to 4 bytes, not with 0x{item[::-1].hex()}")
            item, count = item[:half], 2 * count
        if count:
            self._add({"fill": [buffer.number, offset, count, item.hex()]})

    def launch(self, kernel: int, grid: tuple[Any, ...], arguments: list[Json]) -> None:
        """Note a launch; one of no blocks does nothing.

        Args:
            kernel: its number.
            grid: blocks along three axes.
            arguments: in order.
        """
        lengths = [operator.index(length) for length in grid]
        if min(lengths) < 0:
            raise RefusalError(f"launches a grid of {lengths} blocks")
        if math.prod(lengths):
            self._add({"kernel": kernel, "grid": lengths, "arguments": arguments})

    def _add(self, step: Json) -> None:
        if len(self.steps) == MOST_STEPS:
            raise RefusalError(f"launches and fills more than {MOST_STEPS} times in one call")
        self.steps.append(step)

    def plan(self, name: str, outputs: list[Json]) -> Json:
        """All that was noted, as plain data."""
        return {
            "name": name,
            "buffers": [{"bytes": buffer.bytes, "argument": buffer.argument} for buffer in self.buffers],
            "steps": self.steps,
            "outputs": outputs,
        }
