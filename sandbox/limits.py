"""Values that say what running an untrusted program means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

MIB = 1 << 20


class SandboxError(RuntimeError):
    """The sandbox itself failed (no zygote, no fork); never the fault of the program inside."""


class Ending(StrEnum):
    """How one request to a guest program ended."""

    REPLIED = "replied"
    RAISED = "raised"
    EXITED = "exited"
    SIGNALLED = "signalled"
    TIMEOUT = "timeout"
    OUT_OF_MEMORY = "out_of_memory"
    VIOLATION = "violation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one guest program may use.

    Args:
        memory_bytes: address space of the guest process, and of each that it starts (``RLIMIT_AS``); with a
            control group also, but for a margin, what all of them and the scratch folder together may fill.
        load_seconds: wall time for importing the program, before its first call.
        file_bytes: size of the largest file that it may write (``RLIMIT_FSIZE``) in its scratch folder.
        reply_bytes: size of the largest reply; a longer one is a violation.
        log_bytes: how much of its standard output and error is kept; the rest is dropped.
        processes: how many further processes it may start; 0 forbids fork.
        threads: how many threads the program and its numerical libraries may use. 1, with no processes, means
            that none can be started, so that nothing computes while nobody waits for it; more can go on working
            between two calls. A sandbox that is opened with another number than before starts anew.
    """

    memory_bytes: int = 2048 * MIB
    load_seconds: float = 10.0
    file_bytes: int = 16 * MIB
    reply_bytes: int = 16 * MIB
    log_bytes: int = 64 * 1024
    processes: int = 0
    threads: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Buffer:
    """An array on the wire: raw bytes in C order with a declared type and shape.

    Args:
        dtype: array-interface type string such as ``"<f4"`` or ``"<i4"``.
        shape: length of every axis.
        data: the bytes, ``prod(shape)`` items of ``dtype``.
    """

    dtype: str
    shape: tuple[int, ...]
    data: bytes | bytearray | memoryview


Json = None | bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"]
Value = Json | Buffer | Sequence[Json | Buffer]


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """What came of one request to a guest program.

    Args:
        ending: how it ended; ``value`` is meaningful only for ``Ending.REPLIED``.
        value: the reply, exactly as the guest sent it and therefore not to be trusted.
        seconds: wall time between request and reply by the *caller's* clock.
        reason: why it did not reply, in one line; may quote the guest, truncated.
        log: what the guest printed, truncated; only filled in when the session is over.
    """

    ending: Ending
    value: Value = None
    seconds: float = 0.0
    reason: str = ""
    log: str = field(default="", repr=False)
