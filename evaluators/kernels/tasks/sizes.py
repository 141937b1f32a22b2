"""Shapes of a block of kernel workloads: anchors that never change and sizes that are drawn from the block's seed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from random import Random


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
