from __future__ import annotations

import pytest

from evaluators.registry import load_problem
from evolve import session
from evolve.session import RECORDERS_FOR_GPU, default_workers


@pytest.mark.parametrize(
    ("problem", "cpus", "gpus", "workers"),
    [
        ("topk_gating", 32, 1, RECORDERS_FOR_GPU),
        ("topk_gating", 32, 2, 2 * RECORDERS_FOR_GPU),
        ("topk_gating", 4, 1, 3),
        ("topk_gating", 1, 1, 1),
        ("topk_gating", 1, 8, 1),
        # Without a GPU no run of a kernel problem begins; elsewhere a GPU changes nothing.
        ("topk_gating", 32, 0, 32),
        ("eplb", 32, 1, 32),
    ],
)
def test_each_gpu_gets_as_many_recorders_as_keep_it_busy_and_no_more(
    problem: str, cpus: int, gpus: int, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "usable_cpus", lambda: list(range(cpus)))
    monkeypatch.setattr(session, "visible_gpus", lambda: gpus)
    assert default_workers(load_problem(problem)) == workers
