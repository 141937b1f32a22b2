"""What spoils of several problems need: places of their contents, drawn at random."""

from __future__ import annotations

import torch
from torch import Generator, Tensor


def any_of(count: int, random: Generator) -> int:
    """One of so many."""
    return int(torch.randint(count, (1,), generator=random, device=random.device))


def any_row(suitable: Tensor, random: Generator, what: str) -> int:
    """One of the rows that suit.

    Raises:
        ValueError: none does.
    """
    rows = suitable.nonzero().flatten()
    if not len(rows):
        raise ValueError(f"no row of these contents has {what}: spoil those of the audit case")
    return int(rows[any_of(len(rows), random)])
