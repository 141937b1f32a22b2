"""Everything that the judge derives from biases.

A batch has affinities ``(tokens, experts)``, what the router's sigmoid gave. A token visits the ``top_k`` experts with
the largest affinity + bias; its gate weights are the affinities alone (arXiv:2408.15664).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluators.replies import Expected

Affinity = NDArray[np.float32]
Bias = NDArray[np.float32]

MU = 0.1
"""Price of one unit of MaxVio in shares of the gate mass (see docs/bias_control.md)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Routed:
    """What biases made of a batch.

    Args:
        load: int32 ``(experts,)``, tokens of each expert.
        kept: gate mass of the chosen experts over that of each token's best, in 0..1.
        violation: MaxVio, largest over mean load minus 1 (arXiv:2408.15664).
    """

    load: NDArray[np.int32]
    kept: float
    violation: float

    @property
    def objective(self) -> float:
        """Gate mass kept minus the price of the violation."""
        return self.kept - MU * self.violation


def bias_form(experts: int) -> Expected:
    """The form of a legal reply: float32 ``(experts,)``, finite; a difference of more than 1 decides by itself."""
    return Expected(what="the bias", dtype="float32", shape=(experts,))


def routed(affinity: Affinity, bias: Bias, top_k: int) -> Routed:
    """Route a batch; sums are in double precision, so that biases are compared exactly."""
    tokens, experts = affinity.shape
    exact = affinity.astype(np.float64)
    chosen = np.argpartition(exact + bias, experts - top_k, axis=1)[:, experts - top_k :]
    load = np.bincount(chosen.ravel(), minlength=experts)
    kept = float(np.take_along_axis(exact, chosen, axis=1).sum()) / best_mass(exact, top_k)
    violation = float(load.max()) * experts / (tokens * top_k) - 1
    return Routed(load=load.astype(np.int32), kept=kept, violation=violation)


def best_mass(affinity: NDArray[np.float64], top_k: int) -> float:
    """Sum over tokens of their ``top_k`` largest affinities."""
    place = affinity.shape[1] - top_k
    return float(np.partition(affinity, place, axis=1)[:, place:].sum())
