"""What may be renamed or scaled without effect on the objective."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from evaluators.expert_cache.session import Session
from evaluators.problem import Relation
from evaluators.replies import Array

Change = tuple[Session, Callable[[Array], Array]]


def _relabel_experts(session: Session, rng: np.random.Generator) -> Change:
    """Expert ``e`` of layer ``l`` becomes ``new[l, e]`` in routes, cache and replies."""
    new = np.stack([rng.permutation(session.experts) for _ in range(session.layers)]).astype(np.int32)
    visits = tuple(
        dataclasses.replace(
            visit,
            ids=new[visit.layer][visit.ids],
            guess=visit.guess if visit.guess[0, 0] < 0 else new[visit.layer + 1][visit.guess],
        )
        for visit in session.visits
    )
    rows = np.arange(session.layers)[:, None]
    cached = np.empty_like(session.cached)
    cached[rows, new] = session.cached

    def relabelled(value: Array) -> Array:
        changed = np.empty_like(value)
        changed[rows, new] = value
        return changed

    return dataclasses.replace(session, visits=visits, cached=cached), relabelled


def _scale_time(session: Session, rng: np.random.Generator) -> Change:
    """Link and GPU are quicker by the same power of two, which rounds nothing."""
    factor = float(2.0 ** rng.integers(1, 4))
    visits = tuple(
        dataclasses.replace(visit, compute_seconds=visit.compute_seconds / factor) for visit in session.visits
    )
    link = session.link_bytes_per_second * factor
    return dataclasses.replace(session, visits=visits, link_bytes_per_second=link), lambda value: value


def _scale_bytes(session: Session, rng: np.random.Generator) -> Change:
    """Experts, cache and link are larger by the same power of two."""
    factor = int(2 ** rng.integers(1, 4))
    changed = dataclasses.replace(
        session,
        expert_bytes=session.expert_bytes * factor,
        capacity_bytes=session.capacity_bytes * factor,
        link_bytes_per_second=session.link_bytes_per_second * factor,
    )
    return changed, lambda value: value


def _scale_values(session: Session, rng: np.random.Generator) -> Change:
    """Only the order of values counts, and which are above 0."""
    factor = np.float32(2.0 ** rng.integers(1, 4))
    return session, lambda value: value * factor


def _other_guesses(session: Session, rng: np.random.Generator) -> Change:
    """What a policy is told has no effect but by its replies."""
    visits = tuple(
        dataclasses.replace(visit, guess=rng.permuted(visit.guess, axis=1), weights=visit.weights[:, ::-1].copy())
        for visit in session.visits
    )
    return dataclasses.replace(session, visits=visits), lambda value: value


RELATIONS = (
    Relation(name="relabel experts", change=_relabel_experts),
    Relation(name="scale time", change=_scale_time),
    Relation(name="scale bytes", change=_scale_bytes),
    Relation(name="scale values", change=_scale_values),
    Relation(name="other guesses and weights", change=_other_guesses),
)
