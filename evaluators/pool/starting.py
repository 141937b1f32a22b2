"""Starts a quiet Ray of our own on this machine."""

from __future__ import annotations

import functools
import logging
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import ray

from evaluators.tasks import PoolError

_SECRET = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD|CREDENTIALS)$")


def start_ray(cpus: int, gpus: int, home: Path) -> None:
    """Start a quiet Ray of our own: no dashboard, no telemetry, its node on loopback, its token in a private home.

    Some of Ray's own ports still listen on every interface; the token is what keeps others out.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Workers that were given no GPU see none, rather than all of them.
    os.environ["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = "1"
    token = home / "auth_token"
    token.touch(mode=0o600)
    token.write_text(_process_token(), encoding="ascii")
    os.environ["RAY_AUTH_TOKEN_PATH"] = str(token)
    logging.getLogger("ray").setLevel(logging.ERROR)
    try:
        with _without_secrets():
            ray.init(
                address="local",
                num_cpus=cpus,
                num_gpus=gpus,
                include_dashboard=False,
                logging_level="ERROR",
                log_to_driver=False,
                configure_logging=False,
                _node_ip_address="127.0.0.1",
            )
    except Exception as error:
        raise PoolError(
            f"Ray does not start: {root_cause(error)}\nhint: try --pool serial, or evolve doctor"
        ) from error


@contextmanager
def _without_secrets() -> Iterator[None]:
    """Take keys out of the environment while processes are started that inherit it: workers have no use for them."""
    taken = {name: os.environ.pop(name) for name in list(os.environ) if _SECRET.search(name)}
    try:
        yield
    finally:
        os.environ.update(taken)


@functools.cache
def _process_token() -> str:
    """The secret that lets processes join our Ray; drawn once, because Ray's core keeps the first it reads."""
    return secrets.token_hex(32)


def root_cause(error: BaseException) -> str:
    """The last line of what lies behind an error of Ray's, with its type."""
    cause = getattr(error, "cause", None) or error
    lines = [line for line in str(cause).splitlines() if line.strip()]
    return f"{type(cause).__name__}: {lines[-1].strip() if lines else ''}"
