from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from evaluators.request_router.bounds import ceiling, fleet_work, least_work, most_in_time
from evaluators.request_router.measures import values
from evaluators.request_router.oracle import ideal_objective
from evaluators.request_router.service import serve
from evaluators.request_router.traffic import Speeds, Traffic
from evaluators.request_router.workloads import FleetLaw

Make = Callable[..., Traffic]


def prefixes(steps: list[int]) -> tuple[int, ...]:
    """Hashes of a prompt whose blocks are these: each names all steps up to its own."""
    return tuple(itertools.accumulate(steps, lambda before, step: 10 * before + step))


def by_trying_all(releases: np.ndarray, deadlines: np.ndarray, work: np.ndarray) -> int:
    for size in range(len(work), 0, -1):
        for chosen in itertools.combinations(range(len(work)), size):
            now = 0.0
            for job in chosen:
                now = max(now, releases[job]) + work[job]
                if now > deadlines[job] + 1e-12:
                    break
            else:
                return size
    return 0


def test_most_in_time_is_exact(rng: np.random.Generator) -> None:
    sizes = set()
    for _ in range(300):
        jobs = int(rng.integers(1, 9))
        releases = np.sort(rng.integers(0, 12, jobs)).astype(float)
        deadlines = np.maximum.accumulate(releases + rng.integers(1, 7, jobs))
        work = rng.integers(1, 7, jobs).astype(float)
        found = most_in_time(releases, deadlines, work)
        assert found == by_trying_all(releases, deadlines, work)
        sizes.add(jobs - found)
    assert {0, 1, 2, 3} <= sizes


def test_least_work_shares_one_endless_cache(traffic: Make) -> None:
    work = least_work(traffic([0, 1, 2, 3], [(1, 2), (1, 3), (1, 2, 4), (1, 3)]))
    assert work == pytest.approx([1.024, 0.512, 0.512, 0.001])


def test_fleet_work_adds_up() -> None:
    fleet = (Speeds(factors=(0.5,)), Speeds(starts=(0.0, 2.0, 3.0), factors=(1.0, 0.0, 2.0)))
    assert fleet_work(fleet, np.array([0.0, 1.0, 2.5, 4.0])) == pytest.approx([0.0, 1.5, 3.25, 6.0])


def test_the_ceiling_by_hand(traffic: Make) -> None:
    # Four prompts of 1.024 s at once, limit 2 s, on speeds 1 and 1: three fit into the first 4 s of work.
    data = traffic([0, 0, 0, 0], [(1, 2), (3, 4), (5, 6), (7, 8)])
    assert ceiling(data) == pytest.approx(3 / 4 - 0.05 * 1.024 / 2)
    assert ceiling(replace(data, objective_seconds=1.0)) == pytest.approx(-0.05 * 1.024), "none alone is in time"
    assert ceiling(replace(data, warm_requests=2)) == pytest.approx(1 - 0.05 * 1.024 / 2), "others make room"


def test_no_router_comes_above_the_ceiling(traffic: Make, rng: np.random.Generator) -> None:
    """All choices for six requests, on fleets that are uneven, slow down or stand still."""
    tight = 0
    for trial in range(12):
        fleet = FleetLaw(instances=2, spread=0.5, slow=trial % 2, restarts=int(trial % 3 == 0)).draw(6.0, rng)
        prompts = [prefixes(rng.integers(1, 4, 1 + int(rng.integers(3))).tolist()) for _ in range(6)]
        data = traffic(sorted(rng.uniform(0, 3, 6).tolist()), prompts, fleet=fleet, objective_seconds=1.5)
        best = -np.inf
        for choices in itertools.product(range(2), repeat=6):
            given = iter(choices)
            served = serve(data, lambda request, view, given=given: next(given))
            worth = values(np.array([one.ttft_seconds for one in served]), data.objective_seconds).mean()
            best = max(best, float(worth))
        assert best <= ceiling(data) + 1e-9
        assert ideal_objective(data) <= ceiling(data) + 1e-9
        tight += best > ceiling(data) - 0.1
    assert tight >= 3
