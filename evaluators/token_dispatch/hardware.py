"""What one step of a mixture-of-experts layer costs on a machine: peaks of the vendors, shares of them, units.

Sources of the peaks (dense bf16, one direction of a link): NVIDIA's A100 80GB, H100 SXM, H200 SXM and B200 datasheets;
400 Gb/s InfiniBand NDR and 200 Gb/s HDR are 50 and 25 GB/s a port, PCIe 5.0 x16 is 64 GB/s. The shares of a peak that
are reached are round figures of our own for large grouped GEMMs, for streaming reads and for large all-to-alls.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

GEMM_SHARE = 0.6
"""Share of peak FLOP/s that a large grouped GEMM reaches."""

MEMORY_SHARE = 0.8
"""Share of peak memory bandwidth at which an expert's weights are read."""

LINK_SHARE = 0.8
"""Share of a link's peak at which tokens and weights travel."""

LAUNCH_US = 4.0
"""Microseconds that one more expert costs on a GPU beside reading its weights: its three GEMMs and its activation."""

COLLECTIVE_US = (20.0, 45.0)
"""Microseconds until an all-to-all begins to move data, inside one node and across nodes."""

REARRANGE_US = (150.0, 220.0)
"""Microseconds that a step pays once it runs any expert away from its owner, inside one node and across nodes:
gathering all counts, an irregular all-to-all and grouped point-to-point sends instead of a fixed exchange. A round
figure, chosen so that LLEP (arXiv 2601.17111) loses on small batches as it is reported to."""

BYTES = 2
"""Bytes of a weight and of an activation (bf16)."""

MIB = float(1 << 20)


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """The shape of an MoE layer.

    Args:
        experts: routed experts.
        top_k: experts that a token visits.
        hidden: width of a token.
        intermediate: width inside an expert (SwiGLU: three matrices of hidden x intermediate).
    """

    experts: int
    top_k: int
    hidden: int
    intermediate: int

    @property
    def weight_bytes(self) -> float:
        """Bytes of one expert."""
        return 3.0 * self.hidden * self.intermediate * BYTES

    @property
    def token_flops(self) -> float:
        """FLOPs of one token in one expert."""
        return 6.0 * self.hidden * self.intermediate

    @property
    def activation_bytes(self) -> float:
        """Bytes that a GPU holds for one token of one expert: input, gate, up, their product, output."""
        return (2.0 * self.hidden + 3.0 * self.intermediate) * BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """Peaks of one GPU and of its links.

    Args:
        tflops: dense bf16, 1e12 FLOP/s.
        memory_gbs: memory bandwidth, GB/s.
        near_gbs: link to the GPUs of its node, GB/s in one direction.
        far_gbs: its share of the network between nodes, GB/s in one direction.
    """

    tflops: float
    memory_gbs: float
    near_gbs: float
    far_gbs: float


A100 = Gpu(tflops=312, memory_gbs=2039, near_gbs=300, far_gbs=25)
H100 = Gpu(tflops=989, memory_gbs=3350, near_gbs=450, far_gbs=50)
H200 = Gpu(tflops=989, memory_gbs=4800, near_gbs=450, far_gbs=50)
B200 = Gpu(tflops=2250, memory_gbs=8000, near_gbs=900, far_gbs=50)
# Without NVLink: all traffic in a node goes over PCIe 5.0.
H100_PCIE = dataclasses.replace(H100, tflops=756, memory_gbs=2000, near_gbs=64, far_gbs=25)
# 25 GB/s of Ethernet a GPU between nodes.
H100_ETHERNET = dataclasses.replace(H100, far_gbs=25)


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """All that the time and the memory of a step depend on, beside the tokens; in the order of the candidate's array.

    Args:
        token_us: one token through one expert.
        setup_us: one more expert on a GPU, however many tokens: launches, and its weights read from memory.
        near_token_us: one token's vector over a GPU's link inside the node, one way.
        far_token_us: the same over its link to other nodes.
        near_expert_us: one expert's weights over the link inside the node.
        far_expert_us: the same over the link to other nodes.
        collective_us: fixed part of an all-to-all; a step has two.
        rearrange_us: what a step pays once any expert runs away from its owner.
        expert_mib: an expert's weights.
        token_mib: activations of one token of one expert.
        memory_mib: what each GPU has for foreign weights and activations.
    """

    token_us: float
    setup_us: float
    near_token_us: float
    far_token_us: float
    near_expert_us: float
    far_expert_us: float
    collective_us: float
    rearrange_us: float
    expert_mib: float
    token_mib: float
    memory_mib: float

    def as_array(self) -> NDArray[np.float64]:
        """float64 ``(11,)``, what a candidate is given."""
        return np.array(dataclasses.astuple(self))


TIMES = 8
"""How many of the costs, the first, are times."""


def costs_of(model: Model, gpu: Gpu, num_nodes: int, memory_mib: float) -> Costs:
    """Costs of a step of this layer on these GPUs."""
    far = num_nodes > 1
    near_bytes_per_us, far_bytes_per_us = (1e3 * LINK_SHARE * gbs for gbs in (gpu.near_gbs, gpu.far_gbs))
    token_bytes = float(model.hidden * BYTES)
    return Costs(
        token_us=model.token_flops / (1e6 * GEMM_SHARE * gpu.tflops),
        setup_us=LAUNCH_US + model.weight_bytes / (1e3 * MEMORY_SHARE * gpu.memory_gbs),
        near_token_us=token_bytes / near_bytes_per_us,
        far_token_us=token_bytes / far_bytes_per_us,
        near_expert_us=model.weight_bytes / near_bytes_per_us,
        far_expert_us=model.weight_bytes / far_bytes_per_us,
        collective_us=COLLECTIVE_US[far],
        rearrange_us=REARRANGE_US[far],
        expert_mib=model.weight_bytes / MIB,
        token_mib=model.activation_bytes / MIB,
        memory_mib=memory_mib,
    )
