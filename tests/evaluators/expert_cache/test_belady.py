"""Hindsight: Belady's rule and the bound on stall, against exhaustive search and against every policy."""

from __future__ import annotations

from functools import cache
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evaluators.expert_cache.belady import NEVER, belady_stalls, least_loaded_bytes, least_stall_seconds, next_uses
from evaluators.expert_cache.cache import ExpertCache
from evaluators.expert_cache.session import Session


def test_next_uses_by_hand(session_of: Any) -> None:
    uses = next_uses(session_of([(0, [0]), (0, [1]), (0, [0])]))
    assert uses.first[:3].tolist() == [0, 1, NEVER]
    assert [after.tolist() for after in uses.after] == [[2], [NEVER], [NEVER]]


def test_textbook_example_of_belady(session_of: Any) -> None:
    """Requests 7 0 1 2 0 3 0 4 2 3 0 3 on three frames fault 7 times (Silberschatz, Galvin and Gagne)."""
    session = session_of([(0, [page]) for page in (7, 0, 1, 2, 0, 3, 0, 4, 2, 3, 0, 3)], slots=3)
    assert belady_stalls(session, ahead=False).sum() == 7
    assert least_loaded_bytes(session) == 7


def fewest_loads(routes: list[tuple[int, ...]], slots: int) -> int:
    """By trying every way to drop whole experts."""

    @cache
    def best(number: int, held: frozenset[int]) -> int:
        if number == len(routes):
            return 0
        needed = frozenset(routes[number])
        others = held - needed
        room = max(0, slots - len(needed))
        keeps = [frozenset(kept) for kept in combinations(sorted(others), min(room, len(others)))]
        return len(needed - held) + min(best(number + 1, needed | kept) for kept in keeps)

    return best(0, frozenset())


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.lists(st.integers(0, 5), min_size=1, max_size=2, unique=True), min_size=1, max_size=9),
    st.integers(1, 4),
)
def test_fewest_loads_of_equal_experts_are_exact(session_of: Any, routes: list[list[int]], slots: int) -> None:
    session = session_of([(0, own) for own in routes], slots=slots)
    assert least_loaded_bytes(session) == fewest_loads([tuple(own) for own in routes], slots)


def random_session(session_of: Any, rng: np.random.Generator) -> Session:
    layers = int(rng.integers(1, 4))
    sizes = rng.integers(2, 5, size=layers).tolist()
    routes = [(visit % layers, rng.choice(6, size=2, replace=False)) for visit in range(24 * layers)]
    capacity = int(rng.integers(8, 6 * sum(sizes)))
    cached, used = [], 0
    for expert in rng.permutation(6 * layers).tolist():
        if used + sizes[expert // 6] <= capacity:
            cached.append(expert)
            used += sizes[expert // 6]
    session: Session = session_of(
        routes,
        layers=layers,
        experts=6,
        cached=cached,
        sizes=sizes,
        capacity=capacity,
        compute=float(rng.choice([0.0, 1.5, 6.0])),
    )
    return session


def played(session: Session, values: list[np.ndarray]) -> tuple[float, int]:
    """Stall and bytes of fixed replies."""
    cache = ExpertCache(session)
    served = [cache.serve(visit, session.needed[n], values[n]) for n, visit in enumerate(session.visits)]
    return sum(one.stall_seconds for one in served), sum(one.loaded_bytes for one in served)


@pytest.mark.parametrize("seed", range(25))
def test_no_policy_beats_the_bound(session_of: Any, seed: int) -> None:
    """Random replies, clairvoyant ones and those in between: fetching ahead or not, with experts of unlike sizes."""
    rng = np.random.default_rng(seed)
    session = random_session(session_of, rng)
    bytes_bound, stall_bound = least_loaded_bytes(session), least_stall_seconds(session)
    assert belady_stalls(session, ahead=False).sum() >= stall_bound - 1e-9
    assert belady_stalls(session, ahead=True).sum() >= stall_bound - 1e-9
    uses = next_uses(session)
    for noise in (0.0, 3.0, 1000.0):
        coming, values = uses.first.astype(np.float64), []
        for needed, after in zip(session.needed, uses.after, strict=True):
            coming[needed] = after
            near = np.minimum(coming, 500.0) + noise * rng.normal(size=coming.shape)
            values.append((1000.0 - near).reshape(session.layers, -1).astype(np.float32))
        stall, moved = played(session, values)
        assert stall >= stall_bound - 1e-9
        assert moved >= bytes_bound


def test_the_bound_is_reached_where_loads_hide_fully(session_of: Any) -> None:
    """Computing 1 s and a load of 1 s: after the first everything can be fetched ahead."""
    session = session_of([(0, [page]) for page in (0, 1, 2, 3, 0, 1)], slots=2, compute=1.0)
    assert belady_stalls(session, ahead=True).sum() == 1.0
    assert least_stall_seconds(session) <= 1.0
