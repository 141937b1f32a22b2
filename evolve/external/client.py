"""Finding a server that runs on this machine, and talking to it. Standard library only."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

from db.locks import is_driven
from evolve.external.private import NotPrivateError, read_private

PING_SECONDS = 10.0
SLACK_SECONDS = 60.0
MAX_ANSWER_BYTES = 50_000_000


class Unreachable(Exception):  # noqa: N818 - a state of affairs, which callers turn into their own error
    """No server answers there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a run is served.

    Args:
        url: of the server, without a slash at the end.
        token: what requests carry.
        run: name of the run.
        pid: the server's process.
    """

    url: str
    token: str
    run: str
    pid: int

    def as_json(self) -> dict[str, Any]:
        """As it stands in the file."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a server answered."""

    status: int
    body: Any

    @property
    def is_fault(self) -> bool:
        """Whether the request was refused."""
        return self.status >= HTTPStatus.BAD_REQUEST


def announcement(archive: Path, run_id: int) -> Path:
    """The file that says where a run of an archive is served."""
    return archive.with_name(f"{archive.name}.serve-{run_id}.json")


def find_server(archive: Path, run_id: int, warn: Callable[[str], None] = lambda _: None) -> Address | None:
    """The server of a run, if one answers; a file that a killed server left behind does not count.

    The token goes only where this user's own file says, to this machine, and only while that server drives the run:
    a file from somebody else, or a port that is somebody else's by now, would give it away.

    Args:
        archive: the archive's file.
        run_id: the run, which this process does not drive.
        warn: is told why an announcement is not believed.
    """
    file = announcement(archive, run_id)
    try:
        address = _announced(read_private(file))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, NotPrivateError) as error:
        warn(f"{file} is ignored: {error}")
        return None
    if not is_driven(archive, run_id, by=address.pid):
        return None
    try:
        answer = call(address, "GET", "/status", timeout_seconds=PING_SECONDS)
    except Unreachable:
        return None
    is_it = isinstance(answer.body, dict) and answer.body.get("run") == address.run
    return address if is_it and answer.status == HTTPStatus.OK else None


def call(
    address: Address, method: str, path: str, document: Mapping[str, Any] | None = None, *, timeout_seconds: float
) -> Answer:
    """Send a request and read the answer, refusals too; redirections are not followed.

    Raises:
        Unreachable: nobody answers, or not in time, or not in JSON.
    """
    try:
        request = Request(  # noqa: S310 - who reads an announcement checks the scheme
            f"{address.url}{path}",
            method=method,
            data=None if document is None else json.dumps(document).encode(),
            headers={"Authorization": f"Bearer {address.token}", "Content-Type": "application/json"},
        )
        # A proxy has no business between two processes of one machine.
        opener = build_opener(ProxyHandler({}), _NoRedirection())
        try:
            with opener.open(request, timeout=timeout_seconds) as reply:
                return _answer(reply.status, reply.read(MAX_ANSWER_BYTES))
        except HTTPError as fault:
            with fault:
                return _answer(fault.code, fault.read(MAX_ANSWER_BYTES))
    except (OSError, HTTPException, ValueError, RecursionError) as error:
        raise Unreachable(f"{address.url} does not answer: {error}") from error


class _NoRedirection(HTTPRedirectHandler):
    """The token must not go anywhere else."""

    def redirect_request(self, *_: Any) -> None:
        """Follow nothing."""


def _answer(status: int, body: bytes) -> Answer:
    document = json.loads(body)
    is_redirection = HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST
    if is_redirection or not isinstance(document, dict | list):
        raise ValueError(f"status {status} without an answer of evolve serve")
    return Answer(status=status, body=document)


def _announced(text: str) -> Address:
    """What an announcement says.

    Raises:
        ValueError: it is none, or names another machine.
    """
    document = json.loads(text)
    try:
        address = Address(**document)
    except TypeError as error:
        raise ValueError("it is no announcement of a server") from error
    parts = (address.url, address.token, address.run)
    if not all(isinstance(part, str) for part in parts) or type(address.pid) is not int:
        raise ValueError("it is no announcement of a server")
    place = urlsplit(address.url)
    if place.scheme != "http" or place.username is not None or place.path or place.query or place.fragment:
        raise ValueError("its URL is not of the form http://HOST:PORT")
    if place.hostname is None or not _is_here(place.hostname):
        raise ValueError("its URL names another machine")
    return address


def _is_here(host: str) -> bool:
    """Whether a host is given as an address of this machine: only such can be bound."""
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(
            host, 0, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.bind(place)
    except OSError:
        return False
    return True
