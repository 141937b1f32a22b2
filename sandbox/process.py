"""The caller's handle on a launcher and its zygote."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from sandbox.inside import cgroups
from sandbox.inside.cleaning import remove_tree
from sandbox.inside.zygote import Config
from sandbox.layers import ENFORCED, Layer
from sandbox.limits import SandboxError
from sandbox.wire import Channel, Frame, WireError, encode

START_SECONDS = 120.0
STOP_SECONDS = 10.0
MOST_EVENT_BYTES = 1 << 28
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
LAUNCHER = Path(__file__).parent / "inside" / "launcher.py"


class ZygoteProcess:
    """A running zygote.

    Args:
        config: what it is to be.
        threads: how many threads numerical libraries may use.
        leave_out: layers that are not applied.

    Raises:
        SandboxError: it did not start.
    """

    def __init__(
        self,
        *,
        config: Config,
        threads: int,
        leave_out: frozenset[str],
    ) -> None:
        self.threads = threads
        self._base = Path(tempfile.mkdtemp(prefix="sandbox-")).resolve()
        for name, mode in (("root", 0o755), ("scratch", 0o711), (".", 0o711)):
            # Passable for guests of another user, whatever the umask; what they must not read is told below.
            (self._base / name).mkdir(exist_ok=True)
            (self._base / name).chmod(mode)
        (self._base / "canary").touch()
        (self._base / "canary").chmod(0o644)  # Landlock alone is to keep a guest from it
        (self._base / "errors").touch(mode=0o600)
        self._places = cgroups.here(cgroups.PREFIX + self._base.name)
        control, theirs = socket.socketpair()
        told = {
            "config": asdict(config),
            "base": str(self._base),
            "left_out": sorted(leave_out),
            "places": [asdict(place) for place in self._places],
            "import_path": [
                str(LAUNCHER.parents[2]),
                *(path for path in sys.path if Path(path).is_absolute()),
            ],
            "control": theirs.fileno(),
            "caller": os.getpid(),
        }
        with theirs, (self._base / "errors").open("wb") as errors:
            self._launcher = subprocess.Popen(
                [sys.executable, "-s", "-P", str(LAUNCHER), json.dumps(told)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                cwd="/",
                env={**dict.fromkeys(THREAD_VARIABLES, str(threads)), "PYTHONHASHSEED": "0", **config.environment},
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        self._stream = control
        self._control = Channel(control)
        try:
            ready = self.next_event(START_SECONDS)
        except SandboxError as error:
            message = (self._base / "errors").read_text(encoding="utf-8", errors="replace").strip()
            self.stop()
            raise SandboxError(f"the zygote did not start: {error}\n{message[-2000:]}") from error
        layers = ready.header["layers"]
        assert isinstance(layers, dict)
        self.layers: Mapping[str, str] = layers
        if layers[Layer.MOUNT_NAMESPACE] == ENFORCED:
            # The zygote has a root of its own by now; what is removed at once cannot be left behind.
            remove_tree(self._base)

    def fileno(self) -> int:
        """Descriptor that becomes readable when the zygote has something to say."""
        return self._control.fileno()

    def is_alive(self) -> bool:
        """Whether launcher and zygote are there."""
        if self._launcher.poll() is not None:
            return False
        readable, _, _ = select.select([self._stream], [], [], 0)
        try:
            return not readable or bool(self._stream.recv(1, socket.MSG_PEEK))
        except ConnectionError:
            return False

    def tell(self, message: Mapping[str, object], descriptors: tuple[int, ...] = ()) -> None:
        """Send a command.

        Raises:
            SandboxError: nobody is listening.
        """
        pieces = encode(message)
        try:
            if descriptors:
                self._control.send_descriptors(pieces, descriptors)
            else:
                self._control.send(pieces)
        except OSError as error:
            raise SandboxError(f"the zygote is gone: {error}") from error

    def next_event(self, timeout_seconds: float) -> Frame:
        """Wait for what the zygote says next.

        Raises:
            SandboxError: it is gone, or says nothing in time.
        """
        deadline = time.monotonic() + timeout_seconds

        def wait(mask: int) -> None:
            poll = select.poll()
            poll.register(self._stream, mask)
            if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
                raise SandboxError(f"the zygote said nothing for {timeout_seconds:g} s")

        self._stream.setblocking(False)
        try:
            return self._control.receive(MOST_EVENT_BYTES, wait)
        except (EOFError, OSError, WireError) as error:
            raise SandboxError(f"the zygote is gone: {error}") from error
        finally:
            self._stream.setblocking(True)

    def stop(self) -> None:
        """End it and all that it started, and remove its files and control group.

        Raises:
            SandboxError: some process cannot be killed, and its control group therefore not be removed.
        """
        self._stream.close()
        try:
            self._launcher.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._launcher.pid, signal.SIGKILL)
            self._launcher.wait()
        if self._base.exists():
            remove_tree(self._base)
        try:
            cgroups.remove([place.folder for place in self._places])  # a killed launcher has left its group
        except OSError as error:
            raise SandboxError(f"a control group cannot be removed; its processes hang: {error}") from error
