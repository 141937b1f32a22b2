from __future__ import annotations

import pytest

from evolve.proposal import Material

# The same design as `plain` of the folder above, in other words, with other parameters and a step of its own.
FOREIGN = '''"""Other names for the same parts."""

import numpy as np

SHARE = 0.4
PASSES = 3


def predict_load(windows):
    """Mix the last window with the mean."""
    return SHARE * windows[-1].astype(np.float64) + (1 - SHARE) * windows.mean(axis=0)


def allocate(total, demand):
    """Give spare slots to the hottest experts; the parameters are the other way round."""
    order = np.argsort(-demand)
    copies = np.ones(len(demand), dtype=np.int64)
    copies[order[: total - len(demand)]] += 1
    return copies


def place(copies):
    return np.repeat(np.arange(len(copies)), copies)


def improve(layout, demand):
    """Turn the layout round a few times."""
    layout = layout.copy()
    for _ in range(PASSES):
        layout = layout[::-1]
    return layout


def plan(history, previous, num_slots):
    demand = predict_load(history)
    copies = allocate(num_slots, demand)
    layout = place(copies)
    layout = improve(layout, demand)
    return layout.astype(np.int32)
'''


@pytest.fixture
def foreign() -> Material:
    return Material(number=3, source=FOREIGN, title="foreign")
