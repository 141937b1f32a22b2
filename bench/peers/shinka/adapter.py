"""Drives ShinkaEvolve: its defaults with full rewrites and crossovers, without embeddings, one evaluation at a time."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from driving import Job, read_job, write_leader
from shinka.core import EvolutionConfig, ShinkaEvolveRunner
from shinka.database import DatabaseConfig
from shinka.launch import LocalJobConfig

EVALUATE = Path(__file__).resolve().with_name("evaluate.py")
NOTES = (
    "defaults (2 islands, weighted parents) with patch types full and cross in their default ratio 3:1, no embeddings "
    "(so no novelty check), no meta recommendations, 1 evaluation at a time; a generation is one evaluation and up to "
    "nine calls until a reply parses"
)


def make_config(job: Job) -> EvolutionConfig:
    return EvolutionConfig(
        task_sys_msg=job.statement,
        patch_types=["full", "cross"],
        patch_type_probs=[0.75, 0.25],
        num_generations=job.proposals + 1,  # the initial program is generation 0
        llm_models=[f"local/scripted@{job.proposer_url}"],
        embedding_model=None,
        init_program_path=str(job.initial),
        results_dir=str(job.out / "run"),
    )


def search(job: Job, evaluate: Path, *, time: str | None = None) -> None:
    """Searches with an evaluation program; ``time`` is the tool's own limit as hh:mm:ss, none where None."""
    random.seed(job.seed)  # the tool draws from the global generators and has no setting for a seed
    np.random.seed(job.seed)
    runner = ShinkaEvolveRunner(
        evo_config=make_config(job),
        job_config=LocalJobConfig(eval_program_path=str(evaluate), time=time),
        db_config=DatabaseConfig(db_path="programs.sqlite"),
        banner_style="minimal",
        verbose=False,
        max_evaluation_jobs=1,
        max_proposal_jobs=1,
    )
    runner.run()
    best = runner.db.get_best_program()
    write_leader(job, "shinka-evolve", program=best.code, reported=best.combined_score, notes=NOTES)


if __name__ == "__main__":
    search(read_job(), EVALUATE)
