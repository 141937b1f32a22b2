from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from evolve.proposal import Context, Material

PARAMETERS = ("history", "previous", "num_slots")

PLAIN = '''"""Last window, one copy after another."""

import numpy as np


def forecast(history: np.ndarray) -> np.ndarray:
    """Expect the last window to repeat."""
    return np.asarray(history[-1], dtype=np.float64)


def replicate(load: np.ndarray, num_slots: int) -> np.ndarray:
    """Give spare slots to the hottest experts."""
    order = np.argsort(-load)  # hottest first
    counts = np.ones(len(load), dtype=np.int64)
    counts[order[: num_slots - len(load)]] += 1
    return counts


def pack(counts: np.ndarray) -> np.ndarray:
    """Deal the copies in order."""
    return np.repeat(np.arange(len(counts)), counts)


def plan(history: np.ndarray, previous: np.ndarray | None, num_slots: int) -> np.ndarray:
    """Plan the next window – expert in every slot."""
    load = forecast(history)
    counts = replicate(load, num_slots)
    slots = pack(counts)
    return slots.astype(np.int32)
'''

AVERAGING = PLAIN.replace('"""Last window, one copy after another."""', '"""Moving average."""').replace(
    '''

def forecast(history: np.ndarray) -> np.ndarray:
    """Expect the last window to repeat."""
    return np.asarray(history[-1], dtype=np.float64)
''',
    '''
# How much an older window counts.
DECAY = 0.7


def forecast(history: np.ndarray) -> np.ndarray:
    """Average the windows."""
    return np.tensordot(weights(len(history)), history, axes=1)


def weights(count: int) -> np.ndarray:
    """Weigh windows, newest most."""
    weight = DECAY ** np.arange(count)[::-1]
    return weight / weight.sum()
''',
)

REFINING = (
    PLAIN.replace('"""Last window, one copy after another."""', '"""With a repair step."""')
    .replace("import numpy as np\n", "import math\n\nimport numpy as np\n\nROUNDS = 4\n", 1)
    .replace(
        "def plan(",
        '''def refine(slots: np.ndarray, load: np.ndarray) -> np.ndarray:
    """Reverse a part of the slots; every expert keeps its copies."""
    slots = slots.copy()
    for _ in range(ROUNDS):
        middle = math.floor(len(slots) / 2)
        slots[:middle] = slots[:middle][::-1]
    return slots


def plan(''',
    )
    .replace("    return slots.astype", "    slots = refine(slots, load)\n    return slots.astype")
)


@pytest.fixture
def plain() -> Material:
    return Material(number=0, source=PLAIN, title="plain")


@pytest.fixture
def averaging() -> Material:
    return Material(number=1, source=AVERAGING, title="averaging")


@pytest.fixture
def refining() -> Material:
    return Material(number=2, source=REFINING, title="refining")


@pytest.fixture
def make_context() -> Callable[..., Context]:
    def make(rng: Random, *seeds: Material) -> Context:
        return Context(
            statement="Plan.",
            entry="plan",
            parameters=PARAMETERS,
            optional_parameters=frozenset({"previous"}),
            allowed_imports=frozenset({"math", "numpy"}),
            seeds=seeds,
            rng=rng,
        )

    return make
