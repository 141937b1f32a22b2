"""Finding a server that runs on this machine, and talking to it. Standard library only."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, Request, build_opener

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


def find_server(archive: Path, run_id: int) -> Address | None:
    """The server of a run, if one answers; a file that a killed server left behind does not count."""
    try:
        document = json.loads(announcement(archive, run_id).read_text(encoding="ascii"))
        address = Address(**document)
        answer = call(address, "GET", "/status", timeout_seconds=PING_SECONDS)
    except (OSError, ValueError, TypeError, Unreachable):
        return None
    # Its port may be somebody else's by now.
    return address if answer.status == HTTPStatus.OK and answer.body.get("run") == address.run else None


def call(
    address: Address, method: str, path: str, document: Mapping[str, Any] | None = None, *, timeout_seconds: float
) -> Answer:
    """Send a request and read the answer, refusals too.

    Raises:
        Unreachable: nobody answers, or not in time, or not in JSON.
    """
    request = Request(  # noqa: S310 - the scheme is that of the announcement, which is ours
        f"{address.url}{path}",
        method=method,
        data=None if document is None else json.dumps(document).encode(),
        headers={"Authorization": f"Bearer {address.token}", "Content-Type": "application/json"},
    )
    opener = build_opener(ProxyHandler({}))  # a proxy has no business between two processes of one machine
    try:
        try:
            with opener.open(request, timeout=timeout_seconds) as reply:
                return Answer(status=reply.status, body=json.loads(reply.read(MAX_ANSWER_BYTES)))
        except HTTPError as fault:
            with fault:
                return Answer(status=fault.code, body=json.loads(fault.read(MAX_ANSWER_BYTES)))
    except (URLError, OSError, ValueError) as error:
        raise Unreachable(f"{address.url} does not answer: {error}") from error
