"""Where to look next by a Gaussian process: few constants, few trials, all of them numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.special import ndtr

from evolve.proposers.tuner.space import Kind, Space, Value
from evolve.proposers.tuner.study import State, Trial
from evolve.proposers.tuner.units import Point, from_unit, to_unit

Array = NDArray[np.float64]

LENGTHS = (0.2, 0.4, 0.8, 1.6)
"""Length scales that are tried, in units of the range, to be multiplied by the root of the number of constants."""

NOISES = (1e-4, 1e-2, 0.1, 0.5, 2.0)
"""Noise variances that are tried, relative to the signal's."""

STEPS = (0.02, 0.06, 0.15, 0.3)
"""How far from the best point candidates are drawn, as shares of the range."""

DRAWN = 100
"""How many candidates are drawn at each of these distances, and in the whole range."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Process:
    """A posterior: places (n, d) in units of the range, Cholesky factor (n, n), weights (n,), signal variance."""

    places: Array
    length: float
    noise: float
    factor: Array
    weights: Array
    variance: float
    evidence: float

    def at(self, places: Array) -> tuple[Array, Array]:
        """Mean and standard deviation of the objective at places (m, d): two arrays (m,)."""
        shared = _matern(_distances(self.places, places) / self.length)
        known = solve_triangular(self.factor, shared, lower=True)
        spread = np.sqrt(np.maximum(self.variance * (1.0 - (known * known).sum(axis=0)), 1e-12))
        return shared.T @ self.weights, spread


def gaussian(
    spaces: Mapping[str, Space], trials: Sequence[Trial], waiting: Sequence[Point], rng: Random
) -> dict[str, Value]:
    """Sample where a Gaussian process expects the largest improvement (Jones et al. 1998) over its own best mean.

    Matern 5/2 kernel with one length scale (Snoek et al. 2012), chosen with the noise by marginal likelihood.

    Args:
        spaces: what each value may be, by key; numbers only.
        trials: what was measured; failed and stopped ones count as bad.
        waiting: points under way, taken to give what is expected of them.
        rng: the only source of randomness.
    """
    keys = sorted(spaces)
    draw = np.random.default_rng(rng.getrandbits(64))
    places = _places(spaces, keys, [trial.point for trial in trials])
    process = _fit(places, _heights(trials))
    if waiting:
        under_way = _places(spaces, keys, waiting)
        heights = np.concatenate([_heights(trials), process.at(under_way)[0]])
        places = np.concatenate([places, under_way])
        process = _posterior(places, _distances(places, places), heights, process.length, process.noise)
    means, _ = process.at(places)
    best = places[int(np.argmax(means))]
    found = _drawn(best, draw)
    for turn in range(2):
        found = _on_steps(spaces, keys, found)
        gain = _expected_improvement(process, found, float(means.max()))
        gain[_distances(found, places).min(axis=1) < 1e-6] = -1.0
        if turn == 0:
            top = found[np.argsort(-gain)[:5]]
            found = np.concatenate(
                [top, _mirrored(np.repeat(top, 30, axis=0) + draw.normal(0, 0.04, (150, len(keys))))]
            )
    return {key: from_unit(spaces[key], float(at)) for key, at in zip(keys, found[int(np.argmax(gain))], strict=True)}


def _heights(trials: Sequence[Trial]) -> Array:
    """Scores (n,), standardised; what is far below the middle says no more than that it is bad."""
    done = [trial.value for trial in trials if trial.state is State.DONE and trial.value is not None]
    middle, top = float(np.median(done)), max(done)
    lower = float(np.quantile(done, 0.25)) if len(done) > 4 else min(done)
    low = middle - 3.0 * (max(top - middle, middle - lower) or 1.0)
    heights = np.array(
        [
            low
            if trial.value is None
            else max(trial.value if trial.state is State.DONE else min(trial.value, middle), low)
            for trial in trials
        ]
    )
    result: Array = (heights - heights.mean()) / (heights.std() or 1.0)
    return result


def _fit(places: Array, heights: Array) -> _Process:
    """The length scale and noise of the highest marginal likelihood, with a prior on the length scale."""
    apart = _distances(places, places)
    scale = math.sqrt(places.shape[1])
    options = (_posterior(places, apart, heights, length * scale, noise) for length in LENGTHS for noise in NOISES)
    return max(options, key=lambda process: process.evidence)


def _posterior(places: Array, apart: Array, heights: Array, length: float, noise: float) -> _Process:
    count, dimensions = places.shape
    factor: Array = np.linalg.cholesky(_matern(apart / length) + noise * np.eye(count)).astype(np.float64)
    white = solve_triangular(factor, heights, lower=True)
    # The signal's variance is integrated out under a weak prior around 1.
    variance = float(white @ white + 2.0) / (count + 2.0)
    evidence = -0.5 * (count + 2.0) * math.log(variance) - float(np.log(np.diag(factor)).sum())
    surprise = math.log(length / (0.5 * math.sqrt(dimensions))) / 0.5
    return _Process(
        places=places,
        length=length,
        noise=noise,
        factor=factor,
        weights=solve_triangular(factor.T, white),
        variance=variance,
        evidence=evidence - 0.5 * surprise**2 * min(dimensions, 3),
    )


def _expected_improvement(process: _Process, places: Array, best: float) -> Array:
    means, spread = process.at(places)
    ahead = means - best
    score = ahead / spread
    result: Array = ahead * ndtr(score) + spread * np.exp(-0.5 * score * score) / math.sqrt(2.0 * math.pi)
    return result


def _drawn(best: Array, draw: np.random.Generator) -> Array:
    """Places to choose from: anywhere, and around the best with half of its values moved."""
    count = len(best)
    groups = [draw.random((DRAWN, count))]
    for step in STEPS:
        moved = draw.random((DRAWN, count)) < max(0.5, 1.5 / count)
        moved[np.arange(DRAWN), draw.integers(0, count, DRAWN)] = True
        groups.append(_mirrored(best + draw.normal(0.0, step, (DRAWN, count)) * moved))
    return np.concatenate(groups)


def _mirrored(places: Array) -> Array:
    result: Array = 1.0 - np.abs(1.0 - np.abs(places) % 2.0)
    return result


def _places(spaces: Mapping[str, Space], keys: Sequence[str], points: Sequence[Point]) -> Array:
    return np.array([[to_unit(spaces[key], point[key]) for key in keys] for point in points])


def _on_steps(spaces: Mapping[str, Space], keys: Sequence[str], places: Array) -> Array:
    """Move the places (m, d) of integers to the middle of their steps."""
    result = places.copy()
    for column, key in enumerate(keys):
        space = spaces[key]
        if space.kind is Kind.INT:
            result[:, column] = [to_unit(space, from_unit(space, float(place))) for place in places[:, column]]
    return result


def _distances(one: Array, other: Array) -> Array:
    """Euclidean distances between places (n, d) and (m, d): an array (n, m)."""
    squares = (one * one).sum(axis=1)[:, None] + (other * other).sum(axis=1)[None, :] - 2.0 * one @ other.T
    result: Array = np.sqrt(np.maximum(squares, 0.0))
    return result


def _matern(apart: Array) -> Array:
    """Matern 5/2 correlation at distances in length scales."""
    scaled = math.sqrt(5.0) * apart
    result: Array = (1.0 + scaled + scaled * scaled / 3.0) * np.exp(-scaled)
    return result
