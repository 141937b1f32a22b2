"""The trivial problem with limits that let a program start processes and threads: there is more to contain."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from evaluators.registry import load_problem

MIB = 1 << 20
CALL_SECONDS = 0.25


TRIVIAL: Any = type(load_problem(str(Path(__file__).parents[1] / "trivial")))


class _Hurried:
    """A guest whose calls have less time, so that programs that hang do not hold up the benchmark."""

    def __init__(self, guest: Any) -> None:
        self._guest = guest

    def call(self, arguments: Any, timeout_seconds: float, expected: Any) -> Any:
        return self._guest.call(arguments, CALL_SECONDS, expected)


class Hostile(TRIVIAL):  # type: ignore[misc]
    """Return a constant near one half; up to eight processes and four threads may help."""

    declaration = dataclasses.replace(
        TRIVIAL.declaration,
        name="hostile",
        limits=dataclasses.replace(
            TRIVIAL.declaration.limits, processes=8, threads=4, memory_bytes=512 * MIB, load_seconds=1.0
        ),
    )

    def play(self, workload: Any, guest: Any) -> Any:
        return super().play(workload, _Hurried(guest))


def make_problem(workload: str) -> Hostile:
    """``workload`` is a number of workloads; anything else means one."""
    return Hostile(int(workload) if workload.isdigit() else 1)
