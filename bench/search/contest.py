"""Runs systems against each other: the same proposal server, workloads and number of proposals for all of them.

    python bench/search/contest.py --systems ours,best_of_n,openevolve --problems circle,noisy --seeds 0-9
    python bench/search/contest.py --minutes 18        go on where it stopped, for at most 18 minutes

A piece is one system on one problem with one seed, and leaves one file in ``--out``. Finished pieces are skipped. A
piece that fails or takes longer than ``--limit`` is kept with its reason and with what it had found. When the minutes
are over, pieces under way are dropped and done again the next time. Peers are the folders of `bench/peers`.
`truth.py` and `table.py` make the table.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from children import ChildError, run, server
from ours import VARIANTS
from pieces import HERE, PROBLEM_NAMES, PROBLEMS, RESULTS, Piece, all_pieces, named, path_of

PEERS_FOLDER = HERE.parent / "peers"
PEERS = ("openevolve", "shinka", "gepa", "skydiscover")
CLEARED = ("OPENAI_", "EVOLVE_", "ANTHROPIC_", "GEMINI_", "AZURE_")


class TimeIsUpError(Exception):
    """The contest ends before the piece could."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What every piece has in common."""

    proposals: int
    limit_seconds: float
    out: Path
    ends: float
    keep: bool
    durations: dict[tuple[str, str], float] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


def play(plan: Plan, system: str, problem: str, seed: int, folder: Path) -> Piece:
    """One piece."""
    initial = PROBLEMS / problem / "initial.py"
    started = time.monotonic()
    left = plan.ends - started
    allowed = min(plan.limit_seconds, left)
    error, counts, books = "", {}, {}
    with ExitStack() as stack:
        proposer = [sys.executable, str(HERE / "proposer.py"), "--seed", str(seed)]
        proposer += ["--log", str(folder / "requests.jsonl")]
        proposer_url = stack.enter_context(server(proposer, folder=folder, name="proposer"))
        referee_url = ""
        if system not in VARIANTS:
            referee = [sys.executable, str(HERE / "referee.py"), "--problem", str(PROBLEMS / problem)]
            referee += ["--seed", str(seed), "--budget", str(plan.proposals), "--log", str(folder / "judged.jsonl")]
            referee_url = stack.enter_context(server(referee, folder=folder, name="referee"))
        command = command_of(system, problem, proposer_url=f"{proposer_url}/v1", referee_url=referee_url)
        command += ["--proposals", str(plan.proposals), "--seed", str(seed), "--out", str(folder)]
        begun = time.monotonic()
        try:
            run(command, log=folder / "system.log", seconds=allowed, environment=environment())
        except ChildError as failure:
            if time.monotonic() >= plan.ends:
                raise TimeIsUpError from failure
            error = str(failure)
        seconds = time.monotonic() - begun
        books = get(f"{proposer_url}/books")
        counts = get(f"{referee_url}/count") if referee_url else {}
    program = initial.read_text(encoding="utf-8")
    found = of_ours(folder, program) if system in VARIANTS else of_others(folder, program, counts)
    return Piece(
        system=system,
        problem=problem,
        seed=seed,
        proposals=plan.proposals,
        error=error,
        seconds=seconds,
        **{**found, "more": {**found["more"], "books": books}},
    )


def command_of(system: str, problem: str, *, proposer_url: str, referee_url: str) -> list[str]:
    """How a system is started, but for proposals, seed and folder."""
    where = PROBLEMS / problem
    if system in VARIANTS:
        script = [sys.executable, str(HERE / "ours.py"), "--problem", str(where), "--variant", system]
        return [*script, "--proposer-url", proposer_url]
    python, script_file = Path(sys.executable), HERE / "best_of_n.py"
    if system != "best_of_n":
        python, script_file = python_of(system), PEERS_FOLDER / system / "adapter.py"
    files = ["--initial", str(where / "initial.py"), "--statement", str(where / "statement.md")]
    return [str(python), str(script_file), *files, "--proposer-url", proposer_url, "--referee-url", referee_url]


def python_of(peer: str) -> Path:
    """A peer's own interpreter."""
    return PEERS_FOLDER / ".venvs" / peer / "bin" / "python"


def environment() -> Mapping[str, str]:
    """This process's environment without what could lead a system to another server than the proposer."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(CLEARED)}
    # Clients refuse to start without a key; the proposer takes any.
    return {**kept, "OPENAI_API_KEY": "none", "PYTHONUNBUFFERED": "1"}


def get(url: str) -> dict[str, Any]:
    """Read JSON."""
    with urllib.request.urlopen(url, timeout=30) as response:
        read: dict[str, Any] = json.load(response)
        return read


def of_ours(folder: Path, initial: str) -> dict[str, Any]:
    """What `ours.py` left, as fields of a piece; where it left nothing it is worth what it began with."""
    file = folder / "result.json"
    told: dict[str, Any] = {"curve": [initial], "leader": initial, "reported": None, "low": None, "high": None}
    told |= {"evaluations": 0, "proposals": 0, "seconds": 0.0}
    if file.exists():
        told = json.loads(file.read_text(encoding="utf-8"))
    programs, names = named([*told.pop("curve"), told.pop("leader")])
    taken = {key: told.pop(key) for key in ("reported", "low", "high", "evaluations")}
    del told["seconds"]
    return {
        "programs": programs,
        "curve": names[:-1],
        "leader": names[-1],
        "judged": told.pop("proposals"),
        **taken,
        "more": told,
    }


def of_others(folder: Path, initial: str, counts: Mapping[str, Any]) -> dict[str, Any]:
    """What the referee saw and the adapter left, as fields of a piece.

    After each proposal the program with the highest score so far is the one that such a system would call best; at the
    end the one that it does call best.
    """
    log = folder / "judged.jsonl"
    entries = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()] if log.exists() else []
    best, reported = initial, next((entry["score"] for entry in entries if entry["initial"]), 0.0)
    curve = [best]
    for entry in entries:
        if entry["initial"]:
            continue
        if entry["score"] is not None and (reported is None or entry["score"] > reported):
            best, reported = entry["program"], entry["score"]
        curve.append(best)
    notes: dict[str, Any] = {}
    if (folder / "leader.py").exists():
        best = (folder / "leader.py").read_text(encoding="utf-8")
        notes = json.loads((folder / "leader.json").read_text(encoding="utf-8"))
        reported = notes.pop("reported")
    programs, names = named([*curve, best])
    return {
        "programs": programs,
        "curve": names[:-1],
        "leader": names[-1],
        "reported": reported,
        "judged": len(curve) - 1,
        "evaluations": len(entries),
        "more": {**notes, **counts, "failed": sum(entry["score"] is None for entry in entries)},
    }


def attempt(plan: Plan, system: str, problem: str, seed: int) -> str:
    """Play a piece and keep it, unless it is there or there is no time for it; what came of it, in words."""
    if path_of(plan.out, system, problem, seed).exists():
        return ""
    with plan.lock:
        expected = plan.durations.get((system, problem), 0.0)
    if time.monotonic() + expected >= plan.ends:
        return "no time left"
    plan.out.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{problem}_{system}_{seed}_", dir=plan.out))
    try:
        piece = play(plan, system, problem, seed, folder)
    except TimeIsUpError:
        remove(folder)
        return "dropped, for the time is up"
    except ChildError as error:
        return f"FAILED, and left nothing: {error} ({folder})"
    piece.save(plan.out)
    with plan.lock:
        plan.durations[system, problem] = max(plan.durations.get((system, problem), 0.0), piece.seconds)
    if not plan.keep and not piece.error:
        remove(folder)
    how = f"FAILED: {piece.error[:300]}" if piece.error else "done"
    used = f"{piece.judged} judged, {piece.evaluations} evaluations, {piece.seconds:.0f} s"
    return f"{how}, {used}, reported {piece.reported}"


def remove(folder: Path) -> None:
    """Remove a piece's working folder."""
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    folder.rmdir()


def numbers(text: str) -> list[int]:
    """``0-2,7`` means 0, 1, 2, 7."""
    found: list[int] = []
    for part in text.split(","):
        low, _, high = part.partition("-")
        found.extend(range(int(low), int(high or low) + 1))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    everyone = ["best_of_n", "ours", *PEERS]
    parser.add_argument("--systems", default=",".join(everyone), help=f"of {', '.join([*everyone, *VARIANTS])}")
    parser.add_argument("--problems", default=",".join(PROBLEM_NAMES))
    parser.add_argument("--seeds", type=numbers, default=numbers("0-9"), help="such as 0-9 or 1,4")
    parser.add_argument("--proposals", type=int, default=100)
    parser.add_argument("--minutes", type=float, default=18.0, help="stop after this long")
    parser.add_argument("--limit", type=float, default=900.0, help="seconds that one piece may take")
    parser.add_argument("--jobs", type=int, default=1, help="pieces at the same time")
    parser.add_argument("--keep", action="store_true", help="keep working folders")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    plan = Plan(
        proposals=options.proposals,
        limit_seconds=options.limit,
        out=options.out.resolve(),
        ends=time.monotonic() + 60 * options.minutes,
        keep=options.keep,
    )
    for piece in all_pieces(plan.out):
        key = (piece.system, piece.problem)
        plan.durations[key] = max(plan.durations.get(key, 0.0), piece.seconds)
    systems = options.systems.split(",")
    unknown = set(systems) - {*everyone, *VARIANTS} or set(options.problems.split(",")) - set(PROBLEM_NAMES)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    missing = [system for system in systems if system in PEERS and not python_of(system).exists()]
    for system in missing:
        print(f"{system}: left out, it is not installed; run bench/peers/install.py")
    todo = [
        (system, problem, seed)
        for seed in options.seeds
        for problem in options.problems.split(",")
        for system in systems
        if system not in missing
    ]

    def one(item: tuple[str, str, int]) -> None:
        said = attempt(plan, *item)
        if said:
            print(f"{item[1]:>10} {item[0]:>16} seed {item[2]}: {said}", flush=True)

    with ThreadPoolExecutor(options.jobs) as pool:
        list(pool.map(one, todo))
    left = [item for item in todo if not path_of(plan.out, *item).exists()]
    print(f"{len(todo) - len(left)} of {len(todo)} pieces are there" + ("; run it again to go on" if left else ""))


if __name__ == "__main__":
    main()
