"""The audit of each problem on the GPU: the parts of ``evolve audit --device cuda``, with recordings made ahead.

The problems are audited side by side, each by a process with a GPU judge of its own. What is missed there is tried once
more alone, because programs that share a GPU slow each other down, and only what is missed alone is called missed.

    python step_cheats.py PROBLEM SCRATCH LABEL ENDS BESIDE [CHEAT ...]     one of BESIDE processes; the whole audit if
                                                                            no cheat is named
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean

from ground import (
    ROOT,
    SEED,
    Job,
    find_device,
    kernel_problem,
    one_line,
    prepare_quickly,
    recording_pool,
    say,
    source_of,
    train_workloads,
)
from stock import key_of, stocked_judge

from evaluators.audit.findings import Finding, Part
from evaluators.audit.kernels import PARTS, kernel_findings
from evaluators.audit.run import WORKLOADS
from evaluators.block import Block
from evaluators.judge import SCREEN, Judge
from evaluators.kernels.guest import Prepared
from evaluators.kernels.plan import Recording
from evaluators.kernels.problem import KernelProblem
from evaluators.kernels.task import KernelWorkload
from evaluators.model import Evaluation, Outcome, Split

CHEATS = ROOT / "tests" / "cheats" / "kernels"
OTHERS = frozenset(PARTS) - {Part.CHEATS}
GPU_SECONDS = 15.0
"""For one shape on the GPU; some cheats never end."""

AGAIN_SHARE = 0.25
"""Of the time, kept for trying alone what was missed."""

LOOK_SECONDS = 0.5
LAST_SECONDS = 2.0
REPEATS = 3
"""How often a harmless cheat that seems quicker than the honest module is measured again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """One process: of which problem, and the file that grows by a JSON line for each finding."""

    problem: str
    process: subprocess.Popen[bytes]
    findings: Path


def run(job: Job) -> None:
    """All problems side by side, then the misses alone."""
    job.result |= {"files": len(list(CHEATS.glob("*.py"))), "gpu_seconds": GPU_SECONDS, "problems": {}}
    until = job.ends - AGAIN_SHARE * job.left
    for name in job.problems:
        job.result["problems"][name] = {"findings": [], "again": []}
    watch(job, [start(job, name, "first", until, []) for name in job.problems], until, "findings")
    for position, name in enumerate(job.problems):
        missed = [one for one in job.result["problems"][name]["findings"] if one["verdict"] == "missed"]
        names = sorted({one["name"].rpartition(": ")[2] for one in missed if one["part"] == Part.CHEATS.value})
        if names and job.left > 0:
            ends = job.share(len(job.problems) - position)
            watch(job, [start(job, name, "again", ends, names)], ends, "again")


def start(job: Job, problem: str, label: str, ends: float, names: Sequence[str]) -> Child:
    """Start a process; what it prints goes where the step's own lines go."""
    findings = job.scratch / f"findings-{problem}-{label}.jsonl"
    findings.write_text("", encoding="utf-8")
    command = [sys.executable, str(Path(__file__)), problem, str(job.scratch), label, str(ends - LAST_SECONDS)]
    command += [str(1 if names else len(job.problems)), *names]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    return Child(problem=problem, process=process, findings=findings)


def watch(job: Job, children: Sequence[Child], until: float, where: str) -> None:
    """Wait until all are through or the time is over, and take what they found; none is left running."""
    try:
        while time.time() < until + GPU_SECONDS / 2 and any(child.process.poll() is None for child in children):
            time.sleep(LOOK_SECONDS)
            for child in children:
                take(job, child, where)
            job.save()
    finally:
        for child in children:
            late = child.process.poll() is None
            # The group is its own: recorders that are still at a cheat that never ends go with it.
            with suppress(ProcessLookupError):
                os.killpg(child.process.pid, signal.SIGKILL)
            code = 0 if late else child.process.wait()
            child.process.wait()
            take(job, child, where)
            if code:
                job.fail(f"{child.problem}: the audit ({child.findings.stem}) ended with exit status {code}")
        job.save()


def take(job: Job, child: Child, where: str) -> None:
    """Take what a process has found so far, but for a last line that it did not finish."""
    lines = [json.loads(line) for line in child.findings.read_text(encoding="utf-8").split("\n")[:-1]]
    found = job.result["problems"][child.problem]
    found[where] = [line for line in lines if "attempts" not in line]
    found[f"{where}_attempts"] = sum(line.get("attempts", 0) for line in lines)


def plain(finding: Finding) -> dict[str, object]:
    """A finding as JSON."""
    return {
        "part": finding.part.value,
        "name": finding.name,
        "verdict": finding.verdict.value,
        "expected": finding.expected[:300],
        "found": finding.found[:500],
        "seconds": round(finding.seconds, 3),
    }


@dataclass(slots=True, kw_only=True)
class Bailiff:
    """Judges modules on the GPU without the screen, with recordings made ahead.

    Args:
        problem: what is audited.
        pool: records.
        workloads: what modules meet.
        futures: what is being recorded, by the module.
        stock: the honest module's recordings.
        judge: made when the first recording is there.
        block: the workloads with their marks.
    """

    problem: KernelProblem
    pool: ProcessPoolExecutor
    workloads: list[KernelWorkload]
    futures: dict[str, Future[Prepared]] = field(default_factory=dict)
    stock: dict[str, Recording] = field(default_factory=dict)
    judge: Judge | None = None
    block: Block | None = None

    def order(self, source: str) -> None:
        """Have a module recorded, unless it is being."""
        if source not in self.futures:
            entry = self.problem.declaration.entry
            self.futures[source] = self.pool.submit(prepare_quickly, source, entry, self.workloads)

    def open(self) -> None:
        """Start the judge and mark the block, by the honest module's recordings."""
        honest = source_of(self.problem, "decent")
        recording = self.futures[honest].result().recording()
        self.stock |= {key_of(honest, workload.calls): recording for workload in self.workloads}
        self.judge = stocked_judge(self.problem, self.stock, frozenset({SCREEN}), GPU_SECONDS)
        marked = tuple(self.judge.mark(workload, (Split.TRAIN, 0)) for workload in self.workloads)
        self.block = Block(split=Split.TRAIN, number=0, standards=marked)

    def close(self) -> None:
        """End the judge."""
        if self.judge is not None:
            self.judge.close()

    def evaluate(self, source: str) -> Evaluation:
        """Judge a module."""
        assert self.judge is not None
        assert self.block is not None
        return self.judge.evaluate(source, self.block, prepared=self.futures[source].result())

    def end_of(self, source: str) -> tuple[Outcome, str]:
        """How a module ends."""
        evaluation = self._tried(source)
        return (evaluation.outcome, evaluation.reason) if isinstance(evaluation, Evaluation) else evaluation

    def end_of_cheat(self, source: str) -> tuple[Outcome, str]:
        """How a cheat ends; one that is let through may not be surely quicker than the honest module."""
        tries: list[Evaluation] = []
        for _ in range(1 + REPEATS):
            evaluation = self._tried(source)
            if not isinstance(evaluation, Evaluation):
                return evaluation
            tries.append(evaluation)
            if evaluation.outcome is not Outcome.OK or fmean(one.low or 0.0 for one in tries) <= 0:
                return evaluation.outcome, evaluation.reason
        gain = fmean(one.score or 0.0 for one in tries)
        return Outcome.QUARANTINED, f"{gain:.2f} points above the honest module in {len(tries)} evaluations"

    def _tried(self, source: str) -> Evaluation | tuple[Outcome, str]:
        try:
            return self.evaluate(source)
        except Exception as error:  # noqa: BLE001 - what breaks the judge is a miss, and not the end of the audit
            return Outcome.QUARANTINED, f"the judge itself failed: {one_line(error)}"


def attempts(problem: KernelProblem, bailiff: Bailiff, folders: dict[str, Path], whole: bool) -> Iterator[Finding]:
    """The parts of the audit, cheat by cheat, so that what was found is told at once."""
    if whole:
        yield from kernel_findings(problem, tier="gpu", measure=bailiff.end_of, seed=SEED, only=OTHERS, folder=CHEATS)
    cheats = frozenset({Part.CHEATS})
    for folder in folders.values():
        yield from kernel_findings(
            problem, tier="gpu", measure=bailiff.end_of_cheat, seed=SEED, only=cheats, folder=folder
        )


def order_all(problem: KernelProblem, bailiff: Bailiff, folders: dict[str, Path], whole: bool) -> int:
    """Go through the audit once to have every module recorded, judging none; how many attempts there are."""

    def order(source: str) -> tuple[Outcome, str]:
        bailiff.order(source)
        return Outcome.OK, ""

    bailiff.order(source_of(problem, "decent"))
    count = 0
    if whole:
        count += len(list(kernel_findings(problem, tier="gpu", measure=order, seed=SEED, only=OTHERS, folder=CHEATS)))
    for folder in folders.values():
        cheats = frozenset({Part.CHEATS})
        count += len(list(kernel_findings(problem, tier="gpu", measure=order, seed=SEED, only=cheats, folder=folder)))
    return count


def main(arguments: list[str]) -> None:
    """One process's audit."""
    name, scratch, label, ends, beside, *names = arguments
    problem = kernel_problem(name)
    files = [file for file in sorted(CHEATS.glob("*.py")) if not names or file.stem in names]
    # Those that never end come last: should time be short, they are what is left out.
    files.sort(key=lambda file: "expect: timeout" in file.read_text(encoding="utf-8"))
    folders = {file.stem: folder_of(Path(scratch) / f"cheats-{name}-{label}" / file.stem, file) for file in files}
    cpus = max(1, (len(os.sched_getaffinity(0)) - 2) // int(beside))
    pool = recording_pool(find_device(), cpus)
    bailiff = Bailiff(problem=problem, pool=pool, workloads=train_workloads(problem)[:WORKLOADS])
    with (Path(scratch) / f"findings-{name}-{label}.jsonl").open("a", encoding="utf-8") as file:
        count = order_all(problem, bailiff, folders, not names)
        file.write(json.dumps({"attempts": count}) + "\n")
        file.flush()
        say(f"{name}: {count} attempts, {len(bailiff.futures)} modules to record on {cpus} processors")
        try:
            bailiff.open()
            for finding in guarded(attempts(problem, bailiff, folders, not names)):
                file.write(json.dumps(plain(finding)) + "\n")
                file.flush()
                if time.time() > float(ends):
                    break
        finally:
            bailiff.close()


def guarded(findings: Iterator[Finding]) -> Iterator[Finding]:
    """An audit that breaks off is a finding like any other."""
    try:
        yield from findings
    except Exception as error:  # noqa: BLE001 - whatever it is
        say(f"the audit broke off: {one_line(error)}")
        yield Finding.tried(
            Part.CHEATS, "audit: broke off", False, expected="no failure of the evaluator", found=one_line(error)
        )


def folder_of(folder: Path, file: Path) -> Path:
    """A folder with a copy of one cheat."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(file, folder / file.name)
    return folder


if __name__ == "__main__":
    main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    # Recorders that are still at a cheat that never ends are not waited for.
    os._exit(0)
