# EVOLVE-BLOCK-START
"""Rows of circles, pushed apart for some rounds, then radii one after the other."""

import math

import numpy as np

ROWS = (5, 5, 6, 5, 5)
MARGIN = 0.12  # tune: float 0.02 0.2
SHIFT = 0.2  # tune: float 0.0 0.5
BULGE = 0.0  # tune: float -0.3 0.3
JITTER = 0.01  # tune: float 0.0 0.1
JITTER_SEED = 1  # tune: int 0 999
ROUNDS = 20  # tune: int 0 120
REACH = 0.17  # tune: float 0.1 0.3
STEP = 0.1  # tune: float 0.01 1.0 log
DECAY = 0.95  # tune: float 0.8 1.0
WALL = 0.09  # tune: float 0.03 0.15
SHARE = 0.5  # tune: float 0.2 0.8
SWEEPS = 2  # tune: int 1 10


def centres():
    """Rows from bottom to top, every other one shifted: float64 (circles, 2)."""
    points = []
    height = (1.0 - 2.0 * MARGIN) / (len(ROWS) - 1)
    for row, count in enumerate(ROWS):
        width = (1.0 - 2.0 * MARGIN) / (count - 1)
        shift = SHIFT * width * (row % 2)
        for place in range(count):
            x = MARGIN + place * width + shift * (1.0 - 2.0 * place / (count - 1))
            y = MARGIN + row * height + BULGE * height * math.sin(math.pi * x)
            points.append((x, y))
    rng = np.random.default_rng(JITTER_SEED)
    return np.array(points) + JITTER * rng.standard_normal((len(points), 2))


def relax(points):
    """Push neighbours that are nearer than REACH apart, and all away from the walls."""
    step = STEP
    for _ in range(ROUNDS):
        gap = points[:, None] - points[None]
        distance = np.sqrt((gap**2).sum(axis=2)) + np.eye(len(points))
        push = np.maximum(0.0, REACH - distance) / distance
        np.fill_diagonal(push, 0.0)
        move = (gap * push[:, :, None]).sum(axis=1)
        move += np.maximum(0.0, WALL - points) - np.maximum(0.0, WALL - (1.0 - points))
        points = np.clip(points + step * move, 0.02, 0.98)
        step *= DECAY
    return points


def radii(points):
    """Begin with a share of the nearest distance, then let one after the other grow as far as it can."""
    walls = np.minimum(points, 1.0 - points).min(axis=1)
    distance = np.sqrt(((points[:, None] - points[None]) ** 2).sum(axis=2))
    np.fill_diagonal(distance, 2.0)
    nearest = distance.min(axis=1)
    size = np.minimum(walls, np.minimum(SHARE, 0.5) * nearest)
    for _ in range(SWEEPS):
        for circle in np.argsort(nearest):
            size[circle] = max(0.0, min(walls[circle], (distance[circle] - size).min()))
    return size


def pack():
    """Centres and radii of 26 circles in the unit square: float64 (26, 3), each row x, y, r."""
    points = relax(centres())
    return np.column_stack([points, radii(points)])


# EVOLVE-BLOCK-END
