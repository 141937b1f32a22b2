"""What a guest prints, on its way to the caller alone."""

from __future__ import annotations

import os

READ_BYTES = 1 << 16
CLOSED = -1


class Log:
    """A pipe from a guest's standard output and error; the beginning is kept, the rest is dropped.

    The bytes go from the guest to the caller and never through the zygote, which later guests are copies of.

    Args:
        most_bytes: how much is kept.
    """

    def __init__(self, most_bytes: int) -> None:
        self._read_end, self.write_end = os.pipe()
        os.set_blocking(self._read_end, False)
        self._most_bytes = most_bytes
        self._kept = bytearray()

    def fileno(self) -> int:
        """Descriptor that becomes readable when the guest has printed."""
        return self._read_end

    @property
    def is_open(self) -> bool:
        """Whether more may come."""
        return self._read_end != CLOSED

    @property
    def text(self) -> str:
        """What was kept."""
        return self._kept.decode(errors="replace")

    def close_write_end(self) -> None:
        """Leave the end that the guest holds to the guest."""
        os.close(self.write_end)

    def drain(self) -> bool:
        """Read what is there, once; False when there is nothing more for now or for ever."""
        try:
            data = os.read(self._read_end, READ_BYTES)
        except BlockingIOError:
            return False
        self._kept += data[: max(0, self._most_bytes - len(self._kept))]
        if not data:
            self._shut()
        return bool(data)

    def close(self) -> None:
        """Read what is left, at most a pipe's content, and close; the guest must be dead."""
        while self.is_open and self.drain():
            pass
        if self.is_open:
            self._shut()

    def _shut(self) -> None:
        os.close(self._read_end)
        self._read_end = CLOSED
