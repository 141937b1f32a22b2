"""What a plan is made for: a model's experts and the machine that holds them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A model on a machine.

    Args:
        layers: MoE layers.
        experts: routed experts per layer, a multiple of ``num_groups``.
        top_k: experts that a token visits per layer; loads depend on it, plans do not.
        num_slots: expert slots per layer; a multiple of ``num_gpus``, at least ``experts`` and two for each GPU.
        num_groups: groups of consecutive experts among which the router chooses first; 1 for ungrouped routing.
        num_nodes: servers.
        num_gpus: GPUs, a multiple of ``num_nodes``.
    """

    layers: int
    experts: int
    top_k: int
    num_slots: int
    num_groups: int = 1
    num_nodes: int
    num_gpus: int

    def __post_init__(self) -> None:
        """Refuse a machine that cannot hold the model, or on which plans hardly differ."""
        counts = (self.layers, self.experts, self.top_k, self.num_slots, self.num_groups, self.num_nodes)
        if min(counts) < 1 or self.num_gpus < 2:
            raise ValueError(f"needs counts of at least 1, and two GPUs, got {self}")
        if self.num_slots % self.num_gpus or self.num_gpus % self.num_nodes or self.experts % self.num_groups:
            raise ValueError(f"needs slots % gpus == 0, gpus % nodes == 0 and experts % groups == 0, got {self}")
        if self.num_slots < max(self.experts, 2 * self.num_gpus):
            raise ValueError(f"needs slots >= experts and two slots per GPU, got {self}")

    @property
    def is_hierarchical(self) -> bool:
        """Whether groups are dealt to nodes, as DeepSeek EPLB does where they divide evenly."""
        return self.num_nodes > 1 and self.num_groups % self.num_nodes == 0

    @property
    def label(self) -> str:
        """Short name, such as ``"58x256/32gpu/288"``."""
        return f"{self.layers}x{self.experts}/{self.num_gpus}gpu/{self.num_slots}"
