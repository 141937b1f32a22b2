"""Laws of sessions: which models, machines and traffic make up train, validation and hidden."""

from __future__ import annotations

from dataclasses import dataclass

from evaluators.model import Split
from evaluators.workloads.routes import RouteShape

# Raise with every change of what a seed gives, or of the simulator: scores of different versions never compare.
SESSIONS_VERSION = 3

EXPERT_BYTES = 3_059_712
"""An expert of Qwen3-30B-A3B with 4 to 6 bits a weight (Q4_K_M); layers with fewer bits have `SMALLER` of that."""

SMALLER = 2_654_208 / 3_059_712
"""Both sizes are those of the route logs of BigMoeOnEdge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Law:
    """What a session is drawn from; pairs are ranges, low to high, log-uniform.

    Args:
        layers: MoE layers; a recorded trace has its own.
        experts: routed experts per layer; likewise.
        top_k: experts per token and layer; likewise.
        share: share of all experts' bytes that the GPU holds.
        overlap: how many experts the link carries while a layer computes one token.
        accuracy: share of a guess of the next layer's experts that is right. No recorded route holds such guesses, so
            they are made of the truth; measured ones are right to some 80 % and more (arXiv:2312.17238, 2502.12224).
        link: speed of the link in bytes per second.
        stay: chance that a request is of the domain of the one before it.
        prompt: share of a sequence's tokens that are its prompt, uniform.
        steps: forward passes.
    """

    layers: int
    experts: int
    top_k: int
    share: tuple[float, float]
    overlap: tuple[float, float]
    accuracy: tuple[float, float] = (0.72, 0.86)
    link: tuple[float, float] = (6e9, 24e9)
    stay: float = 0.6
    prompt: tuple[float, float] = (0.15, 0.4)
    steps: int = 120

    def label(self, layers: int, experts: int, top_k: int) -> str:
        """Short name of sessions of a model of that shape, such as ``"12x64k6/30%"``."""
        middle = (self.share[0] * self.share[1]) ** 0.5
        return f"{layers}x{experts}k{top_k}/{100 * middle:.0f}%"

    @property
    def shape(self) -> RouteShape:
        """What a generated source is asked for: several times what is played, so that domains can be chosen."""
        return RouteShape(layers=self.layers, experts=self.experts, top_k=self.top_k, tokens=5 * self.steps)


def _law(shape: tuple[int, int, int], share: float, overlap: float, **more: float | tuple[float, float]) -> Law:
    """A law whose machine varies a little round the given one: draws of one law should be alike, laws should not."""
    return Law(
        layers=shape[0],
        experts=shape[1],
        top_k=shape[2],
        share=(share / 1.08, share * 1.08),
        overlap=(overlap / 1.2, overlap * 1.2),
        **more,  # type: ignore[arg-type]
    )


DRAWS = 2
"""How often each law is drawn in a block of train or validation; hidden laws are drawn twice as often."""

_WIDER: dict[str, tuple[float, float]] = {"link": (2e9, 40e9), "accuracy": (0.45, 0.95)}
"""Of hidden laws alone."""

LAWS = {
    Split.TRAIN: (
        _law((12, 64, 6), 0.30, 0.5, steps=54),
        _law((16, 48, 4), 0.25, 1.0, steps=40),
        _law((10, 64, 6), 0.50, 0.7, steps=64),
    ),
    Split.VALIDATION: (
        _law((14, 64, 6), 0.38, 0.8, steps=100),
        _law((20, 60, 4), 0.18, 0.6, steps=80),
        _law((12, 96, 8), 0.33, 0.4, steps=120),
    ),
    Split.HIDDEN: (
        _law((24, 60, 4), 0.20, 0.8, stay=0.4, **_WIDER),
        _law((26, 64, 6), 0.40, 0.4, stay=0.8, steps=110, **_WIDER),
        _law((36, 128, 4), 0.15, 1.2, stay=0.5, steps=80, **_WIDER),
        _law((48, 128, 8), 0.27, 0.6, stay=0.7, steps=80, prompt=(0.1, 0.6), **_WIDER),
    ),
}
"""By split, the cheapest first within each."""


def draws_of(split: Split) -> int:
    """How often each law is drawn."""
    return DRAWS if split is not Split.HIDDEN else 2 * DRAWS
