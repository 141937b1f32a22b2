"""Stops a guest's process whenever it is not its turn, so that it cannot work while no clock runs."""

from __future__ import annotations

import contextlib
import os
import signal

from sandbox.limits import SandboxError


class Brake:
    """Holds one process, all its threads included.

    Signals and timers that fall due while it is held reach it when it is released, that is, in its own time.
    Processes that it has started are not held.

    Args:
        pid: the process, seen from here; must be alive.

    Raises:
        SandboxError: it may not be signalled from here.
    """

    def __init__(self, pid: int) -> None:
        try:
            self._pidfd = os.pidfd_open(pid)
        except OSError as error:
            raise SandboxError(f"the guest, process {pid}, cannot be watched: {error}") from error
        try:
            signal.pidfd_send_signal(self._pidfd, 0)
        except OSError as error:
            os.close(self._pidfd)
            raise SandboxError(f"the guest, process {pid}, cannot be stopped and continued: {error}") from error

    def hold(self) -> None:
        """Stop it; no harm if it is over."""
        self._send(signal.SIGSTOP)

    def release(self) -> None:
        """Let it go on."""
        self._send(signal.SIGCONT)

    def close(self) -> None:
        """Forget it; it stays as it is."""
        os.close(self._pidfd)

    def _send(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, number)
