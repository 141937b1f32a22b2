"""Several GPUs at once: each gets some of the problems, some of the processors, and a run of the script of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

SCRIPT = Path(__file__).resolve().parent / "run.py"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hand:
    """What one GPU gets.

    Args:
        gpu: as ``CUDA_VISIBLE_DEVICES`` names it.
        problems: which it works on, one after the other.
        processors: which ones it may use.
    """

    gpu: str
    problems: tuple[str, ...]
    processors: tuple[int, ...]


def visible_gpus() -> tuple[str, ...]:
    """The GPUs that this process may use; none where there is no driver."""
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        return tuple(filter(None, os.environ["CUDA_VISIBLE_DEVICES"].split(",")))
    command = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(told.split())


def deal(problems: Sequence[str], gpus: Sequence[str], processors: Sequence[int]) -> list[Hand]:
    """Problems in turns, processors in equal parts; no GPU without a problem."""
    count = min(len(gpus), len(problems))
    share = len(processors) // count
    return [
        Hand(
            gpu=gpus[place],
            problems=tuple(problems[place::count]),
            processors=tuple(processors[place * share : (place + 1) * share]),
        )
        for place in range(count)
    ]


def play(hands: Sequence[Hand], arguments: Sequence[str], out: Path) -> list[Path]:
    """Run the script once for each GPU side by side; their folders, ``OUT/gpu0`` and so on.

    Args:
        hands: what each gets.
        arguments: of the script, beside ``--out`` and ``--problems``.
        out: folder that gets theirs.
    """
    folders = [out / f"gpu{place}" for place in range(len(hands))]
    running: list[subprocess.Popen[bytes]] = []
    try:
        for hand, folder in zip(hands, folders, strict=True):
            folder.mkdir(parents=True, exist_ok=True)
            command = [sys.executable, str(SCRIPT), "--out", str(folder), "--problems", ",".join(hand.problems)]
            with (folder / "said.txt").open("ab") as said:
                running.append(
                    subprocess.Popen(
                        [*command, *arguments], stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT,
                        env={**os.environ, "CUDA_VISIBLE_DEVICES": hand.gpu},
                        preexec_fn=partial(os.sched_setaffinity, 0, hand.processors),  # noqa: PLW1509 - one thread here
                    )
                )  # fmt: skip
            print(f"GPU {hand.gpu}: {', '.join(hand.problems)} on {len(hand.processors)} processors", flush=True)
        for process in running:
            process.wait()
    finally:
        # Each ends its own steps when it is told to.
        for process in running:
            if process.poll() is None:
                process.terminate()
                process.wait()
    return folders
