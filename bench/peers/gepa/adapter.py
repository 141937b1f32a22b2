"""Drives GEPA's `optimize_anything` with the program text as the candidate and the server as the reflection model."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from driving import Job, ask, judge, read_job, write_leader
from gepa.optimize_anything import EngineConfig, GEPAConfig, ReflectionConfig, optimize_anything

NOTES = (
    "optimize_anything, single task, defaults (Pareto selection, strict improvement) with cache_evaluation, so that "
    "each program is judged once instead of up to three times; a proposal is one reflection call and one evaluation"
)


Evaluation = tuple[float, dict[str, object]]


def search(job: Job, evaluate: Callable[[str], Evaluation], stop: Callable[[object], bool], *, cache: bool) -> None:
    """Searches with an evaluation function until ``stop`` says so or the proposals are spent."""
    result = optimize_anything(
        job.initial.read_text(),
        evaluator=evaluate,
        objective=job.statement,
        config=GEPAConfig(
            engine=EngineConfig(
                run_dir=str(job.out / "run"),
                seed=job.seed,
                max_candidate_proposals=job.proposals,
                max_workers=1,
                use_cloudpickle=False,
                cache_evaluation=cache,
                cache_evaluation_storage="memory",
            ),
            reflection=ReflectionConfig(reflection_lm=lambda prompt: ask(job.proposer_url, str(prompt), job.seed)),
            stop_callbacks=stop,
        ),
    )
    score = result.val_aggregate_scores[result.best_idx]
    write_leader(job, "gepa", program=result.best_candidate, reported=score, notes=NOTES)


def main() -> None:
    job = read_job()
    spent: list[bool] = []

    def evaluate(candidate: str) -> Evaluation:
        verdict = judge(candidate, job.referee_url)
        if verdict.budget_spent:
            spent.append(True)
        if verdict.score is None:
            return verdict.combined, {"Error": f"{verdict.outcome}: {verdict.reason}"}
        return verdict.combined, {"Score": verdict.combined}

    search(job, evaluate, lambda _state: bool(spent), cache=True)


if __name__ == "__main__":
    main()
