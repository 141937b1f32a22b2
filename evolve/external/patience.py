"""How many connections are kept, and for how long without a request: strangers must not use up the open files."""

from __future__ import annotations

import asyncio
import resource

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

MAX_CONNECTIONS = 128
READ_SECONDS = 30.0
"""How long the head and the body of a request may take, and the last bytes of an answer to be fetched."""

MAX_FILES = 65_536


class PatientProtocol(H11Protocol):
    """HTTP/1.1 that waits for a request only so long.

    With too many connections, the one that has kept us waiting longest for its request makes room for the next; where
    all have sent theirs, the new one is closed. So silent connections keep nobody out who has something to say.
    """

    max_connections = MAX_CONNECTIONS
    read_seconds = READ_SECONDS

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A connection was opened."""
        super().connection_made(transport)
        self._expect_request()
        if len(self.connections) > self.max_connections:
            kept = [one for one in self.connections if isinstance(one, PatientProtocol) and one is not self]
            silent = min(filter(None, (one.deadline for one in kept)), key=asyncio.TimerHandle.when, default=None)
            if silent is None:
                transport.abort()
            else:
                self._give_up(next(one for one in kept if one.deadline is silent))

    def data_received(self, data: bytes) -> None:
        """A part of a request came."""
        try:
            super().data_received(data)
        except h11.LocalProtocolError:  # nonsense while an answer is under way: not worth a traceback in the log
            self.transport.abort()
        if self._is_answering():
            self._forget_deadline()

    def on_response_complete(self) -> None:
        """An answer was written; the next request may be here already."""
        super().on_response_complete()
        if not self._is_answering():
            self._expect_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is closed."""
        self._forget_deadline()
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    @property
    def deadline(self) -> asyncio.TimerHandle | None:
        """When the connection is closed unless a whole request comes; None while one is answered."""
        return self._deadline

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.more_body and not self.cycle.response_complete

    def _expect_request(self) -> None:
        self._forget_deadline()
        self._deadline = self.loop.call_later(self.read_seconds, self.transport.abort)

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    @staticmethod
    def _give_up(other: PatientProtocol) -> None:
        other._forget_deadline()
        other.connections.discard(other)
        other.transport.abort()


def raise_file_limit() -> None:
    """Let this process open as many files as it may, within reason: connections and sandboxes share them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
