"""A problem that costs nothing: return a constant near one half. For benchmarks and for tests of the loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from evaluators.model import Metric, Split
from evaluators.problem import Declaration, Descriptor, Guest, Measured, Relation
from evaluators.replies import Expected
from sandbox import Limits
from seeds import Seed

SOURCE = '''"""Return a constant."""

import numpy as np

VALUE = {value}
SCALE = 1.5
SHIFT = 0.75
CURVE = 2.5


def answer(size):
    """Return size copies of a constant."""
    return np.full(size, VALUE + 0.01 * (SCALE - 1.5) + 0.01 * (SHIFT - 0.75) * CURVE)
'''

DECLARATION = Declaration(
    name="trivial",
    family="tests",
    title="return a constant near one half",
    entry="answer",
    parameters=("size",),
    optional_parameters=frozenset(),
    allowed_imports=frozenset({"numpy", "math"}),
    objective=Metric(name="closeness", unit="", higher_is_better=True, description="minus distance to 1/2"),
    metrics=(
        Metric(name="distance", unit="", higher_is_better=False, description="distance to 1/2"),
        Metric(name="call_ms", unit="ms", higher_is_better=False, description="time of one call"),
    ),
    descriptors=(Descriptor(metric="distance", edges=(0.1, 0.2, 0.4)),),
    baseline="zero",
    reference="exactly one half",
    limits=Limits(load_seconds=5.0),
    preload=("numpy",),
    race_after=2,
)


@dataclass(frozen=True, slots=True)
class Size:
    """A workload: how many numbers are asked for."""

    name: str
    size: int

    @property
    def stratum(self) -> str:
        """Every size is a law of its own."""
        return self.name


class Trivial:
    """Return a constant near one half; ``workload`` is how many workloads there are."""

    declaration = DECLARATION
    statement = "Define answer(size): return a float64 array (size,) of numbers near one half."
    seeds = (
        Seed(name="fifth", summary="A fifth.", source=SOURCE.format(value=0.2)),
        Seed(name="zero", summary="Zero.", source=SOURCE.format(value=0.0)),
    )

    def __init__(self, workloads: int) -> None:
        self._workloads = workloads

    @property
    def digest(self) -> str:
        """Digest of the workload set."""
        return f"trivial-{self._workloads}"

    @property
    def relations(self) -> tuple[Relation, ...]:
        """Order does not matter."""
        return (Relation(name="reverse", change=lambda size, rng: (size, lambda value: value[::-1])),)

    def workloads(self, split: Split, seed: bytes) -> Sequence[Size]:
        """Sizes drawn from the seed."""
        del split
        return [Size(f"size-{index}", 1 + seed[index] % 8) for index in range(self._workloads)]

    def play(self, workload: Size, guest: Guest) -> Measured:
        """Ask twice."""
        series, seconds = [], []
        for _ in range(2):
            expected = Expected(what="the answer", dtype="float64", shape=(workload.size,))
            reply = guest.call({"size": workload.size}, 4.0, expected)
            series.append(-float(np.abs(reply.value - 0.5).mean()))
            seconds.append(reply.seconds)
        return Measured(
            series=tuple(series), metrics={"distance": -series[-1], "call_ms": 1000 * float(np.mean(seconds))}
        )

    def reference_objective(self, workload: Size, open_seed: Callable[[str], Guest]) -> float:
        """Exactly one half."""
        del workload, open_seed
        return 0.0

    def ceiling(self, workload: Size) -> float:
        """No distance is below zero."""
        del workload
        return 0.0


def make_problem(workload: str) -> Trivial:
    """``workload`` is a number of workloads; anything else means one."""
    return Trivial(int(workload) if workload.isdigit() else 1)
