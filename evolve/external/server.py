"""A server beside the driver's loop: its socket, its thread, its token, and the file by which others find it."""

from __future__ import annotations

import ipaddress
import json
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import uvicorn

from evolve.config import ConfigError
from evolve.external.client import Address
from evolve.external.gate import App, Gate
from evolve.external.patience import PatientProtocol
from evolve.external.private import NotPrivateError, read_private, write_private

TOKEN_BYTES = 32
SHORTEST_TOKEN = 16
START_SECONDS = 20.0
STOP_SECONDS = 10.0
BACKLOG = 64
"""So many connections may be taken at once before one of them is looked at."""


def read_or_draw_token(file: str | None) -> str:
    """The token in a file, which is made with a random one if there is none; a random one without a file.

    Raises:
        ConfigError: the file cannot be used.
    """
    if file is None:
        return secrets.token_urlsafe(TOKEN_BYTES)
    path = Path(file)
    try:
        if not path.exists():
            write_private(path, secrets.token_urlsafe(TOKEN_BYTES) + "\n")
        token = read_private(path).strip()
    except NotPrivateError as error:
        raise ConfigError(
            f"{error}; whoever has its token can hand programs in\n"
            "hint: give --token-file a regular file of yours with mode 600 (chmod 600 FILE)"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read a token from {file}: {error}\nhint: check --token-file") from error
    if len(token) < SHORTEST_TOKEN or not token.isprintable() or " " in token:
        raise ConfigError(
            f"{file} holds no token of at least {SHORTEST_TOKEN} characters without blanks\n"
            "hint: remove the file, and one is drawn"
        )
    return token


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """A socket on this host and port (0: any that is free).

    Raises:
        ConfigError: it cannot be had.
    """
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise ConfigError(f"cannot listen on {host}: {error.strerror}\nhint: check --host") from error
    with listener:
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(place)
            listener.listen(BACKLOG)
        except OSError as error:
            raise ConfigError(
                f"cannot listen on {host} port {port}: {error.strerror}\nhint: give another --port, or 0 for a free one"
            ) from error
        yield listener


def url_of(listener: socket.socket) -> str:
    """Where a client on this machine finds the server."""
    host, port = listener.getsockname()[:2]
    place = ipaddress.ip_address(host.partition("%")[0])
    if place.is_unspecified:  # it listens everywhere
        host = "::1" if place.version == 6 else "127.0.0.1"
    return f"http://[{host}]:{port}" if place.version == 6 else f"http://{host}:{port}"


@contextmanager
def serving(app: App, listener: socket.socket, *, token: str, host: str) -> Iterator[None]:
    """Serve in a thread for as long as the block lasts.

    Raises:
        RuntimeError: the server does not start.
    """
    config = uvicorn.Config(
        Gate(app, token=token, host=host),
        http=PatientProtocol,
        backlog=BACKLOG,
        log_level="error",  # lesser messages are written whenever a stranger sends nonsense
        access_log=False,
        lifespan="off",
        ws="none",
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=int(STOP_SECONDS / 2),
    )
    server = uvicorn.Server(config)
    thread = Thread(target=server.run, args=([listener],), name="evolve-serve", daemon=True)
    thread.start()
    deadline = time.monotonic() + START_SECONDS
    while not server.started:
        if not thread.is_alive() or time.monotonic() > deadline:
            raise RuntimeError("the HTTP server did not start")
        time.sleep(0.01)
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(STOP_SECONDS)


@contextmanager
def announced(path: Path, address: Address) -> Iterator[None]:
    """Let others find the server by a file that only its owner may read, for as long as the block lasts."""
    write_private(path, json.dumps(address.as_json()) + "\n")
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
