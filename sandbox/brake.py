"""Stops a guest's process whenever it is not its turn, so that it cannot work while no clock runs."""

from __future__ import annotations

import contextlib
import os
import signal
import time

from sandbox.limits import SandboxError

RESTING = "TtZX"
"""States of a thread that does nothing (proc(5)): stopped, traced, over."""

POLL_SECONDS = 20e-6


class Brake:
    """Holds one process, all its threads included.

    Signals and timers that fall due while it is held reach it when it is released, that is, in its own time; those that
    would continue it (SIGCONT) are kept from it by the system-call filter. Processes that it has started are not held.

    Args:
        pid: the process, seen from here; must be alive.

    Raises:
        SandboxError: it may not be signalled from here.
    """

    def __init__(self, pid: int) -> None:
        self._tasks = f"/proc/{pid}/task"
        try:
            self._pidfd = os.pidfd_open(pid)
        except OSError as error:
            raise SandboxError(f"the guest, process {pid}, cannot be watched: {error}") from error
        try:
            signal.pidfd_send_signal(self._pidfd, 0)
        except OSError as error:
            os.close(self._pidfd)
            raise SandboxError(f"the guest, process {pid}, cannot be stopped and continued: {error}") from error

    def hold(self, deadline: float) -> None:
        """Stop it and wait until it rests; no harm if it is over.

        A stop takes effect when the process leaves the kernel, and a long system call may take its time.

        Args:
            deadline: by `time.perf_counter`.

        Raises:
            TimeoutError: it does not rest by then.
        """
        self._send(signal.SIGSTOP)
        while not self._rests():
            if time.perf_counter() > deadline:
                raise TimeoutError("replied, but did not come to rest in time")
            time.sleep(POLL_SECONDS)

    def release(self) -> None:
        """Let it go on."""
        self._send(signal.SIGCONT)

    def _rests(self) -> bool:
        """Whether no thread of it runs."""
        try:
            return all(self._state(task) in RESTING for task in os.listdir(self._tasks))  # noqa: PTH208 - quick
        except (FileNotFoundError, ProcessLookupError):  # over
            return True

    def _state(self, task: str) -> str:
        with open(f"{self._tasks}/{task}/stat", "rb") as stat:  # noqa: PTH123 - for every call of a guest: the quick way
            return stat.read().rpartition(b")")[2].split()[0].decode()

    def close(self) -> None:
        """Forget it; it stays as it is."""
        os.close(self._pidfd)

    def _send(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, number)
