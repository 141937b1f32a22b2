"""The value that every source of affinities produces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreStream:
    """Affinities of one router at one step of training, for tokens of one domain in the order of the text.

    Args:
        model: name of the model.
        domain: name of the domain.
        layer: which of the model's MoE layers.
        step: which of the recorded steps of training, from 0 on; the last is the trained model.
        top_k: experts that each token visits.
        affinity: float32 ``(tokens, experts)`` in 0..1, what the router's sigmoid gave, without bias.
        bias: float32 ``(experts,)``, what the model added to choose experts (arXiv:2408.15664); zeros where nothing.
        sequence: int32 ``(tokens,)``, rising: which sequence each token is of.
    """

    model: str
    domain: str
    layer: int
    step: int
    top_k: int
    affinity: NDArray[np.float32]
    bias: NDArray[np.float32]
    sequence: NDArray[np.int32]
