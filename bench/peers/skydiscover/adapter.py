"""Drives SkyDiscover's AdaEvolve: its defaults with full rewrites and one evaluation at a time."""

from __future__ import annotations

import os
import sys
from pathlib import Path

PEERS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PEERS))

from driving import Job, read_job, write_leader  # noqa: E402
from skydiscover import run_discovery  # noqa: E402
from skydiscover.config import Config  # noqa: E402

NOTES = (
    "search adaevolve with its defaults (2 to 5 islands, UCB, migration, breakthroughs), full rewrites, "
    "parallel_evaluations 1, no cascade; an iteration is one request and one evaluation, requests for breakthrough "
    "ideas come on top and get no ideas"
)


def make_config(job: Job) -> Config:
    return Config.from_dict(
        {
            "max_iterations": job.proposals,
            "random_seed": job.seed,
            "log_level": "WARNING",
            "diff_based_generation": False,
            # at the model: a bare name without its own address goes to OpenAI's, whatever llm.api_base says (0.1.0)
            "llm": {"models": [{"name": "scripted", "api_base": job.proposer_url, "api_key": "none"}]},
            "prompt": {"system_message": job.statement},
            "search": {"type": "adaevolve", "database": {"random_seed": job.seed}},
            "evaluator": {"parallel_evaluations": 1, "cascade_evaluation": False},
        }
    )


def search(job: Job, evaluator: Path, *, timeout_seconds: int | None = None) -> None:
    """Searches with an evaluator file; ``timeout_seconds`` is the tool's own limit, its default where None."""
    os.environ["OPENAI_API_KEY"] = "none"
    config = make_config(job)
    if timeout_seconds is not None:
        config.evaluator.timeout = timeout_seconds
    result = run_discovery(
        str(job.initial),
        str(evaluator),
        config=config,
        iterations=job.proposals,
        output_dir=str(job.out / "run"),
        cleanup=False,
    )
    write_leader(job, "skydiscover", program=result.best_solution, reported=result.best_score, notes=NOTES)


if __name__ == "__main__":
    search(read_job(), PEERS / "evaluator.py")
