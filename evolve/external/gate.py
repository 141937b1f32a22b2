"""The door: who may come in, and how much they may carry. Plain ASGI, so that nothing is read before it is checked."""

from __future__ import annotations

import hmac
import ipaddress
import json
import re
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

MAX_BODY_BYTES = 800_000
"""A program of the largest size with every character escaped in JSON, and the rest of a request."""

MAX_DRAINED_BYTES = 20 * MAX_BODY_BYTES

HOST = re.compile(r"(?:\[(?P<literal>[^\[\]]+)\]|(?P<name>[^\[\]:]+))(?::(?P<port>[0-9]{1,5}))?")
"""RFC 9110, section 7.2: a name or an address, that of IPv6 in brackets, and a port if it is not 80."""

OPEN_PATHS = frozenset({"/openapi.json"})
"""What may be read without a token: the description of the interface."""


class Gate:
    """Lets requests through that name this server, carry its token and are not too large.

    A page in a browser can have a name of its own resolve to a loopback address, and so reach servers there; its
    requests then carry that name in the ``Host`` header. Browsers do so by names, never by addresses.

    Args:
        app: what is guarded.
        token: the secret that requests carry as ``Authorization: Bearer TOKEN``.
        host: the name or address that the server was told to listen on.
    """

    def __init__(self, app: App, *, token: str, host: str) -> None:
        self._app = app
        self._token = token.encode()
        self._names = {"localhost", host.lower()} | (set() if is_loopback(host) else {socket.gethostname().lower()})
        self._loopback_only = is_loopback(host)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Pass on or refuse."""
        if scope["type"] != "http":
            return  # neither websockets nor anything else is spoken here
        headers = {name.lower(): value for name, value in scope["headers"]}
        if not self._is_named(headers.get(b"host", b"").decode("latin-1")):
            await refuse(send, 421, "the Host header names another server", "use the address that evolve serve printed")
        elif scope["path"] not in OPEN_PATHS and not self._has_token(headers.get(b"authorization", b"")):
            await refuse(
                send,
                401,
                "no token, or a wrong one",
                "send the header 'Authorization: Bearer TOKEN'; evolve serve printed it",
            )
        elif (body := await _read(receive)) is None:
            await refuse(
                send, 413, f"the request is longer than {MAX_BODY_BYTES} bytes", "a program has at most 100,000 bytes"
            )
        else:
            await self._app(scope, _again(body, receive), send)

    def _has_token(self, given: bytes) -> bool:
        scheme, _, token = given.partition(b" ")
        return scheme.lower() == b"bearer" and hmac.compare_digest(token.strip(b" "), self._token)

    def _is_named(self, header: str) -> bool:
        found = HOST.fullmatch(header.lower())
        if found is None or int(found["port"] or 0) > 65_535:
            return False
        name = found["literal"] or found["name"]
        if name in self._names:
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return address.is_loopback or not self._loopback_only


def is_loopback(host: str) -> bool:
    """Whether a server on this host can be reached from this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


async def refuse(send: Send, status: int, what: str, hint: str) -> None:
    """Answer with an error in the form that all of them have."""
    body = json.dumps({"error": what, "hint": hint}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),  # what is left of the request is not read
    ]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _read(receive: Receive) -> bytes | None:
    """The body; None where it is too long."""
    parts: list[bytes] = []
    size = 0
    while size <= MAX_DRAINED_BYTES:
        message = await receive()
        if message["type"] != "http.request":
            break
        size += len(message.get("body", b""))
        if size <= MAX_BODY_BYTES:
            parts.append(message.get("body", b""))
        else:
            parts.clear()  # the rest is read and dropped: a client that still sends would not see the answer
        if not message.get("more_body", False):
            break
    return b"".join(parts) if size <= MAX_BODY_BYTES else None


def _again(body: bytes, receive: Receive) -> Receive:
    """A channel that gives a body that was read already."""
    given = False

    async def replayed() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replayed
