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
    count = len(centres)
    radii = np.minimum(centres, 1.0 - centres).min(axis=1)
    for i in range(count):
        for j in range(i + 1, count):
            distance = np.linalg.norm(centres[i] - centres[j])
            if radii[i] + radii[j] > distance:
                scale = distance / (radii[i] + radii[j])
                radii[i] *= scale
                radii[j] *= scale
    return radii


def construct() -> tuple[np.ndarray, np.ndarray]:
    """Choose centres, then radii."""
    centres = place_centres(NUM_CIRCLES)
    radii = largest_radii(centres)
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
