"""An offline search on each problem by ``evolve run``, with what the GPU does meanwhile, read back from the archive."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

from ground import Job, attempt, say

from db.archive import Archive
from db.records import EvaluationRecord, Purpose, RunRecord
from evaluators.model import Evaluation, Split

OVERHEAD_SECONDS = 180.0
"""Of a run beside its search: start of the workers before it, hidden shapes and the audits of finalists after it."""

LEAST_SEARCH_SECONDS = 20.0
STOP_SECONDS = 4.0
LATE_SECONDS = 40.0
"""A run may take so much of the time of those after it before it is stopped."""

SAMPLE_MILLISECONDS = 200
TAIL_CHARACTERS = 4000
DECENT = "decent"


def run(job: Job) -> None:
    """One run after the other, each with an equal part of what is left."""
    job.result["problems"] = {}
    archive = job.scratch / "archive.db"
    for position, name in enumerate(job.problems):
        parts = len(job.problems) - position
        ends = job.share(parts)
        attempt(job, name, partial(of_problem, job, name, archive, ends))
    if archive.exists():
        attempt(job, "archive", lambda: copy_archive(archive, job.scratch / "archive-copy.db"))


def of_problem(job: Job, name: str, archive: Path, ends: float) -> None:
    """Search, then read what came of it, whatever the end of the search was."""
    seconds = max(LEAST_SEARCH_SECONDS, ends - time.time() - OVERHEAD_SECONDS)
    found: dict[str, Any] = {"search_seconds": seconds}
    job.result["problems"][name] = found
    command = [
        sys.executable, "-m", "evolve", "run", name,
        "--time", f"{seconds:.0f}s", "--seed", "0", "--name", name, "--db", str(archive),
        "--device", "cuda", "--proposer", "operators",
    ]  # fmt: skip
    found["command"] = " ".join(["evolve", *command[3:]])
    log = job.scratch / f"search-{name}.log"
    started = time.time()
    with sampled() as samples, log.open("wb") as file:
        found["exit_status"] = finish(command, file, min(job.ends - 2 * STOP_SECONDS, ends + LATE_SECONDS))
    found["wall_seconds"] = time.time() - started
    found["said"] = log.read_text(encoding="utf-8", errors="replace")[-TAIL_CHARACTERS:]
    job.save()
    if found["exit_status"]:
        job.fail(f"{name}: the run ended with exit status {found['exit_status']}: {found['said'][-300:]}")
    if not archive.exists():
        return
    with Archive.open(str(archive)) as opened:
        found |= read_run(opened, name, samples)
        job.result["problems"][name] = found
        if found.get("winner"):
            source = opened.candidate(opened.run(name).id, found["winner"]["number"]).source
            (job.scratch / f"winner_{name}.py").write_text(source, encoding="utf-8")
    job.save()


def finish(command: list[str], output: Any, until: float) -> int | None:
    """Run a command to its end; past its time it is asked to stop, then killed. Its exit status."""
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
        cwd=Path(output.name).parent,
    )  # fmt: skip
    waits = ((None, until - time.time()), (signal.SIGINT, STOP_SECONDS), (signal.SIGKILL, STOP_SECONDS))
    try:
        for how, seconds in waits:
            if how is not None:
                say(f"{' '.join(command[2:5])}: its time is over, {how.name}")
                process.send_signal(how)
            with suppress(subprocess.TimeoutExpired):
                return process.wait(max(1.0, seconds))
    finally:
        # The group is its own: nothing that it started may go on measuring beside what comes next.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return None


@contextmanager
def sampled() -> Iterator[list[tuple[float, float]]]:
    """How busy the GPU is by nvidia-smi, in percent, with the time of each reading; grows while the context lasts."""
    samples: list[tuple[float, float]] = []
    command = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]
    command += ["-lms", str(SAMPLE_MILLISECONDS)]
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        command += ["-i", os.environ["CUDA_VISIBLE_DEVICES"]]
    try:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, bufsize=1)
    except OSError as error:
        say(f"the GPU's load is not sampled: {error}")
        yield samples
        return

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            with suppress(ValueError):
                samples.append((time.time(), float(line.split(",")[0])))

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        yield samples
    finally:
        process.terminate()
        process.wait()
        reader.join(5)


def read_run(archive: Archive, name: str, samples: list[tuple[float, float]]) -> dict[str, Any]:
    """What a run came to."""
    run = archive.run(name)
    counts = {purpose.value: {k.value: n for k, n in found.items()} for purpose, found in run.counts.items()}
    judged = sum(run.counts.get(Purpose.SEARCH, {}).values())
    minutes = max(run.elapsed_seconds, 1e-9) / 60
    return {
        "status": run.status.value,
        "elapsed_seconds": run.elapsed_seconds,
        "candidates": run.candidates,
        "duplicates": run.duplicates,
        "unusable": run.unusable,
        "counts": counts,
        "judged": judged,
        "judged_per_minute": judged / minutes,
        "played_workloads": run.played_workloads,
        "spared_workloads": run.spared_workloads,
        "measuring_share": run.played_seconds / max(run.elapsed_seconds, 1e-9),
        **busy(archive, run, samples),
        "winner": winner(archive, run),
        "final": final(archive, run),
        "operators": operators(archive, run),
    }


def busy(archive: Archive, run: RunRecord, samples: list[tuple[float, float]]) -> dict[str, Any]:
    """Mean load of the GPU from the first to the last verdict of the search."""
    times = [
        record.recorded.timestamp()
        for _, record in archive.history(run.id)
        if record.recorded is not None and record.planned.purpose is not Purpose.FINAL
    ]
    within = [load for at, load in samples if times and times[0] <= at <= times[-1]]
    return {
        "busy_share": fmean(within) / 100 if within else None,
        "busy_samples": len(within),
        "window_seconds": times[-1] - times[0] if times else 0.0,
    }


def operators(archive: Archive, run: RunRecord) -> dict[str, int]:
    """How many candidates each proposer wrote."""
    told: dict[str, int] = {}
    seen = set()
    for candidate, _ in archive.history(run.id):
        if candidate.number not in seen:
            seen.add(candidate.number)
            told[candidate.proposer] = told.get(candidate.proposer, 0) + 1
    return told


def winner(archive: Archive, run: RunRecord) -> dict[str, Any] | None:
    """The best candidate on hidden shapes, where a final was held, and on train shapes, beside the decent seed."""
    if run.best is None:
        return None
    candidate = archive.candidate(run.id, run.best)
    decent = next((c.number for c, _ in archive.history(run.id) if (c.proposer, c.operator) == ("seed", DECENT)), None)
    found: dict[str, Any] = {
        "number": run.best,
        "named_by": run.best_split.value if run.best_split else None,
        "proposer": candidate.proposer,
        "operator": candidate.operator,
        "parents": list(candidate.parents),
        "note": candidate.note[:300],
        "is_seed": candidate.proposer == "seed",
    }
    standing = archive.standing(run.id, run.best)
    for split, estimate in standing.estimates.items():
        found[f"{split.value}_score"] = {
            "mean": estimate.mean,
            "low": estimate.low,
            "high": estimate.high,
            "n": estimate.n,
        }
    for split in (Split.HIDDEN, Split.TRAIN):
        evaluation = latest(archive.evaluations(run.id, run.best), split)
        if evaluation is None:
            continue
        beside = latest(archive.evaluations(run.id, decent), split, evaluation.block) if decent is not None else None
        found[split.value] = on_shapes(evaluation, beside)
    return found


def final(archive: Archive, run: RunRecord) -> list[dict[str, Any]]:
    """What every contender of the final came to on the hidden shapes, in the order of recording."""
    rows = []
    for candidate, record in archive.history(run.id):
        if record.planned.purpose is not Purpose.FINAL or record.evaluation is None:
            continue
        found = record.evaluation
        row: dict[str, Any] = {
            "number": candidate.number,
            "who": f"{candidate.proposer}, {candidate.operator}",
            "outcome": found.outcome.value,
            "reason": found.reason[:200],
            "seconds": found.seconds,
        }
        if found.score is not None:
            row |= on_shapes(found, None)["speedup"] | {"score": found.score}
        rows.append(row)
    return rows


def latest(records: list[EvaluationRecord], split: Split, block: int | None = None) -> Evaluation | None:
    """The last scored evaluation on a split, or on one block of it."""
    scored = [
        record.evaluation
        for record in records
        if record.evaluation is not None
        and record.evaluation.score is not None
        and record.planned.split is split
        and block in (None, record.planned.block)
    ]
    return scored[-1] if scored else None


def on_shapes(evaluation: Evaluation, beside: Evaluation | None) -> dict[str, Any]:
    """One evaluation: speed-up over the decent seed, geometric mean and shape by shape; intervals of 95 %."""
    span = fmean(one.reference - one.baseline for one in evaluation.workloads)
    decent = {one.name: one.metrics for one in beside.workloads} if beside else {}
    rows = []
    for one in evaluation.workloads:
        half = 1.96 * one.stderr * span / 100
        rows.append(
            {
                "shape": one.name,
                "us": one.metrics.get("time_us"),
                "over_floor": one.metrics.get("over_floor"),
                "registers": one.metrics.get("registers"),
                "launches": one.metrics.get("launches"),
                "decent_us": decent.get(one.name, {}).get("time_us"),
                "speedup": 2**one.objective,
                "low": 2 ** (one.objective - half),
                "high": 2 ** (one.objective + half),
            }
        )
    assert evaluation.score is not None
    assert evaluation.low is not None
    assert evaluation.high is not None
    return {
        "block": evaluation.block,
        "score": {"mean": evaluation.score, "low": evaluation.low, "high": evaluation.high},
        "speedup": {
            "mean": 2 ** (evaluation.score * span / 100),
            "low": 2 ** (evaluation.low * span / 100),
            "high": 2 ** (evaluation.high * span / 100),
        },
        "shapes": rows,
    }


def copy_archive(archive: Path, to: Path) -> None:
    """A whole copy in one file, without the journals beside it."""
    with sqlite3.connect(archive) as source, sqlite3.connect(to) as target:
        source.backup(target)
