"""Every policy problem on hidden workloads: its seeds, the best of an offline search, reference and proven ceiling.

    python bench/policies/table.py --time 10m --out results [--only NAME ...] [--workload own|generated]

For each problem an ordinary ``evolve run`` searches offline, then the best of it and all seeds meet one hidden block
under a secret drawn for this purpose, so that all figures of a problem come from the same workloads. A problem whose
figures are in the folder already is left out, so that the script can be run in pieces. The last lines are the table.
Without ``--workload`` each problem is measured on its default.
"""

from __future__ import annotations

import argparse
import json
import secrets
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from statistics import fmean
from typing import Any

from db.archive import Archive
from evaluators.block import Block
from evaluators.judge import Judge
from evaluators.model import Evaluation, Outcome, Split
from evaluators.problem import Problem
from evaluators.registry import load_problem
from evaluators.statistics import paired
from evaluators.workloads.choice import NAMED, default_workload

PROBLEMS = (
    "eplb", "eplb_speed", "expert_cache", "request_router", "token_dispatch", "placement", "bias_control",
    "adaptive_topk", "block_coreset",
)  # fmt: skip


def search(name: str, workload: str, options: argparse.Namespace) -> str:
    """Search offline as a user would; gives the best program's source."""
    folder = options.out / f"{name}-{workload}"
    archive = folder.with_suffix(".db")
    command = [sys.executable, "-m", "evolve", "run", name, "--db", str(archive), "--time", options.time]
    command += ["--workload", workload, "--seed", str(options.seed), "--name", "table"]
    with folder.with_suffix(".log").open("w") as log:
        subprocess.run(command, stdout=log, stderr=log, check=True)
    with Archive.open(str(archive)) as opened:
        run = opened.run("table")
        if run.best is None:
            raise RuntimeError(f"{name}: the search has no best program, see {folder.with_suffix('.log')}")
        source = opened.candidate(run.id, run.best).source
    folder.with_suffix(".py").write_text(source)
    return source


def row(label: str, verdict: Evaluation) -> dict[str, Any]:
    """What the table says of one program."""
    if verdict.outcome is not Outcome.OK:
        return {"label": label, "outcome": f"{verdict.outcome.value}: {verdict.reason}"}
    assert verdict.score is not None
    assert verdict.high is not None
    figures = {"score": verdict.score, "half_width": verdict.high - verdict.score, "seconds": verdict.seconds}
    return {"label": label, "outcome": "ok", **figures, "metrics": dict(verdict.metrics)}


def measure(problem: Problem, best: str) -> dict[str, Any]:
    """Seeds and the best found on one hidden block."""
    judge = Judge(problem, secret=secrets.token_bytes(32), clock=time.perf_counter)
    with closing(judge):
        block = judge.block(Split.HIDDEN, 0)
        verdicts = {seed.name: judge.evaluate(seed.source, block) for seed in problem.seeds}
        found = judge.evaluate(best, block)
        train = judge.evaluate(best, judge.block(Split.TRAIN, 0))
    ok = {name: verdict for name, verdict in verdicts.items() if verdict.outcome is Outcome.OK}
    best_seed = max(ok, key=lambda name: ok[name].score or 0.0)
    result: dict[str, Any] = {
        "rows": [row(name, verdict) for name, verdict in verdicts.items()] + [row("best found", found)],
        "ceiling": ceiling_of(block),
        "best_seed": best_seed,
        "train_seconds": train.seconds,
    }
    if found.outcome is Outcome.OK:
        strata = [workload.kind for workload in found.workloads]
        lead = paired(found.shares, ok[best_seed].shares, strata=strata)
        result["lead"] = {"mean": lead.mean, "low": lead.low, "high": lead.high}
    return result


def ceiling_of(block: Block) -> float | None:
    """The proven bound in points; None where only the machine can tell."""
    gains = [standard.ceiling - standard.baseline_objective for standard in block.standards]
    mean = fmean(gains)
    return 100 * mean / block.span if mean < float("inf") else None


def table(results: dict[str, Any]) -> str:
    """The figures as Markdown."""
    lines = [
        "| problem | seeds, hidden (points ± 95 %) | best found | lead over the best seed | ceiling |",
        "|---|---|---|---|---|",
    ]
    for name, result in results.items():
        cells = {item["label"]: text_of(item) for item in result["rows"]}
        found = cells.pop("best found")
        seeds = ", ".join(f"{label} {cell}" for label, cell in cells.items())
        lead = result.get("lead")
        gained = (
            f"{lead['mean']:+.1f} ({lead['low']:.1f} to {lead['high']:.1f}) over {result['best_seed']}"
            if lead
            else "none"
        )
        ceiling = "the machine's" if result["ceiling"] is None else f"{result['ceiling']:.1f}"
        lines.append(f"| {name} | {seeds} | {found} | {gained} | {ceiling} |")
    return "\n".join(lines)


def text_of(item: dict[str, Any]) -> str:
    """One cell."""
    return f"{item['score']:.1f} ± {item['half_width']:.1f}" if item["outcome"] == "ok" else item["outcome"]


def main() -> None:
    """Search, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--time", default="10m", help="of each search")
    parser.add_argument("--workload", choices=sorted(NAMED), help="the problem's default where nothing is said")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="+", default=list(PROBLEMS), choices=PROBLEMS, metavar="NAME")
    parser.add_argument("--out", type=Path, required=True, help="folder for archives, logs and figures")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    results: dict[str, Any] = {}
    for name in options.only:
        workload = options.workload or default_workload(name)
        file = options.out / f"{name}-{workload}.json"
        if not file.exists():
            problem = load_problem(name, workload)
            file.write_text(json.dumps(measure(problem, search(name, workload, options)), indent=1))
        results[f"{name}, {workload}"] = json.loads(file.read_text())
    print(table(results))


if __name__ == "__main__":
    main()
