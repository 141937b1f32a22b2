"""Drives this project's own search behind the proposal server, and notes whom it calls best after every candidate.

    python bench/search/ours.py --problem DIR --proposer-url http://127.0.0.1:PORT/v1 --seed 0 --out DIR --variant ours

The budget is candidates registered beside the starting program, whoever wrote them. Programs are asked for and judged
one at a time, on the same train workloads as the referee's. After the budget is spent there is only what the verdicts
call for, and the final; its winner is what a user would export. Nothing is simplified, for that makes more candidates.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

from db.archive import Archive
from db.records import Purpose
from evaluators.model import Evaluation
from evaluators.registry import load_problem
from evaluators.seeding import secret_from_seed
from evolve.config import resolve
from evolve.finals import FinalResult
from evolve.runner import Flight
from evolve.session import Session, new_run, open_session
from evolve.settings import SETTINGS

VARIANTS: dict[str, dict[str, str]] = {
    "ours": {},
    "ours-no-bandit": {"without": "bandit"},
    "ours-no-tuner": {"without": "tuner"},
    "ours-no-racing": {"without": "racing"},
    "ours-no-islands": {"without": "islands"},
    "ours-no-novelty": {"without": "novelty"},
    "ours-llm": {"without": "operators,tuner"},
    "ours-operators": {"proposer": "operators"},
}
"""Settings beside the common ones."""

COMMON = {
    "model": "proposer",
    "concurrency": "1",
    "pool": "serial",
    "workers": "1",
    "insights_every": "0",
    "block_size": "100000",
}


class Watch:
    """Notes who is called best, by how many candidates had been registered."""

    def __init__(self) -> None:
        self.best: dict[int, int] = {}
        self.evaluations: dict[str, int] = {}
        self.said: list[str] = []
        self.seeds = 0
        self.newest = 0
        self.session: Session | None = None

    def recorded(self, flight: Flight, evaluation: Evaluation, best_changed: bool) -> None:
        purpose = flight.planned.purpose
        self.evaluations[purpose.value] = self.evaluations.get(purpose.value, 0) + 1
        if purpose is Purpose.FINAL or self.session is None:
            return
        self.newest = max(self.newest, flight.candidate.number - self.seeds + 1)
        best = self.session.evolution.best
        if best is not None:
            self.best[self.newest] = best

    def tick(self, phase: str, in_flight: int, elapsed_seconds: float) -> None:
        pass

    def say(self, text: str) -> None:
        self.said.append(text)


def settings_of(options: argparse.Namespace, secret_file: Path) -> dict[str, str]:
    """The run's settings in text form."""
    variant = VARIANTS[options.variant]
    values = {**COMMON, **variant, "seed": str(options.seed), "secret_file": str(secret_file)}
    if variant.get("proposer") == "operators":
        del values["model"]
    else:
        values["base_url"] = options.proposer_url
    if "candidates" in SETTINGS:
        values["candidates"] = str(options.proposals)
    return values


def run(options: argparse.Namespace) -> dict[str, Any]:
    """One whole run: search, final; what came of it."""
    problem = load_problem(options.problem)
    out: Path = options.out
    secret_file = out / "secret.txt"
    secret_file.write_text(secret_from_seed(options.seed, problem.declaration.name).hex(), encoding="utf-8")
    config = resolve(settings_of(options, secret_file), {}, None)
    watch, started = Watch(), time.monotonic()
    watch.seeds = len(problem.seeds)
    with Archive.open(str(out / "archive.db"), create=True) as archive:
        record = new_run(archive, options.problem, config)

        def spent() -> bool:
            return archive.run_by_id(record.id).candidates >= watch.seeds + options.proposals

        with open_session(archive, record, watch) as session:
            watch.session = session
            session.search((lambda: False) if "candidates" in SETTINGS else spent)
            searched = time.monotonic() - started
            final = session.final(lambda: False)
        return {
            **told(archive, record.id, watch, final),
            "search_seconds": searched,
            "seconds": time.monotonic() - started,
            "judging_seconds": None,
        }


def told(archive: Archive, run_id: int, watch: Watch, final: FinalResult | None) -> dict[str, Any]:
    """Candidates, curve and leader, in plain values."""
    run_record = archive.run_by_id(run_id)
    candidates = [archive.candidate(run_id, number) for number in range(run_record.candidates)]
    curve, best = [], 0
    for k in range(max(watch.newest, 0) + 1):
        best = watch.best.get(k, best)
        curve.append(candidates[best].source)
    result: dict[str, Any] = {
        "proposals": len(candidates) - watch.seeds,
        "proposers": {
            name: sum(each.proposer == name for each in candidates) for name in {each.proposer for each in candidates}
        },
        "curve": curve,
        "evaluations": sum(watch.evaluations.values()),
        "evaluations_by_purpose": watch.evaluations,
        "duplicates": run_record.duplicates,
        "unusable": run_record.unusable,
        "calls": run_record.calls,
        "said": watch.said,
    }
    if final is None or final.winner is None:
        return {**result, "leader": curve[-1], "reported": None, "low": None, "high": None}
    placing = next(each for each in final.placings if each.number == final.winner)
    verdict = placing.evaluation
    advantage = placing.advantage
    return {
        **result,
        "leader": candidates[final.winner].source,
        "reported": verdict.score,
        "low": verdict.low,
        "high": verdict.high,
        "winner_is_seed": placing.is_seed,
        "advantage": advantage and {"mean": advantage.mean, "low": advantage.low, "high": advantage.high},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problem", required=True, help="folder of the problem")
    parser.add_argument("--proposer-url", required=True)
    parser.add_argument("--variant", choices=list(VARIANTS), default="ours")
    parser.add_argument("--proposals", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, help="an empty folder; result.json is left there")
    options = parser.parse_args()
    (options.out / "result.json").write_text(json.dumps(run(options)), encoding="utf-8")


if __name__ == "__main__":
    main()
