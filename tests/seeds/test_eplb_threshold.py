from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

SOURCE = Path(__file__).parents[2] / "seeds" / "eplb" / "threshold.py"


def test_threshold_keeps_a_layer_that_is_balanced_enough_and_replans_the_other() -> None:
    """Old plan: 0 1 | 2 3. First layer 10+10 against 10+10, balance 1; second 100+100 against 1+1, balance .505."""
    previous = np.array([[0, 1, 2, 3], [0, 1, 2, 3]], dtype=np.int32)
    history = np.array([[[10, 10, 10, 10], [100, 100, 1, 1]]], dtype=np.float32)
    program: dict[str, Any] = {}
    exec(SOURCE.read_text(), program)
    slots = program["plan"](history=history, previous=previous, num_slots=4, num_gpus=2, num_nodes=1)
    assert slots[0].tolist() == [0, 1, 2, 3]
    assert {frozenset(slots[1][:2].tolist()), frozenset(slots[1][2:].tolist())} != {
        frozenset({0, 1}),
        frozenset({2, 3}),
    }
    program["THRESHOLD"] = 0.5
    lazy = program["plan"](history=history, previous=previous, num_slots=4, num_gpus=2, num_nodes=1)
    assert lazy.tolist() == previous.tolist()
