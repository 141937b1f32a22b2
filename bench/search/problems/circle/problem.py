"""Circle packing: 26 circles in the unit square, the sum of their radii as large as possible.

Best known: 2.635 (AlphaEvolve, arXiv 2506.13131, appendix B.12) and, in later work, up to 2.63598. Scores are exact.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evaluators.model import Metric, Split
from evaluators.problem import Declaration, Descriptor, Guest, Measured, Relation
from evaluators.replies import Array, Expected, Rule
from sandbox import Limits
from seeds import Seed

HERE = Path(__file__).parent
COUNT = 26
BEST_KNOWN = 2.636
TOLERANCE = 1e-9

BOUND = math.sqrt(COUNT / math.pi)
"""No packing has a larger sum: the areas add up to at most 1, and then Cauchy-Schwarz."""

ASKED = 2
"""Workloads in a block. All are alike, and each is asked of a fresh process, so that chance shows as an error."""

DECLARATION = Declaration(
    name="circle",
    family="search benchmark",
    title="26 circles in the unit square, largest sum of radii",
    entry="pack",
    parameters=(),
    optional_parameters=frozenset(),
    allowed_imports=frozenset({"numpy", "math"}),
    objective=Metric(name="sum_of_radii", unit="", higher_is_better=True, description="sum of the 26 radii"),
    metrics=(
        Metric(
            name="spread",
            unit="",
            higher_is_better=False,
            description="standard deviation of the radii over their mean",
        ),
        Metric(name="smallest", unit="", higher_is_better=True, description="smallest radius over the mean radius"),
    ),
    descriptors=(
        Descriptor(metric="spread", edges=(0.08, 0.15, 0.25)),
        Descriptor(metric="smallest", edges=(0.3, 0.6, 0.8)),
    ),
    baseline="rows",
    reference=f"the best known packing, {BEST_KNOWN}",
    limits=Limits(load_seconds=5.0),
    preload=("numpy",),
    race_after=ASKED,
)


def overlap(circles: Array) -> str | None:
    """Which two circles overlap, if any do."""
    centres, radii = circles[:, :2], circles[:, 2]
    gaps = np.sqrt(((centres[:, None] - centres[None]) ** 2).sum(axis=2)) - radii[:, None] - radii[None]
    np.fill_diagonal(gaps, 1.0)
    first, second = np.unravel_index(gaps.argmin(), gaps.shape)
    if gaps[first, second] >= -TOLERANCE:
        return None
    return f"circles {first} and {second} overlap by {-gaps[first, second]:.3g}"


def outside(circles: Array) -> str | None:
    """Which circle leaves the square or has a negative radius, if one does."""
    centres, radii = circles[:, :2], circles[:, 2]
    room = np.minimum(np.minimum(centres, 1.0 - centres).min(axis=1) - radii, radii)
    worst = int(room.argmin())
    return None if room[worst] >= -TOLERANCE else f"circle {worst} leaves the square or has a negative radius"


def _grow(circles: Array, rng: np.random.Generator) -> Array:
    spoilt = circles.copy()
    near = np.sqrt(((spoilt[1:, :2] - spoilt[0, :2]) ** 2).sum(axis=1)).argmin() + 1
    spoilt[near, :2] = spoilt[0, :2]
    spoilt[[0, near], 2] = np.maximum(np.minimum(spoilt[[0, near], 2], 0.01), 0.001)
    return spoilt


def _shift_out(circles: Array, rng: np.random.Generator) -> Array:
    spoilt = circles.copy()
    spoilt[int(spoilt[:, 0].argmin()), 0] = -1e-3
    return spoilt


EXPECTED = Expected(
    what="the packing",
    dtype="float64",
    shape=(COUNT, 3),
    values="coordinates and radii",
    rules=(
        Rule(name="inside the square", fault=outside, spoil=_shift_out),
        Rule(name="no overlap", fault=overlap, spoil=_grow),
    ),
)


@dataclass(frozen=True, slots=True)
class Asked:
    """A workload: one more time of asking."""

    name: str
    stratum: str = "square"


class Circle:
    """26 circles in the unit square."""

    declaration = DECLARATION

    def __init__(self) -> None:
        self.statement = (HERE / "statement.md").read_text(encoding="utf-8")
        source = (HERE / "initial.py").read_text(encoding="utf-8")
        self.seeds = (Seed(name="rows", summary="Rows, pushed apart, then radii.", source=source),)

    @property
    def digest(self) -> str:
        """Digest of the workload set."""
        facts = (self.seeds[0].source, COUNT, BEST_KNOWN, TOLERANCE, ASKED)
        return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]

    @property
    def relations(self) -> tuple[Relation, ...]:
        """The square may be turned over."""

        def mirrored(value: Array) -> Array:
            return np.column_stack([1.0 - value[:, 0], value[:, 1:]])

        return (Relation(name="mirror", change=lambda asked, rng: (asked, mirrored)),)

    def workloads(self, split: Split, seed: bytes) -> Sequence[Asked]:
        """The same in every split: nothing is drawn."""
        del split, seed
        return [Asked(f"asking {number}") for number in range(ASKED)]

    def play(self, workload: Asked, guest: Guest) -> Measured:
        """Ask once."""
        del workload
        circles = guest.call({}, 2.0, EXPECTED).value
        radii = circles[:, 2]
        mean = max(float(radii.mean()), 1e-12)
        return Measured(
            series=(float(radii.sum()),),
            metrics={"spread": float(radii.std()) / mean, "smallest": float(radii.min()) / mean},
            stderr=0.0,
        )

    def reference_objective(self, workload: Asked, open_seed: Callable[[str], Guest]) -> float:
        """The best known."""
        del workload, open_seed
        return BEST_KNOWN

    def ceiling(self, workload: Asked) -> float:
        """See `BOUND`; overlaps within the tolerance add next to nothing."""
        del workload
        return BOUND + 1e-6


def make_problem(workload: str) -> Circle:
    """There is one workload, whatever it is called."""
    del workload
    return Circle()
