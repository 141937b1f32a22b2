from __future__ import annotations

import asyncio
import socket
import stat
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import pytest

from evolve.config import ConfigError
from evolve.external.client import Address, announcement, find_server
from evolve.external.gate import Gate, is_loopback
from evolve.external.server import announced, listening, read_or_draw_token, url_of

TOKEN = "0123456789abcdef"


async def hall(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
    assert (await receive())["body"] == b"hello"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def knock(listening_on: str, named: str) -> int:
    """Status of a request that names a host, at the door of a server that listens on another."""
    sent: list[MutableMapping[str, Any]] = []
    headers = [(b"Host", named.encode()), (b"Authorization", f"Bearer {TOKEN}".encode())]
    body = [{"type": "http.request", "body": b"hel", "more_body": True}, {"type": "http.request", "body": b"lo"}]

    async def receive() -> MutableMapping[str, Any]:
        return body.pop(0)

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    gate = Gate(hall, token=TOKEN, host=listening_on)
    asyncio.run(gate({"type": "http", "path": "/status", "headers": headers}, receive, send))
    return int(sent[0]["status"])


@pytest.mark.parametrize(
    ("listening_on", "named", "status"),
    [
        ("127.0.0.1", "127.0.0.1:8000", 200),
        ("127.0.0.1", "LOCALHOST", 200),
        ("127.0.0.1", "[::1]:8000", 200),
        ("127.0.0.1", "192.0.2.7", 421),
        ("127.0.0.1", "", 421),
        ("0.0.0.0", "192.0.2.7:8000", 200),
        ("0.0.0.0", "[2001:db8::1]:8000", 200),
        ("0.0.0.0", socket.gethostname(), 200),
        ("0.0.0.0", "evil.example", 421),
        ("judge.example", "judge.example:80", 200),
        ("judge.example", "judge.example.evil.example", 421),
        ("127.0.0.1", "127.0.0.1:99999", 421),
        ("127.0.0.1", "127.0.0.1:80:80", 421),
        ("127.0.0.1", "localhost:x", 421),
        ("127.0.0.1", "[::1]x", 421),
        ("127.0.0.1", "[::1", 421),
    ],
)
def test_only_requests_that_name_the_server_come_in(listening_on: str, named: str, status: int) -> None:
    assert knock(listening_on, named) == status


def test_loopback_is_known_by_address_and_by_name() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "127.8.8.8", "::1", "localhost")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "192.0.2.7", "judge.example")))


def test_a_token_file_is_made_private_and_kept(tmp_path: Path) -> None:
    file = tmp_path / "token"
    token = read_or_draw_token(str(file))
    assert len(token) > 40
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert read_or_draw_token(str(file)) == token
    assert read_or_draw_token(None) != read_or_draw_token(None)
    for text in ("short", "two words of some length", "x" * 20 + "\x00"):
        file.write_text(text)
        with pytest.raises(ConfigError, match="holds no token"):
            read_or_draw_token(str(file))
    with pytest.raises(ConfigError, match="cannot read a token"):
        read_or_draw_token(str(tmp_path / "no" / "folder"))


def test_a_taken_port_is_said() -> None:
    with listening("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        assert url_of(listener) == f"http://127.0.0.1:{port}"
        with pytest.raises(ConfigError, match=f"port {port}"), listening("127.0.0.1", port):
            pass


def test_a_server_that_is_gone_is_not_found(tmp_path: Path) -> None:
    archive = tmp_path / "a.db"
    file = announcement(archive, 3)
    assert find_server(archive, 3) is None
    with listening("127.0.0.1", 0) as listener:
        url = url_of(listener)
    with announced(file, Address(url=url, token=TOKEN, run="r", pid=1)):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert find_server(archive, 3) is None  # nobody answers there
        file.write_text("{}")
        assert find_server(archive, 3) is None
        file.write_text("\x00")
        assert find_server(archive, 3) is None
    assert not file.exists()
