from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from evaluators.host import usable_cpus
from evaluators.model import Split
from evaluators.pool import RayPool
from evaluators.tasks import EvaluationPool, Finished, PoolError, Task, WorkerSpec

TRIVIAL = str(Path(__file__).parents[2] / "bench" / "trivial")
SPEED = str(Path(__file__).parents[2] / "bench" / "speed")
SOURCE = "import numpy as np\n\n\ndef answer(size):\n    {}\n"


def wait(pool: EvaluationPool) -> Finished:
    for _ in range(120):
        finished = pool.next_finished(0.5)
        if finished is not None:
            return finished
    raise AssertionError("nothing came back in 60 s")


def task(key: int, body: str) -> Task:
    return Task(key=key, source=SOURCE.format(body), split=Split.TRAIN, block=0)


def test_timed_programs_never_share_a_processor() -> None:
    cpus = len(usable_cpus())
    with pytest.raises(PoolError) as caught:
        RayPool(WorkerSpec(problem=SPEED, workload="1", secret=bytes(32)), workers=cpus + 1)
    assert f"only {cpus} usable processors" in str(caught.value)
    assert f"hint: use --workers {cpus} or fewer" in str(caught.value)


def test_a_worker_that_dies_costs_one_evaluation_which_is_ours_to_repeat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-a-key-that-no-worker-needs")
    pool = RayPool(WorkerSpec(problem=TRIVIAL, workload="1", secret=bytes(32)), workers=1)
    try:
        pool.submit(task(0, "return np.full(size, 0.5)"))
        assert wait(pool).evaluation is not None
        environment = Path(f"/proc/{pool.worker_pids()[0]}/environ").read_bytes()
        assert b"RAY_" in environment
        assert b"OPENAI_API_KEY" not in environment
        assert os.environ["OPENAI_API_KEY"], "taken away from the workers, not from us"
        pool.submit(task(1, "\n    while True: pass"))
        assert pool.next_finished(0.5) is None
        os.kill(pool.worker_pids()[0], signal.SIGKILL)
        lost = wait(pool)
        assert lost.evaluation is None
        assert lost.failure
        for key in range(2, 8):
            pool.submit(task(key, "return np.full(size, 0.5)"))
            back = wait(pool)
            if back.evaluation is not None:
                break
        assert back.evaluation is not None
        assert back.evaluation.score == 100.0
    finally:
        pool.close()
