"""Shapes of the blocks of the fused experts: layers of real models, numbers of tokens and laws of routing, by split."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from evaluators.kernels.forms import Call
from evaluators.kernels.task import Case, KernelWorkload
from evaluators.kernels.tasks.sizes import Tokens, case_seed, random_of
from evaluators.model import Split

LAWS = (
    "uniform",
    "few",
    "one_expert",
    "zeros",
    "zipf",
    "outliers",
    "signed",
    "ends",
    "shifted",
    "equal",
    "one_hot",
    "bursty",
    "steep",
)
"""How tokens, weights and routing are drawn, see `experts_laws`."""

CHECKED_LAWS = 3
"""So many of them are checked for each timed shape, in turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One mixture-of-experts layer, on one GPU. Both sizes are multiples of 64.

    Args:
        hidden: H, numbers of a token.
        inner: I, rows of the gate and of the other half of an expert.
        experts: E, how many there are.
        k: how many of them a token has.
    """

    hidden: int
    inner: int
    experts: int
    k: int


# From the published configuration files; "tp8" is one of eight GPUs that share every expert's rows.
QWEN3_30B = Layer(hidden=2048, inner=768, experts=128, k=8)
OLMOE = Layer(hidden=2048, inner=1024, experts=64, k=8)
MIXTRAL_TP8 = Layer(hidden=4096, inner=1792, experts=8, k=2)
QWEN3_235B_TP8 = Layer(hidden=4096, inner=192, experts=128, k=8)
DEEPSEEK_V2_LITE = Layer(hidden=2048, inner=1408, experts=64, k=6)
QWEN15_MOE = Layer(hidden=2048, inner=1408, experts=60, k=4)
GRANITE_3B = Layer(hidden=1536, inner=512, experts=40, k=8)
DBRX_TP8 = Layer(hidden=6144, inner=1344, experts=16, k=4)
GPT_OSS_20B = Layer(hidden=2880, inner=2880, experts=32, k=4)

_UNEVEN = Layer(hidden=320, inner=192, experts=60, k=4)
ODD = (
    (37, _UNEVEN),
    (0, _UNEVEN),
    (1, _UNEVEN),
    (67, Layer(hidden=64, inner=128, experts=1, k=1)),
)
"""Tokens and layers of calls checked beside the timed ones: sizes that are no multiples of 128 nor powers of two, no
token, one token, a single expert. Every further layer is compiled by itself, so these are few."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpertShape:
    """One timed shape.

    Args:
        tokens: how many.
        layer: of which model.
        law: how the contents of the timed calls are drawn.
    """

    tokens: Tokens
    layer: Layer
    law: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpertBlocks:
    """How the blocks of one of the two problems are drawn.

    Args:
        name: of the problem.
        shapes: timed shapes of each split, the cheapest first.
    """

    name: str
    shapes: Mapping[Split, tuple[ExpertShape, ...]]

    def draw(self, split: Split, seed: bytes, call: Callable[[int, Layer], Call]) -> list[KernelWorkload]:
        """One block.

        Args:
            split: which shapes.
            seed: of the block.
            call: makes a call of tokens and a layer.
        """
        random = random_of(seed, f"{self.name}:{split.value}")
        laws = random_of(seed, f"{self.name}:{split.value}:laws").randrange(len(LAWS))
        made = []
        for place, shape in enumerate(self.shapes[split]):
            timed = call(shape.tokens.draw(random), shape.layer)
            # Right on other contents of the timed size too, and not known beforehand on which: else a program could
            # take a short cut there.
            turn = [LAWS[(laws + 2 * place + step) % len(LAWS)] for step in range(CHECKED_LAWS)]
            checked = [(timed, law) for law in turn]
            if place < len(ODD):
                checked.insert(0, (call(*ODD[place]), turn[-1]))
            made.append(
                KernelWorkload(
                    name=timed.name,
                    timed=self._case(timed, shape.law, split, seed),
                    checked=tuple(self._case(one, law, split, seed) for one, law in checked),
                )
            )
        return made

    def _case(self, call: Call, law: str, split: Split, seed: bytes) -> Case:
        return Case(call=call, law=law, seed=case_seed(seed, f"{self.name}:{split.value}:{call.name}:{law}"))
