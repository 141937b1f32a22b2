"""Frames between the caller and a guest: a JSON header and raw array bytes, never a pickle.

A frame is a fixed prefix (magic, header length, payload length), a UTF-8 JSON object and the payload. The
header's ``arrays`` entry lists type and shape of the arrays whose bytes make up the payload; each starts on
a multiple of 64 bytes of the payload. Whatever comes from a guest passes `decode`, so that a `Buffer`
handed on is always well formed, though its contents are the guest's word.
"""

from __future__ import annotations

import json
import math
import re
import socket
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from select import POLLIN, POLLOUT

from sandbox.limits import Buffer

ALIGNMENT = 64
MAX_AXES = 32
MAX_ARRAY_BYTES = 1 << 47
MAX_DESCRIPTORS = 4
MAX_ANNOUNCED_ARRAYS = 4096
PREFIX = struct.Struct("<4sIQ")
MAGIC = b"sbx1"
CREDENTIALS = struct.Struct("3i")  # struct ucred: process, user, group
RECEIVE_BYTES = 1 << 20
DTYPE = re.compile(r"[<|=](?:[biu]1|[iuf]2|[iuf]4|[iuf]8)")

Wait = Callable[[int], None]


class WireError(ValueError):
    """A frame that is not well formed, or larger than agreed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A decoded frame: the header without its ``arrays`` entry, and the arrays."""

    header: Mapping[str, object]
    arrays: tuple[Buffer, ...]


def item_bytes(dtype: str) -> int:
    """Size of one item of a plain numeric type.

    Raises:
        WireError: the type is not a plain number of 1, 2, 4 or 8 bytes in little-endian order.
    """
    if not isinstance(dtype, str) or not DTYPE.fullmatch(dtype):
        raise WireError(f"array type {str(dtype)[:40]!r} is not a plain number such as '<f4' or '|b1'")
    return int(dtype[-1])


def array_bytes(dtype: str, shape: Sequence[int]) -> int:
    """Size of an array of a declared type and shape.

    Raises:
        WireError: type or shape is not acceptable.
    """
    if len(shape) > MAX_AXES or not all(type(length) is int and length >= 0 for length in shape):
        raise WireError(f"array shape {str(shape)[:80]} is not a list of at most {MAX_AXES} lengths")
    size = item_bytes(dtype)
    if size * math.prod(max(length, 1) for length in shape) > MAX_ARRAY_BYTES:
        raise WireError(f"array shape {str(shape)[:80]} is too large")
    return size * math.prod(shape)


def encode(
    header: Mapping[str, object],
    arrays: Sequence[Buffer] = (),
    *,
    default: Callable[[object], object] | None = None,
) -> list[bytes | memoryview]:
    """Build a frame as a list of pieces to be sent in this order.

    Args:
        header: a JSON object.
        arrays: what makes up the payload.
        default: turns an object of the header that JSON does not know into one that it does.

    Raises:
        WireError: a buffer's bytes do not fit its type and shape.
        TypeError, ValueError: the header is not JSON.
    """
    described = [[array.dtype, list(array.shape)] for array in arrays]
    text = json.dumps({**header, "arrays": described}, separators=(",", ":"), default=default).encode()
    pieces: list[bytes | memoryview] = []
    total = 0
    for array in arrays:
        data = memoryview(array.data).cast("B")
        expected = array_bytes(array.dtype, array.shape)
        if data.nbytes != expected:
            raise WireError(f"a {array.dtype} array of shape {array.shape} takes {expected} bytes, not {data.nbytes}")
        padding = -data.nbytes % ALIGNMENT
        pieces += [data, bytes(padding)]
        total += data.nbytes + padding
    return [PREFIX.pack(MAGIC, len(text), total) + text, *pieces]


def lengths(prefix: bytes | bytearray, most_bytes: int) -> tuple[int, int]:
    """Read a frame's prefix: length of header and of payload.

    Raises:
        WireError: no such frame is spoken here, or it is larger than ``most_bytes``.
    """
    magic, header_bytes, payload_bytes = PREFIX.unpack(prefix)
    if magic != MAGIC:
        raise WireError("malformed frame: wrong magic")
    if header_bytes + payload_bytes > most_bytes:
        raise WireError(f"oversize frame: {header_bytes + payload_bytes} bytes where {most_bytes} are allowed")
    return header_bytes, payload_bytes


def decode(text: bytes | bytearray, payload: memoryview) -> Frame:
    """Check a frame's header and cut its payload into arrays; the buffers are views of ``payload``.

    Raises:
        WireError: any part is not well formed.
    """
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise WireError(f"malformed frame: header is not JSON ({type(error).__name__})") from error
    if not isinstance(header, dict):
        raise WireError("malformed frame: header is not an object")
    described = header.pop("arrays", None)
    if not isinstance(described, list) or len(described) > MAX_ANNOUNCED_ARRAYS:
        raise WireError("malformed frame: no list of arrays")
    arrays = []
    offset = 0
    for entry in described:
        if not (isinstance(entry, list) and len(entry) == 2 and isinstance(entry[1], list)):
            raise WireError("malformed frame: an array needs a type and a shape")
        size = array_bytes(entry[0], entry[1])
        data = payload[offset : offset + size]
        if data.nbytes != size:
            raise WireError("malformed frame: payload is shorter than its arrays")
        if entry[0][1] == "b" and bytes(data).strip(b"\0\1"):
            raise WireError("malformed frame: a boolean array holds bytes other than 0 and 1")
        arrays.append(Buffer(dtype=entry[0], shape=tuple(entry[1]), data=data))
        offset += size + -size % ALIGNMENT
    if offset != payload.nbytes:
        raise WireError("malformed frame: payload is longer than its arrays")
    return Frame(header=header, arrays=tuple(arrays))


class Channel:
    """One end of a stream socket that speaks frames.

    Args:
        stream: the socket; non-blocking if and only if a ``wait`` is given to `send` and `receive`.
        accept_descriptors: take in descriptors; only where the sender is trusted.
        one_sender: take bytes from one process alone, the first to send any; the kernel tells who sent them
            (``SCM_CREDENTIALS``), so that whatever else holds the other end cannot speak for it.
    """

    def __init__(self, stream: socket.socket, *, accept_descriptors: bool = False, one_sender: bool = False) -> None:
        self._stream = stream
        self._accept_descriptors = accept_descriptors
        self._one_sender = one_sender
        self._sender: int | None = None
        if one_sender:
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.descriptors: list[int] = []

    @property
    def sender(self) -> int | None:
        """Process that speaks here, where only one may; None before it has said anything."""
        return self._sender

    def fileno(self) -> int:
        """Descriptor of the socket."""
        return self._stream.fileno()

    def close(self) -> None:
        """Close the socket."""
        self._stream.close()

    def send(self, pieces: Sequence[bytes | memoryview], wait: Wait | None = None) -> None:
        """Send the pieces of a frame; ``wait(POLLOUT)`` is called whenever the socket is full."""
        for piece in pieces:
            rest = memoryview(piece)
            while rest.nbytes:
                try:
                    rest = rest[self._stream.send(rest, socket.MSG_NOSIGNAL) :]
                except BlockingIOError:
                    if wait is None:
                        raise
                    wait(POLLOUT)

    def send_descriptors(self, pieces: Sequence[bytes | memoryview], descriptors: Sequence[int]) -> None:
        """Send a frame and hand over descriptors with its first byte."""
        data = b"".join(pieces)
        socket.send_fds(self._stream, [data[:1]], descriptors, socket.MSG_NOSIGNAL)
        self.send([data[1:]])

    def receive(self, most_bytes: int, wait: Wait | None = None, most_header_bytes: int | None = None) -> Frame:
        """Receive one frame; ``wait(POLLIN)`` is called whenever the socket is empty.

        Descriptors that came along are appended to `descriptors`.

        Raises:
            WireError: the frame is malformed or larger than ``most_bytes``, or its header than ``most_header_bytes``.
            EOFError: the other end is closed.
        """
        prefix = bytearray(PREFIX.size)
        self._fill(prefix, wait)
        header_bytes, payload_bytes = lengths(prefix, most_bytes)
        if most_header_bytes is not None and header_bytes > most_header_bytes:
            raise WireError(f"oversize frame: a header of {header_bytes} bytes where {most_header_bytes} are allowed")
        text = bytearray(header_bytes)
        self._fill(text, wait)
        payload = bytearray(payload_bytes)  # an allocation of its own, so that array items are aligned
        self._fill(payload, wait)
        return decode(text, memoryview(payload).toreadonly())

    def _fill(self, buffer: bytearray, wait: Wait | None) -> None:
        target = memoryview(buffer)
        while target.nbytes:
            try:
                count = self._receive_some(target)
            except BlockingIOError:
                if wait is None:
                    raise
                wait(POLLIN)
                continue
            if not count:
                raise EOFError("the other end is closed")
            target = target[count:]

    def _receive_some(self, target: memoryview) -> int:
        if self._one_sender:
            return self._receive_of_one(target)
        if not self._accept_descriptors:
            return self._stream.recv_into(target, min(target.nbytes, RECEIVE_BYTES))
        data, descriptors, _, _ = socket.recv_fds(self._stream, target.nbytes, MAX_DESCRIPTORS)
        self.descriptors += descriptors
        target[: len(data)] = data
        return len(data)

    def _receive_of_one(self, target: memoryview) -> int:
        part = target[:RECEIVE_BYTES]
        count, ancillary, _, _ = self._stream.recvmsg_into([part], socket.CMSG_SPACE(CREDENTIALS.size))
        if not count:
            return 0
        pids = [CREDENTIALS.unpack(data)[0] for _, kind, data in ancillary if kind == socket.SCM_CREDENTIALS]
        if self._sender is None and pids:
            self._sender = pids[0]
        if pids != [self._sender]:
            raise WireError("bytes from another process than the guest itself")
        return count
