"""Every table on kernels, by one command on one visible GPU.

    python bench/kernels/run.py --minutes 9 --out DIR [--only STEP ...] [--problems topk_gating,moe_combine]
    python bench/kernels/run.py --out DIR --resume          go on: steps that DIR holds whole are not run again
    python bench/kernels/run.py --out DIR --keep OTHER/raw.json [--render]     take over steps of another run

Each step runs in a process of its own with a time limit, so that one that breaks costs only itself. DIR gets
``raw.json`` (figures by step, stored after every one), ``results.md``, ``log.txt``, the searches' ``archive.db`` and
the winners' sources. ``--dry`` prints the plan and tries all imports, without a GPU.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from drawing import Target, table
from figures import section
from stages import GRACE_SECONDS, LEAST_SECONDS, STAGES, Stage, allotted, chosen, plan

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PROBLEMS = "topk_gating,moe_combine"
MOST_MINUTES = 12.0
STOP_SECONDS = 8.0
TAIL_CHARACTERS = 2500
NOT_BEGUN = {"status": "not begun", "error": "no time was left", "seconds": 0.0}
KEPT = ("archive.db", "winner_topk_gating.py", "winner_moe_combine.py")
"""What a step may leave in its scratch folder to be kept beside the tables."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry of the script."""
    options = parse(arguments)
    stages = chosen(options.only)
    problems = tuple(options.problems.split(","))
    if options.dry:
        return dry(stages, 60 * options.minutes, problems)
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    raw = gathered(out, options.keep, keep_own=options.resume or options.render or bool(options.only))
    if not options.render:
        if options.resume:
            stages = tuple(stage for stage in stages if raw["steps"].get(stage.name, {}).get("status") != "whole")
        ends = time.time() + 60 * options.minutes
        run_all(stages, problems, ends, out, raw)
    write_results(out, raw)
    print(summary(raw))
    return 0 if all(raw["steps"].get(stage.name, {}).get("status") == "whole" for stage in stages) else 1


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=9.0, help="for all steps together (default 9, at most 12)")
    parser.add_argument("--out", default="kernel-results", help="folder for what is found")
    parser.add_argument(
        "--only", nargs="+", default=[], choices=[stage.name for stage in STAGES], help="these steps alone"
    )
    parser.add_argument("--problems", default=PROBLEMS, help=f"by comma (default {PROBLEMS})")
    parser.add_argument("--resume", action="store_true", help="leave out steps that the folder already holds whole")
    parser.add_argument("--keep", action="append", default=[], type=Path, metavar="RAW", help="another run's raw.json")
    parser.add_argument("--render", action="store_true", help="only write the tables again")
    parser.add_argument("--dry", action="store_true", help="print the plan and try all imports")
    options = parser.parse_args(arguments)
    if not 0 < options.minutes <= MOST_MINUTES:
        parser.error(f"--minutes must be above 0 and at most {MOST_MINUTES:.0f}")
    return options


def gathered(out: Path, keep: Sequence[Path], *, keep_own: bool) -> dict[str, Any]:
    """Raw figures of earlier runs, those of this folder last, so that they win."""
    raw: dict[str, Any] = {"steps": {}}
    own = out / "raw.json"
    for file in (*keep, *([own] if keep_own and own.exists() else [])):
        raw["steps"] |= json.loads(file.read_text(encoding="utf-8"))["steps"]
    return raw


def run_all(stages: Sequence[Stage], problems: tuple[str, ...], ends: float, out: Path, raw: dict[str, Any]) -> None:
    """Run steps one after the other; what one leaves of its time, the next ones share."""
    facts = machine()
    with tempfile.TemporaryDirectory(prefix="kernels-") as folder, (out / "log.txt").open("ab") as log:
        scratch = Path(folder)
        for position, stage in enumerate(stages):
            seconds = allotted(stages[position:], ends - time.time())
            if seconds < LEAST_SECONDS:
                step: dict[str, Any] = {**NOT_BEGUN, "result": {}}
            else:
                print(f"{stage.name}: at most {seconds:.0f} s", flush=True)
                step = run_step(stage, problems, seconds, scratch, log)
            step |= {"allotted_seconds": round(seconds, 1), "facts": facts, "problems": list(problems)}
            step["date"] = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
            # What was not begun costs nothing that is there from before.
            raw["steps"][stage.name] = raw["steps"].get(stage.name, step) if step["status"] == "not begun" else step
            print(f"{stage.name}: {step['status']} after {step['seconds']:.0f} s", flush=True)
            keep_files(scratch, out)
            write_json(out / "raw.json", raw)
            write_results(out, raw)


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
    result = json.loads(left.read_text(encoding="utf-8")) if left.exists() else {}
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
    for name in KEPT[1:]:
        if (scratch / name).exists():
            shutil.copy(scratch / name, out / name)


def machine() -> dict[str, str]:
    """What the figures were measured on."""
    query = "name,driver_version,memory.total,clocks.max.sm,clocks.max.memory,power.limit"
    command = ["nvidia-smi", f"--query-gpu={query}", "--format=csv,noheader"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout.splitlines()
    except (OSError, subprocess.SubprocessError) as error:
        told = [f"unknown ({type(error).__name__})"]
    values = [value.strip() for value in (told[0] if told else "unknown").split(",")]
    names = ("device", "driver", "memory", "highest SM clock", "highest memory clock", "power limit")
    facts = dict(zip(names, values, strict=False)) | {"rows of nvidia-smi": str(len(told))}
    facts |= {package: version_of(package) for package in ("torch", "triton", "numpy", "ray", "optuna")}
    facts["python"] = platform.python_version()
    facts["system"] = f"{platform.system()} {platform.release()}, {len(os.sched_getaffinity(0))} processors"
    return facts


def version_of(package: str) -> str:
    """The installed version of a package."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def write_json(path: Path, value: object) -> None:
    """Write JSON as a whole or not at all."""
    draft = path.with_name(path.name + ".new")
    draft.write_text(json.dumps(value, indent=1), encoding="utf-8")
    draft.replace(path)


def sections(raw: Mapping[str, Any]) -> list[tuple[str, dict[str, Any], Any]]:
    """Name, step and section of everything that was begun, in the order of the steps."""
    found = []
    for stage in STAGES:
        step = raw["steps"].get(stage.name)
        if step is not None:
            found.append((stage.name, step, section(stage.name, step["result"])))
    return found


def write_results(out: Path, raw: Mapping[str, Any]) -> None:
    """Write all tables."""
    drawn = sections(raw)
    parts = ["# Kernels on a GPU: results"]
    facts: dict[str, dict[str, str]] = {}
    for name, step, _ in drawn:
        key = json.dumps(step.get("facts", {}), sort_keys=True)
        facts.setdefault(key, {"steps": "", **step.get("facts", {})})
        facts[key]["steps"] = ", ".join(filter(None, [facts[key]["steps"], f"{name} ({step.get('date', '')})"]))
    parts += [table(("<what", "<measured with"), told.items()) for told in facts.values()]
    parts += ["## How to repeat", "```\n" + commands() + "\n```"]
    targets = [target for _, _, found in drawn for target in found.targets]
    if targets:
        parts += ["## Targets", target_table(targets)]
    steps = [(name, step["status"], step["seconds"], step.get("allotted_seconds")) for name, step, _ in drawn]
    parts += ["## Steps", table(("<step", "<ended", "s", "s given"), steps)]
    for _, step, found in drawn:
        parts += [f"## {found.title}", found.text]
        notes = step["result"].get("notes", [])
        if notes:
            parts.append("Not measured, or failed:\n\n" + "\n".join(f"- {' '.join(note.split())}" for note in notes))
        if step["status"] != "whole":
            parts.append(f"This step was {step['status']}.\n\n```\n{step['error'].replace('```', '')}\n```")
    (out / "results.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def commands() -> str:
    """How to get these tables."""
    return "\n".join(
        [
            "pip install 'evolve-adrs[kernels]'   # or the checkout on PYTHONPATH",
            "python bench/kernels/run.py --minutes 12 --out DIR",
            "python bench/kernels/run.py --minutes 9 --out DIR --only cheats search   # with more time for these",
        ]
    )


def target_table(targets: Sequence[Target]) -> str:
    """What was aimed at."""
    return table(("<target", "<figure", "<"), [(one.text, one.figure, one.verdict) for one in targets])


def summary(raw: Mapping[str, Any]) -> str:
    """What a caller sees last: steps, targets, and the ends of the logs of steps that broke."""
    drawn = sections(raw)
    lines = ["", "== steps =="]
    lines += [f"{name:9} {step['status']:10} {step['seconds']:6.1f} s" for name, step, _ in drawn]
    lines.append("== targets ==")
    for _, _, found in drawn:
        lines += [f"{one.verdict.strip('*'):12} {one.text}: {one.figure}" for one in found.targets]
    for name, step, _ in drawn:
        notes = step["result"].get("notes", [])
        lines += [f"{name}: {note}"[:300] for note in notes[:8]]
        if step["status"] != "whole":
            lines += [f"== {name} was {step['status']} ==", step["error"][-1200:]]
    return "\n".join(lines)[-11_000:]


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
