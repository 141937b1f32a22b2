"""Pack 26 circles into the unit square so that the sum of their radii is large; only the marked region may change."""

import math

import numpy as np

NUM_CIRCLES = 26


# EVOLVE-BLOCK-START
RINGS = ((1, 0.0), (9, 0.27), (16, 0.44))


def place_centres(count: int) -> np.ndarray:
    """Put the centres on rings around the middle, stretched to the corners: (count, 2)."""
    centres = []
    for number, radius in RINGS:
        for k in range(number):
            angle = 2.0 * math.pi * (k + 0.5) / number
            x, y = math.cos(angle), math.sin(angle)
            stretch = 1.0 / max(abs(x), abs(y)) ** 0.6
            centres.append((0.5 + radius * stretch * x, 0.5 + radius * stretch * y))
    return np.clip(np.array(centres[:count]), 0.02, 0.98)


def construct() -> tuple[np.ndarray, np.ndarray]:
    """Choose centres, then grow all radii together and freeze those that touch."""
    centres = place_centres(NUM_CIRCLES)
    border = np.minimum(centres, 1.0 - centres).min(axis=1)
    distances = np.linalg.norm(centres[:, None] - centres[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    radii = np.zeros(NUM_CIRCLES)
    free = np.ones(NUM_CIRCLES, dtype=bool)
    while free.any():
        trial = radii + 0.0005 * free
        touches = (trial[:, None] + trial[None] > distances).any(axis=1) | (trial > border)
        free &= ~touches
        radii = np.where(free, trial, radii)
    return centres, radii
# EVOLVE-BLOCK-END


def is_legal(centres: np.ndarray, radii: np.ndarray, tolerance: float = 1e-9) -> bool:
    """Whether all circles are inside the square and none overlaps another."""
    inside = (centres >= radii[:, None] - tolerance) & (centres <= 1.0 - radii[:, None] + tolerance)
    gaps = np.linalg.norm(centres[:, None] - centres[None], axis=2) - radii[:, None] - radii[None]
    np.fill_diagonal(gaps, 0.0)
    return bool(inside.all() and gaps.min() >= -tolerance)


def run_packing() -> tuple[np.ndarray, np.ndarray, float]:
    """Entry point: centres, radii and the sum of the radii."""
    centres, radii = construct()
    return centres, radii, float(radii.sum())
