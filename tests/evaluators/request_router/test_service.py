from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from evaluators.request_router.service import View, serve
from evaluators.request_router.traffic import Request, Traffic

Make = Callable[..., Traffic]


def test_a_view_is_as_old_as_it_says(traffic: Make) -> None:
    data = traffic([0.1, 0.9, 1.2, 1.9, 3.5, 3.6], [(1, 2), (1, 2, 3), (1, 2), (5,), (1, 2, 3), (5, 6)])
    seen: list[View] = []

    def choose(request: Request, view: View) -> int:
        seen.append(view)
        return 0

    served = serve(data, choose)
    assert [view.age_seconds for view in seen] == pytest.approx([0.1, 0.9, 0.2, 0.9, 0.5, 0.6])
    # The first prompt is read from 0.1 to 1.124; views at 0, 1 and 3 s.
    assert [view.figures[0].tolist() for view in seen] == [[0, 0], [0, 0], [0, 0], [0, 0], [3, 0], [1, 0]]
    assert [view.figures[1].tolist() for view in seen] == [[0, 0], [0, 0], [2, 0], [2, 0], [0, 0], [0, 0]]
    assert seen[2].figures[2].tolist() == [1024 + 1536, 0], "nothing was cached when they came"
    assert seen[2].figures[5].tolist() == pytest.approx([0.9, 0.0])
    assert seen[4].figures[4].tolist() == [1024 + 512 + 1 + 512, 0]
    assert [one.cached_blocks for one in served] == [0, 2, 2, 0, 3, 1]


def test_what_comes_later_changes_nothing_before(traffic: Make, rng: np.random.Generator) -> None:
    """Views and results of the first half do not depend on the second, nor on the lengths of answers not yet given."""
    arrivals = np.sort(rng.uniform(0, 20, 40)).tolist()
    prompts = [tuple(range(1, 2 + int(rng.integers(6)))) for _ in range(40)]
    data = traffic(arrivals, prompts)
    late = tuple(
        replace(one, blocks=(7, 8, 9), input_tokens=1500, output_tokens=999) if number >= 20 else one
        for number, one in enumerate(data.requests)
    )

    def views(traffic: Traffic) -> list[list[float]]:
        seen: list[list[float]] = []

        def choose(request: Request, view: View) -> int:
            seen.append([request.arrival_seconds, view.age_seconds, *view.figures.ravel().tolist()])
            return len(seen) % 2

        serve(traffic, choose)
        return seen

    assert views(data)[:20] == views(replace(data, requests=late))[:20]


def test_what_happens_between_views_is_not_seen(traffic: Make) -> None:
    data = traffic([1.0, 1.1, 1.9, 1.95], [(1,), (2,), (1,), (2,)])
    seen: list[View] = []

    def choose(request: Request, view: View) -> int:
        seen.append(view)
        return 0

    serve(data, choose)
    assert all(not view.figures.any() for view in seen), "read by 1.9 s, but the view is of 1.0 s"
