"""The value that a workload is: batches of tokens that meet one router, drawn and not yet computed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from evaluators.bias_control.measures import Affinity
from evaluators.bias_control.optimum import Optimum, optimum

PARTNER = 0.3
"""Weight of the second token in a drawn one; see `BatchStream.affinity`."""


@dataclass(frozen=True, kw_only=True)
class BatchStream:
    """Batches of tokens that meet one router, in the order of time.

    Args:
        name: unique within its block.
        stratum: the law that it was drawn from.
        top_k: experts that a token visits.
        logits: float32 ``(steps, tokens, experts)``, of the recorded tokens at the recorded steps of training.
        domain: int64 ``(tokens,)``, the domain of each.
        picks: int32 ``(batches, 2, size)``, which two recorded tokens each token of a batch is drawn from.
        path: float64 ``(batches,)``, the step of training at each batch, between the recorded ones too.
    """

    name: str
    stratum: str
    top_k: int
    logits: NDArray[np.float32]
    domain: NDArray[np.int64]
    picks: NDArray[np.int32]
    path: NDArray[np.float64]

    @property
    def experts(self) -> int:
        """Experts of the layer."""
        return int(self.logits.shape[2])

    @property
    def size(self) -> int:
        """Tokens of a batch."""
        return int(self.picks.shape[2])

    def affinity(self, batch: int) -> Affinity:
        """Affinities of a batch, float32 ``(size, experts)``.

        Between recorded steps logits are interpolated. A token is drawn by the smoothed bootstrap (Silverman and Young,
        Biometrika 74, 1987): the deviations of two tokens from their domain's mean are added with weights whose squares
        sum to 1. That leaves means and covariances as recorded, and makes n^2 different tokens of n.
        """
        before = int(min(self.path[batch], max(0, len(self.logits) - 2)))
        after = min(before + 1, len(self.logits) - 1)
        part = np.float32(self.path[batch] - before)
        table = (1 - part) * self.logits[before] + part * self.logits[after]
        mean = np.stack([table[self.domain == number].mean(axis=0) for number in range(int(self.domain.max()) + 1)])
        centred = table - mean[self.domain]
        own, partner = self.picks[batch]
        logits = mean[self.domain[own]]
        logits += np.float32(np.sqrt(1 - PARTNER**2)) * centred[own]
        logits += np.float32(PARTNER) * centred[partner]
        affinity: Affinity = 1 / (1 + np.exp(-logits))
        return affinity

    @cached_property
    def optima(self) -> tuple[Optimum, ...]:
        """The optimum of each scored batch, that is of all but the first; kept, because two marks need it."""
        found: list[Optimum] = []
        start = np.zeros(self.experts)
        for batch in range(1, len(self.path)):
            found.append(optimum(self.affinity(batch), self.top_k, start))
            start = found[-1].dual
        return tuple(found)
