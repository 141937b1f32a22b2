"""Plain expert parallelism: every token is computed by the GPU that owns its expert.

Source: GShard (arXiv 2006.16668, section 3), where experts were first sharded over devices with an all-to-all before
and after them.
"""

import numpy as np


def at_owners(load: np.ndarray, owner: np.ndarray) -> np.ndarray:
    """All tokens at the owners of their experts: tokens (experts, gpus)."""
    plan = np.zeros(load.shape, dtype=np.int64)
    plan[np.arange(len(owner)), owner] = load.sum(axis=1)
    return plan


def dispatch(load: np.ndarray, owner: np.ndarray, num_gpus: int, num_nodes: int, hardware: np.ndarray) -> np.ndarray:
    """Plan one step: tokens of every expert on every GPU, int32 (experts, gpus)."""
    return at_owners(load, owner).astype(np.int32)
