"""Offline operators on syntax trees: a proposer that needs no model, no key and no network.

Each family lives in its own module: `constants`, `crossover`, `graft`, `blend`, `warm_start`, `mutate` and
`statements`. All splice text by tree positions, so that comments, docstrings and layout survive.
"""

from evolve.proposers.operators.proposer import Operators

__all__ = ["Operators"]
