"""Shapes of a block of kernel workloads: anchors that never change and sizes that are drawn from the block's seed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from evaluators.kernels.forms import Call
from evaluators.kernels.task import Case, KernelWorkload
from evaluators.model import Split


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """How many tokens a call has.

    Args:
        least: smallest number.
        most: largest number; the same makes it an anchor.
    """

    least: int
    most: int

    def draw(self, random: Random) -> int:
        """Draw a number; an anchor draws nothing."""
        return self.least if self.least == self.most else random.randint(self.least, self.most)


def anchor(tokens: int) -> Tokens:
    """A number that is the same in every block, so that figures can be compared."""
    return Tokens(least=tokens, most=tokens)


def about(tokens: int) -> Tokens:
    """A number within an eighth of the one given, so that it cannot be written into a program."""
    return Tokens(least=tokens - tokens // 8, most=tokens + tokens // 8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One timed shape.

    Args:
        tokens: how many.
        width: experts, or the hidden size.
        k: experts of each token.
    """

    tokens: Tokens
    width: int
    k: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocks:
    """How the blocks of a task are drawn.

    Args:
        name: of the task.
        shapes: timed shapes of each split, the cheapest first.
        odd: tokens, width and k of calls that are checked beside the first shapes.
        checked_tokens: least and most of half the odd number of tokens at which further laws are checked.
        laws: how contents are drawn; three of them are checked for each shape, in turn.
        timed_law: how those of the timed calls are drawn.
    """

    name: str
    shapes: Mapping[Split, tuple[Shape, ...]]
    odd: Sequence[tuple[int, int, int]]
    checked_tokens: tuple[int, int]
    laws: Sequence[str]
    timed_law: str

    def draw(
        self, split: Split, seed: bytes, call: Callable[[int, int, int], Call], other_law: Callable[[], str]
    ) -> list[KernelWorkload]:
        """One block.

        Args:
            split: which shapes.
            seed: of the block.
            call: makes a call of tokens, width and k.
            other_law: says how further contents of a timed size are drawn. It has to be right on those too: else large
                calls could take a short cut.
        """
        random = random_of(seed, f"{self.name}:{split.value}")
        made = []
        for place, shape in enumerate(self.shapes[split]):
            timed = call(shape.tokens.draw(random), shape.width, shape.k)
            odd = call(2 * random.randint(*self.checked_tokens) + 1, shape.width, shape.k)
            laws = [self.laws[(2 * place + step) % len(self.laws)] for step in range(3)]
            checked = [(odd, law) for law in laws]
            if place < len(self.odd):
                checked.append((call(*self.odd[place]), laws[0]))
            checked.append((timed, other_law()))
            made.append(
                KernelWorkload(
                    name=timed.name,
                    timed=self._case(timed, self.timed_law, split, seed),
                    checked=tuple(self._case(one, law, split, seed) for one, law in checked),
                )
            )
        return made

    def _case(self, call: Call, law: str, split: Split, seed: bytes) -> Case:
        return Case(call=call, law=law, seed=case_seed(seed, f"{self.name}:{split.value}:{call.name}:{law}"))


def random_of(seed: bytes, what: str) -> Random:
    """A generator for one purpose; another purpose or seed gives another."""
    return Random(_digest(seed, what))


def case_seed(seed: bytes, what: str) -> int:
    """Seed of one case's contents, 63 bits."""
    return _digest(seed, what) >> 1


def draw_seed(seed: int, number: int) -> int:
    """Seed of one draw of a case's contents, 63 bits."""
    return _digest(b"", f"draw:{seed}:{number}") >> 1


def _digest(seed: bytes, what: str) -> int:
    return int.from_bytes(hashlib.sha256(seed + b"|" + what.encode()).digest()[:8], "big")
