"""Frequency: load the experts that most tokens of the block chose.

Source: the batch-aware selection of Gupta, Sinha, Gavrilovska, Iyer, "Lynx: Enabling Efficient MoE Inference through
Dynamic Batch-Aware Expert Selection", arXiv 2411.08982, which drops a batch's least used experts. Gate weights are not
looked at; of equals the lower number comes first.
"""

import numpy as np


def select(ids: np.ndarray, weights: np.ndarray, budget: int) -> np.ndarray:
    """Choose the experts to load: different ones of the block, int32 (budget,)."""
    experts, tokens = np.unique(ids, return_counts=True)
    return experts[np.argsort(-tokens, kind="stable")[:budget]].astype(np.int32)
