"""Proposers: each writes candidate programs in its own way, behind `evolve.proposal.Proposer`."""

from __future__ import annotations

from evolve.proposers.operators import Operators

PROPOSERS = {"operators": Operators}
"""Proposers by the name that a run's settings use."""
