"""A small problem whose objective is time: the ids of the largest numbers. For tests and attacks of timed judging."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from evaluators.model import Metric, Split
from evaluators.problem import Declaration, Descriptor, Draw, Guest, Measured, Relation
from evaluators.replies import Array, Expected, Rule
from sandbox import Limits
from seeds import Seed

BASELINE = '''"""Sort everything, then keep the first few."""

import numpy as np


def top(values, count):
    """Ids of the count largest values, largest first."""
    order = np.argsort(-values, kind="stable")
    return order[:count].astype(np.int32)
'''

FAST = '''"""Part the largest from the rest, then sort only those."""

import numpy as np


def top(values, count):
    """Ids of the count largest values, largest first."""
    largest = np.argpartition(-values, count - 1)[:count]
    order = np.argsort(-values[largest])
    return largest[order].astype(np.int32)
'''

REFERENCE_SPEED_UP = 4.0
"""Score 100 is this many times as fast as the baseline."""

TIMEOUT_SECONDS = 2.0

DECLARATION = Declaration(
    name="speed",
    family="tests",
    title="ids of the largest numbers, as fast as possible",
    entry="top",
    parameters=("values", "count"),
    optional_parameters=frozenset(),
    allowed_imports=frozenset({"numpy", "math"}),
    objective=Metric(name="gain", unit="log2", higher_is_better=True, description="log2 of the speed-up"),
    metrics=(
        Metric(name="speed_up", unit="x", higher_is_better=True, description="how many times as fast as the baseline"),
        Metric(name="call_ms", unit="ms", higher_is_better=False, description="median of one call, channel included"),
        Metric(name="channel_ms", unit="ms", higher_is_better=False, description="median call of an empty program"),
        Metric(name="calls", unit="", higher_is_better=True, description="timed calls that count"),
    ),
    descriptors=(Descriptor(metric="speed_up", edges=(0.5, 1.0, 2.0, 4.0)),),
    baseline="sort",
    reference=f"{REFERENCE_SPEED_UP:g} times as fast as the baseline",
    limits=Limits(load_seconds=5.0),
    preload=("numpy",),
    race_after=1,
    timed=True,
)


@dataclass(frozen=True, slots=True)
class Numbers:
    """A workload: how many numbers of which law, and how many ids are asked for."""

    name: str
    seed: tuple[int, ...]
    size: int
    count: int
    has_ties: bool
    scale: float = 1.0
    is_reversed: bool = False

    @property
    def stratum(self) -> str:
        """Every shape is a law of its own."""
        return self.name

    def draw(self, number: int) -> Draw:
        """New numbers for every call, and how ids of them are judged: by what they point at, so that ties are free."""
        values = np.random.default_rng([*self.seed, number]).standard_normal(self.size, dtype=np.float32)
        if self.has_ties:
            values = np.round(values * 64) / 64
        values = np.ascontiguousarray((self.scale * values)[:: -1 if self.is_reversed else 1], dtype=np.float32)
        expected = Expected(
            what="the reply",
            dtype="int32",
            shape=(self.count,),
            low=0,
            high=self.size - 1,
            values="ids",
            rules=(
                Rule(name="distinct", fault=_repeated, spoil=partial(_repeat, values)),
                Rule(name="largest first", fault=partial(_not_largest, values), spoil=_shuffle),
            ),
        )
        return Draw(arguments={"values": values, "count": self.count}, expected=expected)


def _repeated(ids: Array) -> str | None:
    return None if len(np.unique(ids)) == len(ids) else "an id is repeated"


def _repeat(values: Array, ids: Array, rng: np.random.Generator) -> Array:
    """Name one of two equal values twice, where there are such, so that the values are still right."""
    same = np.flatnonzero(np.diff(values[ids]) == 0)
    place = int(rng.choice(same)) if len(same) else len(ids) - 2
    spoilt = ids.copy()
    spoilt[place + 1] = spoilt[place]
    return spoilt


def _not_largest(values: Array, ids: Array) -> str | None:
    wanted = np.sort(np.partition(values, len(values) - len(ids))[len(values) - len(ids) :])[::-1]
    wrong = np.flatnonzero(values[ids] != wanted)
    return f"id {wrong[0]} of {len(ids)} does not point at the value that comes there" if len(wrong) else None


def _shuffle(ids: Array, rng: np.random.Generator) -> Array:
    return np.roll(ids, 1 + int(rng.integers(len(ids) - 1)))


class Speed:
    """Ids of the largest numbers, as fast as possible; ``workloads`` is how many shapes there are, at most three."""

    declaration = DECLARATION
    statement = (
        "Define top(values, count): values is a float32 array; return an int32 array (count,) of the ids of its count "
        "largest values, the largest first. Only the time of a call counts, against sorting everything."
    )
    seeds = (
        Seed(name="partition", summary="Part the largest from the rest.", source=FAST),
        Seed(name="sort", summary="Sort everything.", source=BASELINE),
    )

    def __init__(self, workloads: int) -> None:
        self._workloads = workloads

    @property
    def digest(self) -> str:
        """Digest of the workload set."""
        return f"speed-{self._workloads}"

    @property
    def relations(self) -> tuple[Relation, ...]:
        """Twice the values have the same order; values from the back have ids from the back."""
        return (
            Relation(name="scale", change=lambda work, rng: (replace(work, scale=2 * work.scale), lambda ids: ids)),
            Relation(
                name="reverse",
                change=lambda work, rng: (
                    replace(work, is_reversed=not work.is_reversed),
                    lambda ids: (work.size - 1 - ids).astype(np.int32),
                ),
            ),
        )

    def workloads(self, split: Split, seed: bytes) -> Sequence[Numbers]:
        """Three shapes, the cheapest first; sizes depend on the seed, so that none can be hard-coded."""
        rng = np.random.default_rng([*seed, len(split.value)])
        shapes = (("few", 60_000, 64, False), ("many", 80_000, 4_096, False), ("ties", 100_000, 1_024, True))
        return [
            Numbers(name, tuple(rng.integers(2**32, size=4).tolist()), size + int(rng.integers(1_000)), count, has_ties)
            for name, size, count, has_ties in shapes[: self._workloads]
        ]

    def play(self, workload: Numbers, guest: Guest) -> Measured:
        """Compare with the baseline."""
        timing = guest.compare(workload.draw, TIMEOUT_SECONDS)
        return Measured.of_timing(
            timing,
            {
                "speed_up": timing.ratio,
                "call_ms": 1000 * timing.seconds,
                "channel_ms": 1000 * timing.channel_seconds,
                "calls": float(timing.n),
            },
        )

    def reference_objective(self, workload: Numbers, open_seed: Callable[[str], Guest]) -> float:
        """A fixed factor."""
        return math.log2(REFERENCE_SPEED_UP)

    def ceiling(self, workload: Numbers) -> float:
        """Only the machine can tell: no program beats the empty one, which the judge measures."""
        return math.inf


def make_problem(workload: str) -> Speed:
    """``workload`` is a number of shapes; anything else means all three."""
    return Speed(int(workload) if workload.isdigit() else 3)
