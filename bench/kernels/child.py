"""Runs one step in a process of its own: ``python child.py STEP PROBLEMS ENDS SCRATCH``; `run.py` starts it."""

from __future__ import annotations

import importlib
import signal
import sys
import time
from pathlib import Path
from types import FrameType

from ground import Job, say


def leave(number: int, frame: FrameType | None) -> None:
    """Turn a signal into an ordinary end, so that what the step started is ended too."""
    raise SystemExit(128 + number)


def main(arguments: list[str]) -> None:
    """Entry of the process."""
    signal.signal(signal.SIGTERM, leave)
    step, problems, ends, scratch = arguments
    job = Job(step=step, problems=tuple(problems.split(",")), ends=float(ends), scratch=Path(scratch))
    started = time.time()
    job.save()
    importlib.import_module(f"step_{step}").run(job)
    job.result["complete"] = True
    job.save()
    say(f"{step}: {time.time() - started:.1f} s")


if __name__ == "__main__":
    main(sys.argv[1:])
