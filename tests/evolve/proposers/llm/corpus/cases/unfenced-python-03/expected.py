"""Pack 26 circles into the unit square so that the sum of their radii is large; only the marked region may change."""

import math

import numpy as np

NUM_CIRCLES = 26


# EVOLVE-BLOCK-START
SPACING = 0.2
MARGIN = 0.09


def place_centres(count: int) -> np.ndarray:
    """Put the centres on a hexagonal grid, row by row: (count, 2)."""
    centres = []
    row = 0
    y = MARGIN
    while len(centres) < count:
        x = MARGIN + (0.5 * SPACING if row % 2 else 0.0)
        while x <= 1.0 - MARGIN and len(centres) < count:
            centres.append((x, y))
            x += SPACING
        y += SPACING * math.sqrt(3.0) / 2.0
        row += 1
    return np.clip(np.array(centres), 0.01, 0.99)


def largest_radii(centres: np.ndarray) -> np.ndarray:
    """Shrink circles that touch the border or each other: (count,)."""
    border = np.minimum(centres, 1.0 - centres).min(axis=1)
    distances = np.linalg.norm(centres[:, None] - centres[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    radii = np.minimum(border, 0.5 * distances.min(axis=1))
    for _ in range(50):
        room = (distances - radii[None]).min(axis=1)
        radii = np.maximum(radii, 0.999 * np.minimum(border, 0.5 * (radii + room)))
        over = (radii[:, None] + radii[None]) / distances
        radii = radii / np.maximum(over.max(axis=1), 1.0)
    return radii


def construct() -> tuple[np.ndarray, np.ndarray]:
    """Choose centres, then radii."""
    rng = np.random.default_rng(0)
    centres = place_centres(NUM_CIRCLES)
    radii = largest_radii(centres)
    step = 0.05
    for _ in range(2000):
        trial = np.clip(centres + rng.normal(0.0, step, centres.shape), 0.01, 0.99)
        trial_radii = largest_radii(trial)
        if trial_radii.sum() > radii.sum():
            centres, radii = trial, trial_radii
        step *= 0.999
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
