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
    """

    name: str
    loads: NDArray[np.float32]
    num_slots: int
    num_gpus: int
    num_nodes: int
    warm_windows: int
    gate_seconds: float

    @property
    def stratum(self) -> str:
        """The machine, and where a name ends in a draw's number also the law: ``"26x64/8gpu/piecewise"``.

        Slots are left out: draws of a machine with more or fewer slots count as draws of one stratum, which
        makes the error larger and never smaller.
        """
        parts = self.name.split("/")
        if not parts[-1].isdecimal():
            return self.name
        return "/".join(part for part in parts[:-1] if not part.isdecimal())

    @property
    def scored_windows(self) -> int:
        """How many windows are planned for."""
        return len(self.loads) - self.warm_windows
