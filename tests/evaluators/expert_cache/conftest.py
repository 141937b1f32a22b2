from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from evaluators.expert_cache.session import Session, Visit
from evaluators.guest import CheckedGuest

Policy = Callable[..., Any]


class InProcess(CheckedGuest):
    """A guest without a sandbox: calls a function of the test's own and says how long it took."""

    def __init__(self, policy: Policy, seconds: Callable[[int], float] = lambda call: 0.0001) -> None:
        super().__init__()
        self._policy = policy
        self._seconds = seconds
        self.calls: list[Mapping[str, Any]] = []

    def ask(self, arguments: Mapping[str, Any], timeout_seconds: float) -> tuple[object, float]:
        self.calls.append({**arguments, "timeout": timeout_seconds})
        return self._policy(**arguments), self._seconds(len(self.calls))


def build_session(
    routes: Sequence[tuple[int, Iterable[int]]],
    *,
    layers: int = 1,
    experts: int = 8,
    slots: int = 2,
    cached: Iterable[int] = (),
    compute: float = 0.0,
    sizes: Sequence[int] | None = None,
    capacity: int | None = None,
) -> Session:
    """Visits ``(layer, ids)`` of single tokens; an expert is one byte and takes one second, unless told otherwise."""
    held = np.zeros(layers * experts, dtype=np.bool_)
    held[list(cached)] = True
    visits = []
    for number, (layer, ids) in enumerate(routes):
        row = np.array([list(ids)], dtype=np.int32)
        visits.append(
            Visit(
                step=number // layers,
                layer=layer,
                ids=row,
                weights=np.full(row.shape, 1 / row.size, dtype=np.float32),
                guess=np.full_like(row, -1),
                compute_seconds=compute,
            )
        )
    expert_bytes = np.array(sizes or [1] * layers, dtype=np.int64)
    return Session(
        name="s",
        stratum="",
        experts=experts,
        expert_bytes=expert_bytes,
        capacity_bytes=slots if capacity is None else capacity,
        link_bytes_per_second=1.0,
        visits=tuple(visits),
        cached=held.reshape(layers, experts),
        gate_seconds=0.005,
    )


@pytest.fixture(name="in_process")
def _in_process() -> type[InProcess]:
    return InProcess


@pytest.fixture(name="session_of")
def _session_of() -> Callable[..., Session]:
    return build_session
