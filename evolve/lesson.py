"""What whoever learns from a search is told of every verdict on train workloads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from db.records import NewCandidate
from evaluators.model import Evaluation


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """A first verdict on a candidate, or a further one.

    Args:
        candidate: on whom.
        evaluation: on train workloads; ok, stopped or failed.
        is_first: whether it is the first one on that candidate.
        value: its mean score in points, comparable over blocks (its paired lead over the best seed added to that
            one's mark); for a stopped one over the workloads that it finished; None where it failed.
        merit: the lower end of what it is ranked by, in points; None where it is not ok.
        parent_merit: the same of its first parent; None if unknown.
        best_merit: the highest merit of anybody else; None before there is one.
    """

    candidate: NewCandidate
    evaluation: Evaluation
    is_first: bool
    value: float | None
    merit: float | None
    parent_merit: float | None
    best_merit: float | None


Learner = Callable[[Lesson], None]
"""Hears of every verdict in order, also in a replay; its state must be a function of what it hears."""
