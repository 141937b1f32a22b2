"""A judge on the GPU that is given recordings made ahead elsewhere, so that it need not wait for a compiler."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from ground import SEED

from evaluators.arena import Terms
from evaluators.audit.run import TIMING
from evaluators.judge import Judge
from evaluators.kernels.arena import TIMEOUT_SECONDS, GpuArena
from evaluators.kernels.forms import Call
from evaluators.kernels.plan import Recording
from evaluators.kernels.problem import KernelProblem
from evaluators.seeding import secret_from_seed


class StockedArena(GpuArena):
    """An arena that looks for a recording in a stock before it makes one.

    Args:
        terms: see `GpuArena`.
        stock: recordings by `key_of`; it may grow.
        patience_seconds: how long a candidate may keep the GPU with one shape.
    """

    def __init__(self, terms: Terms, stock: Mapping[str, Recording], patience_seconds: float) -> None:
        self._stock = stock
        super().__init__(terms, patience_seconds=patience_seconds)

    def _record(self, source: str, calls: Sequence[Call]) -> Recording:
        return self._stock.get(key_of(source, calls)) or super()._record(source, calls)


def key_of(source: str, calls: Sequence[Call]) -> str:
    """What a recording hangs on."""
    return f"{tuple(calls)!r}\n{source}"


def stocked_judge(
    problem: KernelProblem,
    stock: Mapping[str, Recording],
    off: frozenset[str] = frozenset(),
    patience_seconds: float = TIMEOUT_SECONDS,
) -> Judge:
    """A judge that times as an audit does."""
    return Judge(
        problem,
        secret=secret_from_seed(SEED, problem.declaration.name),
        clock=time.perf_counter,
        plan=TIMING,
        off=off,
        arena=lambda terms: StockedArena(terms, stock, patience_seconds),
    )
