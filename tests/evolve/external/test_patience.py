"""Connections that say nothing, on real sockets."""

from __future__ import annotations

import resource
import socket
import subprocess
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

import pytest

from evolve.external.client import Address, call
from evolve.external.patience import MAX_CONNECTIONS, PatientProtocol
from evolve.external.server import listening, serving, url_of

TOKEN = "0123456789abcdef"
HEAD = f"GET /status HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: bearer {TOKEN}\r\n"


async def hall(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
    assert (await receive())["type"] == "http.request"
    body = b'{"here": true}'
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
def address() -> Iterator[Address]:
    with listening("127.0.0.1", 0) as listener, serving(hall, listener, token=TOKEN, host="127.0.0.1"):
        yield Address(url=url_of(listener), token=TOKEN, run="r", pid=0)


def dial(address: Address) -> socket.socket:
    place = urlsplit(address.url)
    return socket.create_connection((str(place.hostname), int(place.port or 0)), timeout=60)


def is_closed(line: socket.socket) -> bool:
    try:
        return line.recv(1) == b""
    except ConnectionError:
        return True


def test_silent_connections_keep_nobody_out(address: Address) -> None:
    with ExitStack() as stack:
        lines = [stack.enter_context(dial(address)) for _ in range(2 * MAX_CONNECTIONS)]
        assert call(address, "GET", "/status", timeout_seconds=60).body == {"here": True}
        for line in lines[:MAX_CONNECTIONS]:
            assert is_closed(line)
        lines[-1].sendall(f"{HEAD}\r\n".encode())
        assert lines[-1].recv(12) == b"HTTP/1.1 200"


@pytest.mark.parametrize(
    "begun",
    [
        "",
        "GET /sta",
        HEAD,
        f"{HEAD}Content-Length: 10\r\n\r\n12345",
        f"{HEAD}\r\n{HEAD}",  # a whole one and half of the next
        f"{HEAD}\r\n",
    ],
)
def test_half_a_request_is_not_waited_for(address: Address, begun: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PatientProtocol, "read_seconds", 0.3)
    with dial(address) as line:
        line.sendall(begun.encode())
        received = b""
        try:
            while part := line.recv(4096):
                received += part
        except ConnectionError:
            pass
        # Closed without an end of ours; a whole request was answered first.
        assert received.count(b"HTTP/1.1 200") == (1 if f"{HEAD}\r\n" in begun else 0)


def test_nonsense_writes_nothing_into_the_log(address: Address, capfd: pytest.CaptureFixture[str]) -> None:
    for text in (
        b"\x1b[31mred\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: \x1b]0;x\x07\r\n\r\n",
        f"{HEAD}\r\n\x00\x00".encode(),
    ):
        with dial(address) as line:
            line.sendall(text)
            line.shutdown(socket.SHUT_WR)
            while line.recv(4096):
                pass
    assert capfd.readouterr() == ("", "")


def test_the_limit_of_open_files_is_raised_as_far_as_it_may() -> None:
    code = (
        "import resource as r; from evolve.external.patience import raise_file_limit as f;"
        "r.setrlimit(r.RLIMIT_NOFILE, (64, 200)); f(); print(*r.getrlimit(r.RLIMIT_NOFILE))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["200", "200"]
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[1] != 200
