"""Every table on kernels, by one command, on all visible GPUs.

    python bench/kernels/run.py --minutes 12 --out DIR [--only STEP ...] [--problems NAME,NAME] [--search NAME]
    python bench/kernels/run.py --out DIR --resume          go on: what DIR holds whole is not run again
    python bench/kernels/run.py --out DIR --keep OTHER/raw.json [--render]     take over figures of another run

Problems are dealt to the GPUs, which work side by side; steps follow each other. Each step runs in a process of its
own with a time limit, so that one that breaks costs only itself. DIR gets ``raw.json`` (figures by step and problem,
stored after every one; see `raws`), ``results.md``, ``log.txt``, the searches' ``archive.db`` and the winners'
sources; with several GPUs ``gpu0``, ``gpu1`` and so on hold theirs. ``--dry`` prints the plan and tries all imports,
without a GPU.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import raws
from dealing import deal, play, visible_gpus
from results import summary, write_results
from stages import GRACE_SECONDS, LEAST_SECONDS, STAGES, Stage, allotted, chosen, plan
from subject import machine

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PROBLEMS = (
    "topk_gating,moe_combine,moe_align,hadamard_quant,product_key_router,topk_gating_grouped,moe_decode,moe_prefill"
)
MOST_MINUTES = 12.0
STOP_SECONDS = 8.0
TAIL_CHARACTERS = 2500
NOT_BEGUN = {"status": raws.NOT_BEGUN, "error": "no time was left", "seconds": 0.0, "result": {}}
WINNERS = "winner_*.py"
"""What a search leaves in its scratch folder to be kept beside the tables and the archive."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry of the script."""
    options = parse(arguments)
    stages, problems = chosen(options.only), tuple(options.problems.split(","))
    if options.dry:
        return dry(stages, 60 * options.minutes, problems)
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    keeps_own = (options.resume or options.render or bool(options.only)) and (out / "raw.json").exists()
    steps = raws.read([*options.keep, *([out / "raw.json"] if keeps_own else [])])
    asked = {stage.name: problems for stage in stages}
    if options.search and "search" in asked:
        asked["search"] = tuple(name for name in problems if name in options.search.split(","))
    if not options.render:
        gpus = visible_gpus()
        if len(gpus) > 1 and len(problems) > 1:
            run_on_all(options, problems, gpus, out, steps)
        else:
            left = {name: raws.missing(steps, name, names) for name, names in asked.items()}
            wanted = left if options.resume else asked
            run_all([stage for stage in stages if wanted[stage.name]], wanted, 60 * options.minutes, out, steps)
    write_results(out, steps)
    print(summary(steps))
    return 1 if any(raws.missing(steps, name, names) for name, names in asked.items()) else 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=9.0, help="for all steps together (default 9, at most 12)")
    parser.add_argument("--out", default="kernel-results", help="folder for what is found")
    parser.add_argument(
        "--only", nargs="+", default=[], choices=[stage.name for stage in STAGES], help="these steps alone"
    )
    parser.add_argument("--problems", default=PROBLEMS, help="by comma (default: all)")
    parser.add_argument("--search", default="", help="search on these problems alone, by comma")
    parser.add_argument("--resume", action="store_true", help="leave out what the folder already holds whole")
    parser.add_argument("--keep", action="append", default=[], type=Path, metavar="RAW", help="another run's raw.json")
    parser.add_argument("--render", action="store_true", help="only write the tables again")
    parser.add_argument("--dry", action="store_true", help="print the plan and try all imports")
    options = parser.parse_args(arguments)
    if not 0 < options.minutes <= MOST_MINUTES:
        parser.error(f"--minutes must be above 0 and at most {MOST_MINUTES:.0f}")
    return options


def run_on_all(
    options: argparse.Namespace, problems: tuple[str, ...], gpus: Sequence[str], out: Path, steps: raws.Steps
) -> None:
    """Have every GPU run the script on its part of the problems, and put together what they found."""
    arguments = ["--minutes", str(options.minutes), *(["--only", *options.only] if options.only else [])]
    arguments += ["--search", options.search] if options.search else []
    if options.resume:
        raws.write(out / "raw.json", steps)
        arguments += ["--resume", "--keep", str(out / "raw.json")]
    hands = deal(problems, gpus, sorted(os.sched_getaffinity(0)))
    for folder in play(hands, arguments, out):
        if (folder / "raw.json").exists():
            for name, parts in raws.read([folder / "raw.json"]).items():
                for part in parts:
                    raws.add(steps, name, part)
        for file in folder.glob(WINNERS):
            shutil.copy(file, out / file.name)
    raws.write(out / "raw.json", steps)


def run_all(
    stages: Sequence[Stage], wanted: dict[str, tuple[str, ...]], seconds: float, out: Path, steps: raws.Steps
) -> None:
    """Run steps one after the other; what one leaves of its time, the next ones share."""
    facts, ends = machine(), time.time() + seconds
    with tempfile.TemporaryDirectory(prefix="kernels-") as folder, (out / "log.txt").open("ab") as log:
        scratch = Path(folder)
        for position, stage in enumerate(stages):
            given = allotted(stages[position:], ends - time.time())
            if given < LEAST_SECONDS:
                part: raws.Part = dict(NOT_BEGUN)
            else:
                print(f"{stage.name}: at most {given:.0f} s", flush=True)
                part = run_step(stage, wanted[stage.name], given, scratch, log)
            part |= {"allotted_seconds": round(given, 1), "facts": facts, "problems": list(wanted[stage.name])}
            part["date"] = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
            raws.add(steps, stage.name, part)
            print(f"{stage.name}: {part['status']} after {part['seconds']:.0f} s", flush=True)
            keep_files(scratch, out)
            raws.write(out / "raw.json", steps)
            write_results(out, steps)


def run_step(stage: Stage, problems: tuple[str, ...], seconds: float, scratch: Path, log: Any) -> dict[str, Any]:
    """One step in its own process: its figures, and how it ended."""
    ends = time.time() + seconds
    begin = log.tell()
    command = [sys.executable, str(HERE / "child.py"), stage.name, ",".join(problems), str(ends), str(scratch)]
    started = time.time()
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
        env=environment(), cwd=ROOT,
    )  # fmt: skip
    status = ""
    try:
        code = process.wait(seconds + GRACE_SECONDS)
        status = "" if code == 0 else f"exit status {code}"
    except subprocess.TimeoutExpired:
        status = f"killed after {seconds + GRACE_SECONDS:.0f} s"
    finally:
        end(process)
    left = scratch / f"{stage.name}.json"
    result: dict[str, Any] = json.loads(left.read_text(encoding="utf-8")) if left.exists() else {}
    log.flush()
    tail = Path(log.name).read_bytes()[begin:].decode("utf-8", errors="replace")[-TAIL_CHARACTERS:]
    whole = result.get("complete", False) and not result.get("failed") and not status
    return {
        "status": "whole" if whole else "broken" if status else "partial",
        "error": "" if whole else f"{status}\n{tail}".strip(),
        "seconds": round(time.time() - started, 1),
        "result": result,
    }


def end(process: subprocess.Popen[bytes]) -> None:
    """See to it that a step and what it started are gone: its process group is its own."""
    if process.poll() is None:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def environment() -> dict[str, str]:
    """Of a step: it finds the project without being installed."""
    paths = [str(ROOT), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1"}


def keep_files(scratch: Path, out: Path) -> None:
    """Copy what a step left to be kept."""
    whole = scratch / "archive-copy.db"
    if whole.exists():
        whole.replace(scratch / "archive.db.copy")
        shutil.copy(scratch / "archive.db.copy", out / "archive.db")
    for file in scratch.glob(WINNERS):
        shutil.copy(file, out / file.name)


def dry(stages: Sequence[Stage], seconds: float, problems: tuple[str, ...]) -> int:
    """Print the plan, try all imports and load the problems."""
    for stage, given in plan(stages, seconds):
        print(f"{stage.name:9} at most {given:4.0f} s, killed {GRACE_SECONDS:.0f} s later: {stage.shows}")
    sys.path.insert(0, str(ROOT))
    failed = 0
    for stage in stages:
        try:
            import_module(f"step_{stage.name}")
            print(f"step_{stage.name}: imported")
        except Exception as error:  # noqa: BLE001 - that is what a dry run is there to find
            failed += 1
            print(f"step_{stage.name}: {type(error).__name__}: {error}")
    for name in problems:
        try:
            problem = import_module("ground").kernel_problem(name)
            shapes = ", ".join(workload.name for workload in import_module("ground").train_workloads(problem))
            print(f"{name}: {shapes}; columns {', '.join(problem.task.columns())}")
        except Exception as error:  # noqa: BLE001 - likewise
            failed += 1
            print(f"{name}: {type(error).__name__}: {error}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
