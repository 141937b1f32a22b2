"""One guest process, seen from the caller's side."""

from __future__ import annotations

import secrets
import select
import socket
import time
from collections.abc import Mapping
from dataclasses import replace
from types import TracebackType
from typing import Self

from sandbox.brake import Brake
from sandbox.guest_log import Log
from sandbox.limits import Buffer, Ending, Execution, Json, Limits, SandboxError, Value
from sandbox.process import ZygoteProcess
from sandbox.wire import Channel, Frame, WireError, encode

SETUP_SECONDS = 60.0
FAREWELL_SECONDS = 3.0
MOST_HEADER_BYTES = 1 << 20  # arrays travel beside it; parsing what a guest has nested takes the caller's time
CLOSE_SECONDS = 30.0
REASON_CHARACTERS = 500
GOES_ON = (Ending.REPLIED, Ending.RAISED)


class _GoneError(Exception):
    """The guest is over and has left no whole reply."""


class Session:
    """A guest process with one program loaded; its module state persists from call to call.

    Made by `Sandbox.open`. After any ending but ``REPLIED`` and ``RAISED``, and after a program that did not
    load, the guest is dead and every further call returns that same ending at once.
    """

    def __init__(self, zygote: ZygoteProcess, serial: int, limits: Limits) -> None:
        self._zygote = zygote
        self._serial = serial
        self._limits = limits
        self._over: Execution | None = None
        self._verdict: Execution | None = None
        self._closed = False
        self._log = Log(limits.log_bytes)
        self._stream, theirs = socket.socketpair()
        # The guest speaks before the program is loaded, so the first to speak is the guest.
        self._channel = Channel(self._stream, one_sender=True)
        try:
            with theirs:
                wanted = {name: getattr(limits, name) for name in Limits.__slots__}
                command = {"do": "open", "serial": serial, "limits": wanted}
                zygote.tell(command, (theirs.fileno(), self._log.write_end))
        finally:
            self._log.close_write_end()
        self._stream.setblocking(False)
        self._deadline = 0.0
        self._load = Execution(ending=Ending.REPLIED)
        self._brake: Brake | None = None

    @property
    def load(self) -> Execution:
        """How loading the program ended, and how long it took."""
        return self._load

    @property
    def is_closed(self) -> bool:
        """Whether the guest and all that it started are dead."""
        return self._closed

    def start(self, source: str, entry: str) -> None:
        """Wait until the guest has confined itself, then give it the program.

        Raises:
            SandboxError: the guest could not be confined.
        """
        self._deadline = time.perf_counter() + SETUP_SECONDS
        try:
            frame = self._channel.receive(self._limits.reply_bytes, self._wait)
        except (EOFError, OSError, WireError, _GoneError) as error:
            raise SandboxError(f"the guest died while it was set up: {error!r} {self._verdict}") from error
        if frame.header.get("ending") != "ready":
            raise SandboxError(f"the guest could not be confined: {frame.header.get('reason')}")
        assert self._channel.sender is not None
        self._brake = Brake(self._channel.sender)  # nothing of the program has run, so the process is there
        nonce = secrets.token_hex(8)
        program = encode({"source": source, "entry": entry, "nonce": nonce})
        execution = self._exchange(program, nonce, self._limits.load_seconds)
        if execution.ending is not Ending.REPLIED and self._over is None:
            execution = self._finish(execution)
        self._load = execution

    def call(self, arguments: Mapping[str, Value], *, timeout_seconds: float) -> Execution:
        """Call the entry point with keyword arguments.

        Args:
            arguments: JSON data or buffers by name; the guest sees buffers as read-only arrays.
            timeout_seconds: time from request to reply by this process's clock.

        Raises:
            SandboxError: the session is closed, an argument is not fit to be sent, or the sandbox broke.
        """
        if self._over is not None:
            return self._over
        if self._closed:
            raise SandboxError("this session is closed; open another")
        buffers = {name: value for name, value in arguments.items() if isinstance(value, Buffer)}
        plain = {name: value for name, value in arguments.items() if name not in buffers}
        nonce = secrets.token_hex(8)
        try:
            header = {"nonce": nonce, "plain": plain, "buffers": list(buffers)}
            request = encode(header, list(buffers.values()))
        except (TypeError, ValueError) as error:
            raise SandboxError(f"arguments must be JSON data or buffers at top level: {error}") from error
        return self._exchange(request, nonce, timeout_seconds)

    def close(self) -> str:
        """Kill everything that the guest started, whatever it did.

        Returns:
            What it printed, truncated to the limit.
        """
        if not self._closed:
            self._closed = True
            if self._brake is not None:
                self._brake.close()
            self._stream.close()
            try:
                self._zygote.tell({"do": "close"})
                self._farewell()
            except SandboxError:
                # A zygote that is gone or silent takes everything with it; the next open starts another.
                self._zygote.stop()
            finally:
                self._log.close()
        return self._log.text

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _farewell(self) -> None:
        while True:
            event = self._zygote.next_event(CLOSE_SECONDS).header
            if event["event"] == "closed" and event["serial"] == self._serial:
                return

    def _exchange(self, request: list[bytes | memoryview], nonce: str, timeout_seconds: float) -> Execution:
        """Send a request, take its reply, and end the session if that is not what came.

        The guest is held before and after: what it does beside its answer falls into its own time.
        """
        if self._has_spoken():
            return self._finish(self._after_silence())
        assert self._brake is not None
        start = time.perf_counter()
        self._deadline = start + timeout_seconds
        try:
            self._brake.release()
            self._channel.send(request, self._wait)
            frame = self._channel.receive(self._limits.reply_bytes, self._wait, MOST_HEADER_BYTES)
            self._brake.hold(self._deadline)
            seconds = time.perf_counter() - start
            execution = replace(_interpret(frame, nonce), seconds=seconds)
        except TimeoutError as error:
            reason = str(error) or f"no reply within {timeout_seconds:g} s"
            execution = Execution(ending=Ending.TIMEOUT, seconds=timeout_seconds, reason=reason)
        except WireError as error:
            execution = Execution(ending=Ending.VIOLATION, reason=_clean(str(error)))
        except (_GoneError, EOFError, ConnectionError):
            execution = replace(self._after_silence(), seconds=time.perf_counter() - start)
        return execution if execution.ending in GOES_ON else self._finish(execution)

    def _finish(self, execution: Execution) -> Execution:
        log = self.close()
        self._over = replace(execution, log=log)
        return self._over

    def _has_spoken(self) -> bool:
        """Whether the guest has written, or closed the channel, without being asked."""
        readable, _, _ = select.select([self._stream], [], [], 0)
        return bool(readable)

    def _after_silence(self) -> Execution:
        """Say how a guest ended that does not listen any more."""
        if self._verdict is None:
            try:
                speaks = bool(self._stream.recv(1, socket.MSG_PEEK))
            except (BlockingIOError, ConnectionError):
                speaks = False
            if speaks:
                return Execution(ending=Ending.VIOLATION, reason="wrote to the channel without being asked")
            poll = select.poll()
            poll.register(self._zygote, select.POLLIN)
            if poll.poll(FAREWELL_SECONDS * 1000):
                self._take_event()
        if self._verdict is not None:
            if not self._zygote.is_alive():
                # Whatever ended launcher and zygote took the guest with it; the program is not to blame.
                raise SandboxError("the zygote is gone, and its guest with it")
            return self._verdict
        return Execution(ending=Ending.VIOLATION, reason="closed the channel and went on running")

    def _wait(self, mask: int) -> None:
        """Block until the channel is ready.

        Raises:
            TimeoutError: the deadline has passed.
            _GoneError: the guest is over and nothing is left to be read.
        """
        while True:
            remaining = self._deadline - time.perf_counter()
            if remaining <= 0:
                raise TimeoutError
            poll = select.poll()
            poll.register(self._stream, mask)
            if self._log.is_open:
                poll.register(self._log, select.POLLIN)
            if self._verdict is None:
                poll.register(self._zygote, select.POLLIN)
            else:
                remaining = 0.0
            ready = {descriptor for descriptor, _ in poll.poll(remaining * 1000)}
            if self._stream.fileno() in ready:
                return
            if self._verdict is None and self._zygote.fileno() in ready:
                self._take_event()
            elif ready:
                self._log.drain()
            elif self._verdict is not None:
                raise _GoneError

    def _take_event(self) -> None:
        event = self._zygote.next_event(CLOSE_SECONDS).header
        if event["event"] == "over" and event["serial"] == self._serial:
            self._verdict = Execution(ending=Ending(str(event["ending"])), reason=str(event["reason"]))


def _interpret(frame: Frame, nonce: str) -> Execution:
    """Turn a guest's frame into an execution, trusting nothing.

    Raises:
        WireError: it is not what a guest of ours would say.
    """
    header = frame.header
    if header.get("nonce") != nonce:
        raise WireError("a reply to another request")
    ending = header.get("ending")
    if ending == Ending.REPLIED:
        return Execution(ending=Ending.REPLIED, value=_value(header.get("value"), frame.arrays))
    if ending in (Ending.RAISED, Ending.OUT_OF_MEMORY):
        reason = header.get("reason")
        if not isinstance(reason, str):
            raise WireError("a reply without a reason")
        return Execution(ending=Ending(str(ending)), reason=_clean(reason))
    raise WireError("a reply without a known ending")


def _value(node: object, arrays: tuple[Buffer, ...]) -> Value:
    if isinstance(node, dict) and set(node) == {"list"} and isinstance(node["list"], list):
        items = node["list"]
        if any(isinstance(item, dict) and "list" in item for item in items):
            raise WireError("a reply nested too deeply")
        return tuple(_leaf(item, arrays) for item in items)
    return _leaf(node, arrays)


def _leaf(node: object, arrays: tuple[Buffer, ...]) -> Json | Buffer:
    if isinstance(node, dict) and set(node) == {"json"}:
        value: Json = node["json"]
        return value
    if isinstance(node, dict) and set(node) == {"array"}:
        index = node["array"]
        if type(index) is int and 0 <= index < len(arrays):
            return arrays[index]
    raise WireError("a reply without a value")


def _clean(text: str) -> str:
    """One printable line of bounded length, whatever a guest wrote."""
    line = " ".join(text[: 4 * REASON_CHARACTERS].split())
    printable = "".join(character if character.isprintable() else "?" for character in line)
    return printable[:REASON_CHARACTERS]
