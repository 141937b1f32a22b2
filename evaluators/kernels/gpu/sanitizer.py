"""Runs a candidate's launches under compute-sanitizer's memcheck, in a process that ends with it, and reads its report.

Every buffer is an allocation of its own there, so that the tool knows the byte where each ends: reads beyond it, which
change no result and which no guard zone shows, are told. Only what the tool says of accesses to global memory by one of
the candidate's own kernels is held against it. Of shared memory it has told wrong things on Hopper, a hazard there
would be the compiler's doing, and what reads memory that nobody wrote may throw it away again, so that racecheck and
initcheck are not run.
"""

from __future__ import annotations

import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from evaluators.kernels.gpu.protocol import Done, Order, Reply

TOOL = "compute-sanitizer"
FOLDERS = ("/usr/local/cuda/bin", "/opt/cuda/bin")
"""Where the tool may lie if it is not on the path; the folder of the variable CUDA_HOME is looked at first."""

OPTIONS = ("--tool", "memcheck", "--report-api-errors", "no", "--show-backtrace", "no")
# Torch's own allocator hands out parts of large allocations, whose ends the tool does not see.
ENVIRONMENT = {"PYTORCH_NO_CUDA_MEMORY_CACHING": "1", "CUDA_MODULE_LOADING": "LAZY"}
NOT_WANTED = ("PYTORCH_CUDA_ALLOC_CONF", "PYTORCH_ALLOC_CONF")

END_SECONDS = 30.0
MOST_CHARACTERS = 300

_PREFIX = "========= "
_SUMMARY = re.compile(r"ERROR SUMMARY: (\d+) errors?")
_ACCESS = re.compile(r"Invalid __global__ (read|write|atomic) of size \d+ bytes?")


class Verdict(StrEnum):
    """What a run under the tool came to."""

    CLEAN = "clean"
    FAULTY = "faulty"
    UNTOLD = "untold"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sanitized:
    """What the tool says of a candidate.

    Args:
        verdict: ``untold`` where the tool is not here or failed, which is no fault of the candidate's.
        told: its first line on the candidate, or why it tells nothing; empty where there is nothing to tell.
    """

    verdict: Verdict
    told: str = ""


def find_tool() -> str | None:
    """Path of the tool; None where it is not installed."""
    homes = [f"{os.environ[name]}/bin" for name in ("CUDA_HOME", "CUDA_PATH") if os.environ.get(name)]
    return shutil.which(TOOL) or shutil.which(TOOL, path=os.pathsep.join([*homes, *FOLDERS]))


def read_report(text: str, kernels: Collection[str]) -> Sanitized:
    """Read the tool's report.

    Args:
        text: all of it.
        kernels: names of the candidate's kernels.
    """
    lines = [line.removeprefix(_PREFIX).rstrip() for line in text.splitlines() if line.startswith(_PREFIX)]
    counts = [int(found[1]) for line in lines if (found := _SUMMARY.fullmatch(line))]
    if len(counts) != 1:
        return _untold(f"its report has {len(counts)} summaries: {_first(lines)}")
    if counts[0] == 0:
        return Sanitized(verdict=Verdict.CLEAN)
    others = []
    for number, line in enumerate(lines):
        if not _ACCESS.fullmatch(line):
            continue
        place = lines[number + 1].strip() if number + 1 < len(lines) else ""
        if place.startswith("at ") and any(_names(place, kernel) for kernel in kernels):
            return Sanitized(verdict=Verdict.FAULTY, told=_line(f"{line} {place}{_beyond(lines[number + 2 :])}"))
        others.append(f"{line} {place}")
    return _untold(f"{counts[0]} errors, none of the candidate's accesses: {(others or [_first(lines)])[0]}")


def _names(place: str, kernel: str) -> bool:
    return re.search(rf"(?<![\w$]){re.escape(kernel)}(?![\w$])", place) is not None


def _beyond(lines: Sequence[str]) -> str:
    """How far outside an access lies, where the tool tells: the rest are addresses."""
    for line in lines:
        if not line.startswith("    "):
            break
        if found := re.match(r"\s+and is (.*?) the nearest allocation", line):
            return f", {found[1]} the nearest buffer"
    return ""


def _first(lines: Sequence[str]) -> str:
    return next((line for line in lines if line and line != TOOL.upper()), "nothing")


def _untold(why: str) -> Sanitized:
    return Sanitized(verdict=Verdict.UNTOLD, told=_line(f"{TOOL}: {why}"))


def _line(text: str) -> str:
    """One printable line: names of kernels are the candidate's words."""
    return "".join(letter if letter.isprintable() else "?" for letter in " ".join(text.split()))[:MOST_CHARACTERS]


def sanitized(start: Sequence[str], order: Order, timeout_seconds: float) -> Sanitized:
    """Run an order under the tool.

    Args:
        start: command of the process that obeys one order and ends, the order's and the reply's files to be appended.
        order: what it is to do.
        timeout_seconds: for all of it.
    """
    tool = find_tool()
    if tool is None:
        return _untold("not installed here")
    with tempfile.TemporaryDirectory(prefix="evolve-sanitizer-") as home:
        folder = Path(home)
        report, asked, answered = (folder / name for name in ("report", "order", "reply"))
        asked.write_bytes(pickle.dumps(order))
        command = [tool, *OPTIONS, "--log-file", str(report), *start, str(asked), str(answered)]
        try:
            code = _finished(command, folder / "printed", timeout_seconds)
        except OSError as error:
            return _untold(f"does not start: {error}")
        if code is None:
            return _untold(f"not done within {timeout_seconds:g} s")
        told = report.read_text(encoding="utf-8", errors="replace") if report.exists() else ""
        found = read_report(told, [kernel.name for kernel in order.request.candidate.kernels])
        if found.verdict is not Verdict.CLEAN:
            return found
        reply: Reply | None = None
        if answered.exists():
            reply = pickle.loads(answered.read_bytes())  # noqa: S301 - from our own process, see `protocol`
        if not isinstance(reply, Done):
            printed = (folder / "printed").read_text(encoding="utf-8", errors="replace").strip().splitlines()
            return _untold(f"no error, but the process failed: {reply or (printed or [f'exit status {code}'])[-1]}")
        return found


def _finished(command: Sequence[str], log: Path, timeout_seconds: float) -> int | None:
    """Exit status of a command, with everything that it started gone; None past its time."""
    environment = {name: value for name, value in os.environ.items() if name not in NOT_WANTED} | ENVIRONMENT
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    with log.open("wb") as printed:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=printed, stderr=subprocess.STDOUT, env=environment,
            start_new_session=True,
        )  # fmt: skip
    try:
        return process.wait(timeout_seconds)
    except subprocess.TimeoutExpired:
        return None
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(END_SECONDS)
