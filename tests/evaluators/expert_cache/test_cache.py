"""The simulator: worked examples by hand, and the published replay of a recorded route."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluators.expert_cache.belady import next_uses
from evaluators.expert_cache.cache import COMING, ExpertCache
from evaluators.expert_cache.session import Session, Visit
from evaluators.workloads.route_csv import RouteLog, read_route_log

MIB = 2**20
Play = Callable[[Session, int, ExpertCache], np.ndarray]


def serve_all(session: Session, policy: Play) -> list[Any]:
    cache = ExpertCache(session)
    return [
        cache.serve(visit, session.needed[number], policy(session, number, cache))
        for number, visit in enumerate(session.visits)
    ]


def lru(session: Session, number: int, cache: ExpertCache) -> np.ndarray:
    """All equal: then the least recently used leaves."""
    return np.zeros((session.layers, session.experts), dtype=np.float32)


def test_least_recently_used_by_hand(session_of: Any) -> None:
    """Two slots, requests 0 1 2 0: 2 drops 0, so the second 0 is loaded again."""
    served = serve_all(session_of([(0, [e]) for e in (0, 1, 2, 0, 2)]), lru)
    assert [visit.hits for visit in served] == [0, 0, 0, 0, 1]
    assert [visit.stall_seconds for visit in served] == [1, 1, 1, 1, 0]


def test_the_lowest_value_leaves_and_those_needed_never_do(session_of: Any) -> None:
    value = np.array([[-9, 5, 1, 0, 0, 0, 0, 0]], dtype=np.float32)
    session = session_of([(0, [0, 3])], slots=3, cached=[0, 1, 2])
    cache = ExpertCache(session)
    cache.serve(session.visits[0], session.needed[0], value)
    assert cache.state[0].tolist() == [1, 1, 0, 1, 0, 0, 0, 0]


def test_fetching_ahead_hides_behind_computing(session_of: Any) -> None:
    """Computing 2 s, a load 1 s: expert 5 arrives in time, and 6 while the next visit's stall is none."""
    session = session_of([(0, [0]), (0, [5])], slots=3, cached=[0, 1, 2], compute=2.0)
    wanted = np.array([[3, -1, -2, 0, 0, 9, 0, 0]], dtype=np.float32)
    cache = ExpertCache(session)
    first = cache.serve(session.visits[0], session.needed[0], wanted)
    assert (first.stall_seconds, first.loaded_bytes) == (0, 1)
    assert cache.state[0].tolist() == [1, 1, 0, 0, 0, 1, 0, 0]
    second = cache.serve(session.visits[1], session.needed[1], np.full((1, 8), -1, dtype=np.float32))
    assert (second.hits, second.stall_seconds) == (1, 0)


@pytest.mark.parametrize(("next_expert", "stall"), [(5, 0.25), (7, 1.25), (0, 0.0)])
def test_a_transfer_under_way_is_finished_first(session_of: Any, next_expert: int, stall: float) -> None:
    """Computing .75 s: expert 5 needs .25 s more. Who needs it waits for the rest, others for that and their own."""
    session = session_of([(0, [0]), (0, [next_expert])], slots=3, cached=[0, 1, 2], compute=0.75)
    value = np.array([[3, -1, -2, 0, 0, 9, 0, 0]], dtype=np.float32)
    cache = ExpertCache(session)
    cache.serve(session.visits[0], session.needed[0], value)
    assert cache.state[0, 5] == COMING
    served = cache.serve(session.visits[1], session.needed[1], np.full((1, 8), -1, dtype=np.float32))
    assert served.stall_seconds == pytest.approx(stall)


def test_nothing_is_fetched_that_is_worth_no_more_than_what_must_leave(session_of: Any) -> None:
    session = session_of([(0, [0])], slots=3, cached=[0, 1, 2], compute=9.0)
    cache = ExpertCache(session)
    cache.serve(session.visits[0], session.needed[0], np.full((1, 8), 7, dtype=np.float32))
    assert cache.state[0].tolist() == [1, 1, 1, 0, 0, 0, 0, 0]


def test_what_a_visit_drops_is_not_fetched_back_by_the_same_reply(session_of: Any) -> None:
    """Expert 1 of layer 0 (2 bytes) leaves for expert 0 of layer 1 (1 byte), which leaves a byte of room."""
    session = session_of([(1, [0])], layers=2, slots=0, cached=[1], sizes=[2, 1], capacity=2, compute=9.0)
    cache = ExpertCache(session)
    served = cache.serve(session.visits[0], session.needed[0], np.full((2, 8), 1, dtype=np.float32) * [[1], [0]])
    assert served.loaded_bytes == 1
    assert cache.state.sum() == 1


def test_a_layer_that_needs_more_than_the_cache_gets_it(session_of: Any) -> None:
    """For that visit alone: the next one needs nothing new, and yet the cache is back within its capacity."""
    session = session_of([(0, [0, 1, 2]), (0, [2])], slots=2, cached=[4])
    cache = ExpertCache(session)
    zeros = np.zeros((1, 8), dtype=np.float32)
    assert cache.serve(session.visits[0], session.needed[0], zeros).stall_seconds == 3
    assert cache.state.sum() == 3
    assert cache.serve(session.visits[1], session.needed[1], zeros).stall_seconds == 0
    assert cache.state[0].tolist() == [0, 1, 1, 0, 0, 0, 0, 0]


def test_the_cache_never_holds_too_much(session_of: Any) -> None:
    rng = np.random.default_rng(0)
    routes = [(visit % 3, rng.choice(8, size=2, replace=False)) for visit in range(90)]
    session = session_of(routes, layers=3, slots=0, sizes=[3, 2, 4], capacity=20, compute=5.0)
    cache = ExpertCache(session)
    sizes = np.repeat(session.expert_bytes, 8)
    for visit, needed in zip(session.visits, session.needed, strict=True):
        cache.serve(visit, needed, rng.normal(size=(3, 8)).astype(np.float32))
        assert sizes[cache.state.ravel() > 0].sum() <= 20
        assert (cache.state.ravel()[needed] == 1).all()


def recorded_visits(log: RouteLog) -> list[Visit]:
    """The recorded prompt in one pass, then its decoding."""
    visits = []
    for step in (-1, *np.unique(log.step[log.decode]).tolist()):
        of_step = log.decode & (log.step == step) if step >= 0 else ~log.decode
        for layer in range(log.layers):
            rows = np.flatnonzero(of_step & (log.layer == layer))
            ids = log.expert[rows].reshape(-1, log.top_k)
            gates = log.weight[rows].reshape(ids.shape)
            none = np.full_like(ids, -1)
            visits.append(Visit(step=step, layer=layer, ids=ids, weights=gates, guess=none, compute_seconds=1e-3))
    return visits


def recorded_session(log: RouteLog, visits: list[Visit], mib: float) -> Session:
    """So much cache, empty at first."""
    return Session(
        name="recorded",
        stratum="",
        experts=log.experts,
        expert_bytes=log.expert_bytes,
        capacity_bytes=int(mib * MIB),
        link_bytes_per_second=1e9,
        visits=tuple(visits),
        cached=np.zeros((log.layers, log.experts), dtype=np.bool_),
        gate_seconds=1.0,
    )


@pytest.fixture(scope="module")
def traces() -> Path:
    folder = Path(os.environ.get("EVOLVE_TRACES", ""))
    if "EVOLVE_TRACES" not in os.environ or not (folder / "qwen.route.csv").exists():
        pytest.skip("EVOLVE_TRACES names no folder with qwen.route.csv and qwen-curve.csv")
    return folder


@pytest.fixture(scope="module")
def published(traces: Path) -> dict[tuple[int, str], float]:
    with (traces / "qwen-curve.csv").open() as file:
        return {(int(row["budget_mib"]), row["policy"]): float(row["hit_pct_decode"]) for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def log(traces: Path) -> RouteLog:
    return read_route_log(traces / "qwen.route.csv")


@pytest.fixture(scope="module")
def visits(log: RouteLog) -> list[Visit]:
    return recorded_visits(log)


def lfu(counts: np.ndarray) -> Play:
    def policy(session: Session, number: int, cache: ExpertCache) -> np.ndarray:
        counts.ravel()[session.needed[number]] += 1
        return np.where(cache.state > 0, counts, -1.0)

    return policy


def belady(session: Session) -> Play:
    uses = next_uses(session)
    coming = uses.first.copy()

    def policy(session: Session, number: int, cache: ExpertCache) -> np.ndarray:
        coming[session.needed[number]] = uses.after[number]
        return -coming.astype(np.float64)

    return policy


def counted(session: Session, policy: Play) -> tuple[int, int]:
    served = serve_all(session, policy)
    decoded = [one for one, visit in zip(served, session.visits, strict=True) if visit.step >= 0]
    return sum(one.hits for one in decoded), sum(one.needed for one in decoded)


@pytest.mark.parametrize(
    ("mib", "name"), [(1000, "lru"), (2000, "lru"), (4000, "lru"), (2000, "lfu"), (2000, "belady")]
)
def test_published_replay_is_reproduced(
    log: RouteLog, visits: list[Visit], published: dict[tuple[int, str], float], mib: int, name: str
) -> None:
    """Decode hit rates of BigMoeOnEdge's replay, in points."""
    session = recorded_session(log, visits, mib)
    policies = {"lru": lru, "lfu": lfu(np.zeros((log.layers, log.experts))), "belady": belady(session)}
    hits, needed = counted(session, policies[name])
    assert 100 * hits / needed == pytest.approx(published[mib, name], abs=0.15)


def test_published_replay_of_layers_of_their_own(
    log: RouteLog, visits: list[Visit], published: dict[tuple[int, str], float]
) -> None:
    """Frequency within equal parts of the cache, one for each layer: as many caches."""
    hits = needed = 0
    for layer in range(log.layers):
        session = recorded_session(log, [visit for visit in visits if visit.layer == layer], 2000 / log.layers)
        own = counted(session, lfu(np.zeros((log.layers, log.experts))))
        hits, needed = hits + own[0], needed + own[1]
    assert 100 * hits / needed == pytest.approx(published[2000, "layerlfu"], abs=0.15)
