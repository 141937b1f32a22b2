from __future__ import annotations

from collections.abc import Callable

import pytest

from evolve.selectors import Member

Make = Callable[..., Member]


@pytest.fixture
def member() -> Make:
    """Makes a member from a number and a lower bound."""

    def make(
        number: int,
        low: float,
        cell: tuple[int, ...] = (0,),
        *,
        is_seed: bool = False,
        parent: int | None = None,
        kinds: dict[str, float] | None = None,
    ) -> Member:
        return Member(
            number=number, mean=low + 1, low=low, cell=cell, is_seed=is_seed, parent=parent, kinds=kinds or {}
        )

    return make
