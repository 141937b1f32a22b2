"""The trivial problem with limits that let a program start processes and threads: there is more to contain."""

from __future__ import annotations

import dataclasses
import importlib.util
import sys
from pathlib import Path
from typing import Any

MIB = 1 << 20
CALL_SECONDS = 0.25


def _trivial() -> Any:
    file = Path(__file__).parents[1] / "trivial" / "problem.py"
    spec = importlib.util.spec_from_file_location("evolve_bench_trivial", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["evolve_bench_trivial"] = module
    spec.loader.exec_module(module)
    return module


TRIVIAL = _trivial()


class _Hurried:
    """A guest whose calls have less time, so that programs that hang do not hold up the benchmark."""

    def __init__(self, guest: Any) -> None:
        self._guest = guest

    def call(self, arguments: Any, timeout_seconds: float, expected: Any) -> Any:
        return self._guest.call(arguments, CALL_SECONDS, expected)


class Hostile(TRIVIAL.Trivial):  # type: ignore[misc]
    """Return a constant near one half; up to eight processes and four threads may help."""

    declaration = dataclasses.replace(
        TRIVIAL.DECLARATION,
        name="hostile",
        limits=dataclasses.replace(
            TRIVIAL.DECLARATION.limits, processes=8, threads=4, memory_bytes=512 * MIB, load_seconds=1.0
        ),
    )

    def play(self, workload: Any, guest: Any) -> Any:
        return super().play(workload, _Hurried(guest))


def make_problem(workload: str) -> Hostile:
    """``workload`` is a number of workloads; anything else means one."""
    return Hostile(int(workload) if workload.isdigit() else 1)
