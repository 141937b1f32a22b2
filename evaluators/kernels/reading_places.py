"""Places in a plan's buffers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evaluators.kernels.plan import Pointer, Storage
from evaluators.kernels.reading_json import MOST_BYTES, integer
from evaluators.kernels.reading_limits import POINTER, Bench


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """The buffers of one call, as pointers see them."""

    bench: Bench
    storages: Sequence[Storage]

    def pointer(self, buffer: object, offset: object, what: str, *, align: int) -> Pointer:
        """Read a pointer; it may stand right behind a buffer, as that of an empty part of a tensor does.

        Args:
            buffer: number of the buffer, as claimed.
            offset: bytes from its start, as claimed.
            what: how messages call it.
            align: bytes that the offset must be a multiple of; buffers themselves are aligned to 256 bytes.

        Raises:
            RefusedError: it lies outside of every buffer, or across its items.
        """
        place = Pointer(
            buffer=integer(buffer, f"buffer of {what}", low=-MOST_BYTES),
            offset=integer(offset, f"offset of {what}", low=-MOST_BYTES),
        )
        storage = self.storage(place)
        if storage is None:
            self.bench.cheated(POINTER, f"{what} points into buffer {place.buffer} of {len(self.storages)}")
        elif not 0 <= place.offset <= storage.bytes:
            self.bench.cheated(
                POINTER, f"{what} points at byte {place.offset} of buffer {place.buffer}, which has {storage.bytes}"
            )
        if place.offset % align:
            self.bench.cheated(POINTER, f"{what} points at byte {place.offset}, which is no multiple of {align}")
        return place

    def storage(self, place: Pointer) -> Storage | None:
        """The buffer that a pointer points into, where there is one."""
        return self.storages[place.buffer] if 0 <= place.buffer < len(self.storages) else None
