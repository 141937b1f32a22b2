"""Offline operators on syntax trees: a proposer that needs no model, no key and no network.

Each family lives in its own module: `constants`, `crossover`, `exchange`, `graft`, `blend`, `warm_start`, `tidy`, and
`mutate` with `typed` and `statements`. `kinds` and `numerics` guess what expressions are, `roles` what components are
for, `cuts` and `idle` what can go. All splice text by tree positions, so that comments, docstrings and layout survive.
"""

from evolve.proposers.operators.proposer import OPERATORS, WEIGHTS, Operators

__all__ = ["OPERATORS", "WEIGHTS", "Operators"]
