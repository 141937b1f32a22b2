"""Drives OpenEvolve: its defaults with full rewrites and one evaluation at a time."""

from __future__ import annotations

import sys
from pathlib import Path

PEERS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PEERS))

from driving import Job, read_job, write_leader  # noqa: E402
from openevolve import run_evolution  # noqa: E402
from openevolve.config import Config  # noqa: E402

NOTES = (
    "defaults (5 islands, MAP-Elites over complexity and diversity, migration every 50), full rewrites, "
    "parallel_evaluations 1, no cascade; an iteration is one model call and at most one evaluation"
)


def make_config(job: Job) -> Config:
    return Config.from_dict(
        {
            "max_iterations": job.proposals,
            "random_seed": job.seed,
            "log_level": "WARNING",
            "diff_based_evolution": False,
            "llm": {
                "api_base": job.proposer_url,
                "api_key": "none",
                "models": [{"name": "scripted", "weight": 1.0}],
            },
            "prompt": {"system_message": job.statement},
            "evaluator": {"parallel_evaluations": 1, "cascade_evaluation": False},
        }
    )


def search(job: Job, evaluator: Path, *, timeout_seconds: int | None = None) -> None:
    """Searches with an evaluator file; ``timeout_seconds`` is the tool's own limit, its default where None."""
    config = make_config(job)
    if timeout_seconds is not None:
        config.evaluator.timeout = timeout_seconds
    result = run_evolution(
        str(job.initial),
        str(evaluator),
        config=config,
        iterations=job.proposals,
        output_dir=str(job.out / "run"),
        cleanup=False,
    )
    write_leader(job, "openevolve", program=result.best_code, reported=result.best_score, notes=NOTES)


if __name__ == "__main__":
    search(read_job(), PEERS / "evaluator.py")
