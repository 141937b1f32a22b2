"""A landscape in eight dimensions with a known optimum, seen through noise as large as a good late step.

f(x) = -(sum_i w_i u_i^2 + A sum_i (1 - cos(2 pi u_i / L))) with u = R (x - x*): a turned, ill-conditioned bowl with
mild ripples (after Rastrigin's function). f(x*) = 0 is its only global maximum, since both sums are at least 0 and the
first is 0 only there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evaluators.model import Metric, Split
from evaluators.problem import Declaration, Descriptor, Guest, Measured, Relation
from evaluators.replies import Array, Expected
from sandbox import Limits
from seeds import Seed

HERE = Path(__file__).parent
DIMENSIONS = 8
LIMIT = 100.0
WEIGHTS = np.geomspace(0.3, 6.0, DIMENSIONS)
RIPPLE_HEIGHT, RIPPLE_LENGTH = 0.6, 1.3
OPTIMUM = np.array([1.37, 0.52, -0.83, -2.21, 0.94, -0.46, 2.63, 0.71])
LANDSCAPE_SEED = 20240817

SIGMA = 5.66
"""Noise of one workload; the mean of a block has `SIGMA` / sqrt(`DRAWS`) = 2."""

DRAWS = 8
"""Workloads in a block, each with noise of its own."""

START = np.array([2.0, -2.0] * 4)
"""The starting program's point. It alone is measured without noise, so that scores have an exact zero."""

EXPECTED = Expected(
    what="the point", dtype="float64", shape=(DIMENSIONS,), low=-LIMIT, high=LIMIT, values="coordinates"
)

DECLARATION = Declaration(
    name="noisy",
    family="search benchmark",
    title="the highest point of a landscape that is measured with noise",
    entry="point",
    parameters=(),
    optional_parameters=frozenset(),
    allowed_imports=frozenset({"numpy", "math"}),
    objective=Metric(name="height", unit="", higher_is_better=True, description="height of the point, plus noise"),
    metrics=(
        Metric(name="first", unit="", higher_is_better=True, description="mean of the first four coordinates"),
        Metric(name="second", unit="", higher_is_better=True, description="mean of the last four coordinates"),
    ),
    descriptors=(
        Descriptor(metric="first", edges=(-1.0, 0.0, 1.0)),
        Descriptor(metric="second", edges=(-1.0, 0.0, 1.0)),
    ),
    baseline="start",
    reference="the highest point",
    limits=Limits(load_seconds=5.0),
    preload=("numpy",),
    race_after=4,
)


def rotation() -> Array:
    """A fixed rotation, float64 (8, 8)."""
    matrix, upper = np.linalg.qr(np.random.default_rng(LANDSCAPE_SEED).standard_normal((DIMENSIONS, DIMENSIONS)))
    return matrix * np.sign(np.diag(upper))


ROTATION = rotation()


def height(point: Array) -> float:
    """The true height of a point (8,); 0 at the highest one."""
    turned = ROTATION @ (np.asarray(point, dtype=np.float64) - OPTIMUM)
    ripples = 1.0 - np.cos(2.0 * np.pi * turned / RIPPLE_LENGTH)
    return -float(WEIGHTS @ turned**2 + RIPPLE_HEIGHT * ripples.sum())


def noise(seed: bytes, point: Array) -> float:
    """What is added to a point's height on one workload: another draw for every workload and every point."""
    if np.array_equal(point, START):
        return 0.0
    # Adding 0 makes -0.0 and 0.0 one point.
    digest = hashlib.sha256(seed + (np.asarray(point, dtype=np.float64) + 0.0).tobytes()).digest()
    return SIGMA * float(np.random.default_rng(list(digest)).standard_normal())


@dataclass(frozen=True, slots=True)
class Look:
    """A workload: one look at the point, with the seed of its noise."""

    name: str
    seed: bytes
    stratum: str = "landscape"


class Noisy:
    """The landscape through noise.

    ``fresh_blocks`` says that whoever measures a program again should do so on a new block, or meets the same noise.
    """

    declaration = DECLARATION
    fresh_blocks = True
    form = EXPECTED

    def __init__(self) -> None:
        self.statement = (HERE / "statement.md").read_text(encoding="utf-8")
        source = (HERE / "initial.py").read_text(encoding="utf-8")
        self.seeds = (Seed(name="start", summary="Eight constants.", source=source),)

    @property
    def digest(self) -> str:
        """Digest of the workload set."""
        facts = (WEIGHTS, RIPPLE_HEIGHT, RIPPLE_LENGTH, OPTIMUM, LANDSCAPE_SEED, SIGMA, DRAWS, START)
        return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]

    @property
    def relations(self) -> tuple[Relation, ...]:
        """None: the noise hangs on every bit of the point."""
        return ()

    def workloads(self, split: Split, seed: bytes) -> Sequence[Look]:
        """Looks with noise seeds of their own."""
        seeds = [hashlib.sha256(seed + f"{split.value}/{look}".encode()).digest() for look in range(DRAWS)]
        return [Look(name=f"look {look}", seed=each) for look, each in enumerate(seeds)]

    def play(self, workload: Look, guest: Guest) -> Measured:
        """Ask for the point and measure it once."""
        point = guest.call({}, 2.0, EXPECTED).value
        seen = height(point) + noise(workload.seed, point)
        metrics = {"first": float(point[:4].mean()), "second": float(point[4:].mean())}
        return Measured(series=(seen,), metrics=metrics, stderr=SIGMA)

    def true_score(self, point: Array) -> float:
        """Score of a point without noise: 0 at the starting point, 100 at the highest one."""
        start = height(START)
        return 100.0 * (height(point) - start) / -start

    def reference_objective(self, workload: Look, open_seed: Callable[[str], Guest]) -> float:
        """The highest point's height."""
        del workload, open_seed
        return 0.0

    def ceiling(self, workload: Look) -> float:
        """Nine standard deviations above the highest point."""
        del workload
        return 9.0 * SIGMA


def make_problem(workload: str) -> Noisy:
    """There is one landscape, whatever the workload is called."""
    del workload
    return Noisy()
