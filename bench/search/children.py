"""Starts child processes in groups of their own, and ends those groups and nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

GRACE_SECONDS = 5.0
START_SECONDS = 120.0


class ChildError(RuntimeError):
    """A child did not do what it is there for; the message says what and shows the end of what it printed."""


def run(command: Sequence[str], *, log: Path, seconds: float, environment: Mapping[str, str]) -> None:
    """Run a command to its end.

    Raises:
        ChildError: it fails or takes too long; then its whole group is ended.
    """
    with child(command, log=log, environment=environment) as process:
        try:
            status = process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise ChildError(f"took more than {seconds:.0f} s: {tail(log)}") from None
    if status:
        raise ChildError(f"ended with status {status}: {tail(log)}")


@contextmanager
def child(
    command: Sequence[str], *, log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A process for as long as the block lasts; its group is ended with it."""
    with log.open("ab") as file:
        process = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env=None if environment is None else dict(environment),
            start_new_session=True,
        )
    try:
        yield process
    finally:
        end(process)


@contextmanager
def server(command: Sequence[str], *, folder: Path, name: str) -> Iterator[str]:
    """A server that writes its port to ``--port-file``; gives its address."""
    port_file, log = folder / f"{name}.port", folder / f"{name}.log"
    with child([*command, "--port-file", str(port_file)], log=log) as process:
        until = time.monotonic() + START_SECONDS
        while not port_file.exists() or not port_file.read_text(encoding="utf-8").endswith("\n"):
            if process.poll() is not None or time.monotonic() > until:
                raise ChildError(f"the {name} did not start: {tail(log)}")
            time.sleep(0.02)
        yield f"http://127.0.0.1:{port_file.read_text(encoding='utf-8').strip()}"


def end(process: subprocess.Popen[bytes]) -> None:
    """Ask a process's group to end, and kill what is left of it."""
    for kind, patience in ((signal.SIGTERM, GRACE_SECONDS), (signal.SIGKILL, GRACE_SECONDS)):
        try:
            os.killpg(process.pid, kind)
        except ProcessLookupError:
            break
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            continue
    process.poll()


def tail(log: Path, characters: int = 600) -> str:
    """The end of what a child printed, on one line."""
    text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    return " | ".join(line.strip() for line in text[-characters:].splitlines() if line.strip()) or "it printed nothing"
