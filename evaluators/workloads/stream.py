"""The value that every source of expert loads produces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadStream:
    """Token counts per window, layer and expert of one serving deployment.

    Args:
        name: unique within its workload set, such as ``"26x64/drifting"``.
        loads: float32 ``(windows, layers, experts)``, tokens routed to each expert, oldest window first.
        num_slots: physical expert slots per layer, a multiple of ``num_gpus``, at least ``experts``.
        num_gpus: GPUs that share the experts, a multiple of ``num_nodes``.
        num_nodes: servers that hold the GPUs.
        warm_windows: how many leading windows are history only; each later window is planned for and scored.
        gate_seconds: how long one plan may take.
        stratum: the law that it was drawn from; empty where it is the only draw.
    """

    name: str
    loads: NDArray[np.float32]
    num_slots: int
    num_gpus: int
    num_nodes: int
    warm_windows: int
    gate_seconds: float
    stratum: str = ""

    @property
    def scored_windows(self) -> int:
        """How many windows are planned for."""
        return len(self.loads) - self.warm_windows
