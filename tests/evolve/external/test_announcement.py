"""Whom the client gives the token: real files, real locks, real servers."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from db.locks import driver_lock, is_driven
from evolve.config import ConfigError
from evolve.external.client import Address, Unreachable, announcement, call, find_server
from evolve.external.private import write_private
from evolve.external.server import read_or_draw_token

RUN_ID = 3
TOKEN = "0123456789abcdef"

DRIVER = """
import sys
from pathlib import Path
from db.locks import driver_lock
with driver_lock(Path(sys.argv[1]), int(sys.argv[2])):
    print("held", flush=True)
    sys.stdin.read()
"""


class Listener(ThreadingHTTPServer):
    """Answers as a server of the run would, or sends elsewhere; notes what it was told."""

    daemon_threads = True
    seen: list[str]
    body: bytes
    status: int


class Answers(BaseHTTPRequestHandler):
    server: Listener

    def do_GET(self) -> None:
        self.server.seen.append(f"{self.path} {self.headers['Authorization']}")
        self.send_response(self.server.status)
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *_: object) -> None:
        """Nothing on the terminal."""


@pytest.fixture
def listener() -> Iterator[Listener]:
    with Listener(("127.0.0.1", 0), Answers) as server:
        server.seen, server.body, server.status = [], b'{"run": "r"}', 200
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return tmp_path / "a.db"


@pytest.fixture
def driver(archive: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that drives the run."""
    process = subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(archive), str(RUN_ID)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.communicate(timeout=60)


def address_of(listener: Listener, pid: int, host: str = "127.0.0.1") -> Address:
    return Address(url=f"http://{host}:{listener.server_port}", token=TOKEN, run="r", pid=pid)


def write(archive: Path, address: Address) -> Path:
    file = announcement(archive, RUN_ID)
    write_private(file, json.dumps(address.as_json()))
    return file


def test_the_server_that_drives_the_run_is_found(
    archive: Path, driver: subprocess.Popen[str], listener: Listener
) -> None:
    address = address_of(listener, driver.pid)
    write(archive, address)
    assert find_server(archive, RUN_ID) == address
    assert listener.seen == [f"/status Bearer {TOKEN}"]
    listener.body = b"[]"
    assert find_server(archive, RUN_ID) is None


@pytest.mark.parametrize("fault", ["readable", "link", "pipe", "folder"])
def test_a_file_that_others_may_have_written_is_ignored(
    archive: Path, driver: subprocess.Popen[str], listener: Listener, fault: str
) -> None:
    file = write(archive, address_of(listener, driver.pid))
    if fault == "readable":
        file.chmod(0o620)
    elif fault == "link":
        file.rename(archive.with_name("other"))
        file.symlink_to(archive.with_name("other"))
    else:
        file.unlink()
        (os.mkfifo if fault == "pipe" else os.mkdir)(file)
    warnings: list[str] = []
    assert find_server(archive, RUN_ID, warnings.append) is None
    assert len(warnings) == 1
    assert f"{file} is ignored" in warnings[0]
    assert listener.seen == []


def test_a_file_of_another_user_is_ignored(
    archive: Path, driver: subprocess.Popen[str], listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(archive, address_of(listener, driver.pid))
    monkeypatch.setattr(os, "geteuid", lambda: 4_000_000)
    warnings: list[str] = []
    assert find_server(archive, RUN_ID, warnings.append) is None
    assert "belongs to another user" in warnings[0]
    assert listener.seen == []


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1:{port}",
        "file:///etc/passwd",
        "http://192.0.2.7:{port}",
        "http://evil.example:{port}",
        "http://127.0.0.1@192.0.2.7:{port}",
        "http://127.0.0.1:{port}/path",
    ],
)
def test_the_token_stays_on_this_machine(
    archive: Path, driver: subprocess.Popen[str], listener: Listener, url: str
) -> None:
    place = url.format(port=listener.server_port)
    write(archive, Address(url=place, token=TOKEN, run="r", pid=driver.pid))
    warnings: list[str] = []
    assert find_server(archive, RUN_ID, warnings.append) is None
    assert "its URL" in warnings[0]
    assert listener.seen == []


def test_a_file_that_outlived_its_server_gives_nothing_away(
    archive: Path, driver: subprocess.Popen[str], listener: Listener
) -> None:
    write(archive, address_of(listener, driver.pid + 1))  # another process drives the run now
    assert find_server(archive, RUN_ID) is None
    write(archive, address_of(listener, driver.pid))
    driver.communicate(timeout=60)  # and now nobody does
    assert find_server(archive, RUN_ID) is None
    assert listener.seen == []


def test_whether_a_run_is_driven(archive: Path, driver: subprocess.Popen[str]) -> None:
    assert is_driven(archive, RUN_ID)
    assert is_driven(archive, RUN_ID, by=driver.pid)
    assert not is_driven(archive, RUN_ID, by=driver.pid + 1)
    assert not is_driven(archive, RUN_ID + 1)
    assert not is_driven(archive.with_name("none.db"), RUN_ID)
    driver.communicate(timeout=60)
    assert not is_driven(archive, RUN_ID)
    with driver_lock(archive, RUN_ID):
        pass  # to have asked took nothing


def test_redirections_are_not_followed(listener: Listener) -> None:
    listener.status = 302
    with pytest.raises(Unreachable, match="does not answer"):
        call(address_of(listener, 0), "GET", "/status", timeout_seconds=60)
    assert listener.seen == [f"/status Bearer {TOKEN}"]


def test_what_is_no_http_is_nobody() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            with server.accept()[0] as line:
                line.recv(4096)
                line.sendall(b"\x1b[31mhello\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        address = Address(url=f"http://127.0.0.1:{server.getsockname()[1]}", token=TOKEN, run="r", pid=0)
        with pytest.raises(Unreachable):
            call(address, "GET", "/status", timeout_seconds=60)
        thread.join()


def test_a_token_that_others_could_read_is_not_used(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN)
    file.chmod(0o640)
    with pytest.raises(ConfigError, match=r"mode 640[\s\S]*hint: .*chmod 600"):
        read_or_draw_token(str(file))
    file.chmod(0o600)
    assert read_or_draw_token(str(file)) == TOKEN
    (tmp_path / "link").symlink_to(file)
    with pytest.raises(ConfigError, match="symbolic link"):
        read_or_draw_token(str(tmp_path / "link"))
