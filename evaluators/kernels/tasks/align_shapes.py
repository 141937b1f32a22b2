"""Shapes of the blocks of `moe_align`: tokens, experts, choices and block sizes of real models, by split."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from evaluators.kernels.forms import Call
from evaluators.kernels.task import Case, KernelWorkload
from evaluators.kernels.tasks.sizes import Tokens, about, anchor, case_seed, random_of
from evaluators.model import Split

NAME = "moe_align"
LAWS = (
    "uniform",
    "one_expert",
    "router",
    "one_over",
    "ends",
    "repeated",
    "zipf",
    "exact",
    "few",
    "ascending",
    "bursty",
    "round_robin",
    "descending",
)
"""How ids are drawn, see `align_laws`."""

SKEWED = ("one_expert", "zipf", "ends", "few")
"""Those in which few experts have most of the rows: what reckons with a share for each goes wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlignShape:
    """One timed shape.

    Args:
        tokens: how many.
        experts: how many.
        k: experts of each token.
        block: rows that one program of the matrix product takes.
        law: how the ids of the timed calls are drawn.
    """

    tokens: Tokens
    experts: int
    k: int
    block: int
    law: str


# Experts and k of: DeepSeek-V2-Lite 64/6, Qwen3-30B 128/8, Mixtral 8/2, DeepSeek-V3 256/8. The three with 2,048, 32,768
# and 131,072 ids are those for which times of libraries are known. Blocks are those of tuned matrix products.
_TRAIN = (
    AlignShape(tokens=Tokens(least=4, most=24), experts=64, k=6, block=16, law="router"),
    AlignShape(tokens=about(4500), experts=8, k=2, block=128, law="router"),
    AlignShape(tokens=anchor(256), experts=128, k=8, block=64, law="uniform"),
    AlignShape(tokens=about(2000), experts=256, k=8, block=64, law="router"),
    AlignShape(tokens=anchor(4096), experts=128, k=8, block=64, law="uniform"),
    AlignShape(tokens=anchor(16384), experts=128, k=8, block=64, law="router"),
)
# OLMoE 64/8, gpt-oss-20b 32/4, DBRX 16/4; the others as above at other sizes.
_VALIDATION = (
    AlignShape(tokens=Tokens(least=1, most=12), experts=128, k=8, block=16, law="uniform"),
    AlignShape(tokens=about(200), experts=64, k=8, block=16, law="router"),
    AlignShape(tokens=about(3000), experts=32, k=4, block=64, law="router"),
    AlignShape(tokens=about(9000), experts=16, k=4, block=128, law="uniform"),
    AlignShape(tokens=about(12000), experts=64, k=6, block=64, law="router"),
    AlignShape(tokens=about(13000), experts=256, k=8, block=64, law="router"),
)
# DeepSeek-V2 160/6, Qwen1.5-MoE 60/4, Phi-3.5-MoE 16/2, Kimi K2 384/8, Qwen3-Next 512/10, gpt-oss-120b 128/4.
_HIDDEN = (
    AlignShape(tokens=about(24), experts=160, k=6, block=16, law="bursty"),
    AlignShape(tokens=about(500), experts=60, k=4, block=32, law="zipf"),
    AlignShape(tokens=about(9000), experts=16, k=2, block=128, law="bursty"),
    AlignShape(tokens=about(1200), experts=384, k=8, block=64, law="zipf"),
    AlignShape(tokens=about(2600), experts=512, k=10, block=64, law="bursty"),
    AlignShape(tokens=about(28000), experts=128, k=4, block=128, law="zipf"),
)
SHAPES = {Split.TRAIN: _TRAIN, Split.VALIDATION: _VALIDATION, Split.HIDDEN: _HIDDEN}

ODD = ((0, 64, 6, 16), (1, 128, 8, 64), (37, 60, 5, 8), (3, 8, 8, 256), (129, 1, 1, 16))
"""Tokens, experts, k and block of calls checked beside the timed ones: no token, one token, no power of two, all
experts of every token, a single expert."""

CHECKED_TOKENS = (8, 60)
"""Least and most of half the odd number of tokens at which further laws are checked."""

MakeCall = Callable[[int, int, int, int], Call]


def draw(split: Split, seed: bytes, call: MakeCall) -> list[KernelWorkload]:
    """One block.

    Args:
        split: which shapes.
        seed: of the block.
        call: makes a call of tokens, experts, k and block.
    """
    random = random_of(seed, f"{NAME}:{split.value}")
    others = random_of(seed, f"{NAME}:{split.value}:laws of timed sizes")
    made = []
    for place, shape in enumerate(SHAPES[split]):
        timed = call(shape.tokens.draw(random), shape.experts, shape.k, shape.block)
        odd = call(2 * random.randint(*CHECKED_TOKENS) + 1, shape.experts, shape.k, shape.block)
        laws = [LAWS[(2 * place + step) % len(LAWS)] for step in range(3)]
        checked = [(odd, law) for law in laws]
        if place < len(ODD):
            checked.append((call(*ODD[place]), laws[0]))
        # Large calls have to be right on other contents too: else they could take a short cut.
        different = [law for law in (SKEWED if place % 2 else LAWS) if law != shape.law]
        checked.append((timed, others.choice(different)))
        made.append(
            KernelWorkload(
                name=timed.name,
                timed=_case(timed, shape.law, split, seed),
                checked=tuple(_case(one, law, split, seed) for one, law in checked),
            )
        )
    return made


def _case(call: Call, law: str, split: Split, seed: bytes) -> Case:
    return Case(call=call, law=law, seed=case_seed(seed, f"{NAME}:{split.value}:{call.name}:{law}"))
