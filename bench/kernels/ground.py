"""What the steps share: the job, the shapes, recordings made side by side, requests, and saving as one goes."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cache
from multiprocessing import get_context
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Any, cast

from evaluators.kernels.forms import Call
from evaluators.kernels.gpu import cuda
from evaluators.kernels.gpu.client import Gpu, Measurement, Request
from evaluators.kernels.guest import Prepared, prepare
from evaluators.kernels.plan import Recording
from evaluators.kernels.problem import KernelProblem
from evaluators.kernels.recording import Recorder, empty_recording
from evaluators.kernels.task import KernelWorkload
from evaluators.model import Split
from evaluators.problem import seed_named
from evaluators.registry import load_problem
from evaluators.seeding import secret_from_seed, workload_seed
from evaluators.timing import Plan, Timing

ROOT = Path(__file__).resolve().parents[2]
SEED = 0
BLOCK = 0
US = 1e6
HOSTILE_SECONDS = 20.0
"""For recording a module that may be a cheat; an honest one takes some seconds."""


@dataclass(slots=True, kw_only=True)
class Job:
    """One step at work.

    Args:
        step: its name.
        problems: which problems.
        ends: when its time is over, by `time.time`.
        scratch: folder that the steps share.
        result: what it has found so far; plain JSON.
    """

    step: str
    problems: tuple[str, ...]
    ends: float
    scratch: Path
    result: dict[str, Any] = field(default_factory=dict)

    @property
    def left(self) -> float:
        """Seconds that are left."""
        return self.ends - time.time()

    def share(self, parts: int) -> float:
        """When the first of so many equal parts of what is left is over, by `time.time`."""
        return time.time() + max(0.0, self.left) / max(1, parts)

    def save(self) -> None:
        """Store what was found so far, as a whole or not at all."""
        write_json(self.scratch / f"{self.step}.json", self.result)

    def note(self, text: str) -> None:
        """Say something that belongs into the tables."""
        say(f"{self.step}: {text}")
        self.result.setdefault("notes", []).append(text)
        self.save()

    def fail(self, text: str) -> None:
        """Say something without which the step is not whole."""
        self.result["failed"] = True
        self.note(text)


def write_json(path: Path, value: object) -> None:
    """Write JSON as a whole or not at all."""
    draft = path.with_name(path.name + ".new")
    draft.write_text(json.dumps(value, indent=1), encoding="utf-8")
    draft.replace(path)


def say(text: str) -> None:
    """Tell a reader of the log."""
    print(f"[{time.strftime('%H:%M:%S', time.gmtime())}] {text}", file=sys.stderr, flush=True)


def one_line(error: BaseException) -> str:
    """A failure in one line."""
    text = str(error).strip()
    return f"{type(error).__name__}: {text.splitlines()[0] if text else ''}"[:400]


@cache
def kernel_problem(name: str) -> KernelProblem:
    """A kernel problem by its name, or a KernelBench file, which takes seconds to read."""
    return cast(KernelProblem, load_problem(name))


def source_of(problem: KernelProblem, seed: str) -> str:
    """Text of a seed."""
    return seed_named(problem, seed).source


def workloads_of(problem: KernelProblem, split: Split, block: int = BLOCK) -> list[KernelWorkload]:
    """The shapes of a block."""
    secret = secret_from_seed(SEED, problem.declaration.name)
    return list(problem.workloads(split, workload_seed(secret, split, block)))


def train_workloads(problem: KernelProblem, block: int = BLOCK) -> list[KernelWorkload]:
    """The train shapes of a block."""
    return workloads_of(problem, Split.TRAIN, block)


def timed_only(workloads: Sequence[KernelWorkload]) -> list[KernelWorkload]:
    """The same shapes without the cases that only have to be right, which the steps on time can spare."""
    return [replace(workload, checked=()) for workload in workloads]


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """The GPU as a recorder needs to know it; plain values that travel to other processes."""

    architecture: int
    facts: Mapping[str, int | str]


def find_device() -> Device:
    """Ask the driver, without a context."""
    driver = cuda.Driver()
    device = driver.device(0)
    architecture = 10 * driver.attribute(cuda.MAJOR, device) + driver.attribute(cuda.MINOR, device)
    facts: dict[str, int | str] = {"multi_processor_count": driver.attribute(cuda.SM_COUNT, device)}
    name = smi("name")
    return Device(architecture=architecture, facts=facts | ({"name": name} if name else {}))


def smi(query: str) -> str:
    """A fact of the first visible GPU by nvidia-smi; empty where it does not tell."""
    command = ["nvidia-smi", f"--query-gpu={query}", "--format=csv,noheader,nounits"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout.splitlines()
    except (OSError, subprocess.SubprocessError):
        return ""
    return told[0].strip() if told else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """One recording to be made: of a module's entry on these calls."""

    key: str
    source: str
    entry: str
    calls: tuple[Call, ...]


@dataclass(slots=True)
class _Here:
    """The recorder of a recording process."""

    recorder: Recorder | None = None


_HERE = _Here()


def open_recorder(device: Device) -> None:
    """Start the recorder of this process, which is closed at its end."""
    recorder = Recorder(device.architecture, facts=device.facts)
    Finalize(None, recorder.close, exitpriority=10)
    _HERE.recorder = recorder


def record(wish: Wish) -> Recording:
    """Record in a process that `open_recorder` has prepared."""
    assert _HERE.recorder is not None
    return _HERE.recorder.record(wish.source, wish.entry, wish.calls)


def prepare_quickly(source: str, entry: str, workloads: list[KernelWorkload]) -> Prepared:
    """Record a module that may be up to anything on all shapes there, or say why not."""
    recorder = _HERE.recorder
    assert recorder is not None
    return prepare(workloads, lambda calls: recorder.record(source, entry, calls, timeout_seconds=HOSTILE_SECONDS))


def record_empty() -> Recording:
    """Record the empty program there."""
    assert _HERE.recorder is not None
    return empty_recording(_HERE.recorder)


def recording_pool(device: Device, processes: int) -> ProcessPoolExecutor:
    """Processes with a recorder each."""
    return ProcessPoolExecutor(
        processes, mp_context=get_context("spawn"), initializer=open_recorder, initargs=(device,)
    )


def seed_recordings(job: Job, split: Split = Split.TRAIN) -> dict[str, dict[str, Recording]]:
    """Recordings of all seeds on all shapes and of the empty program, by problem; kept for the next steps."""
    key = hashlib.sha256(",".join(job.problems).encode()).hexdigest()[:16]
    kept = job.scratch / f"recordings-{split.value}-{key}.pickle"
    if kept.exists():
        return cast(dict[str, dict[str, Recording]], pickle.loads(kept.read_bytes()))
    started = time.time()
    found: dict[str, dict[str, Recording]] = {}
    processes = max(1, min(4, len(os.sched_getaffinity(0)) - 1))
    with recording_pool(find_device(), processes) as pool:
        empty = pool.submit(record_empty)
        wanted = {}
        for name in job.problems:
            problem = kernel_problem(name)
            calls = tuple(workload.timed.call for workload in workloads_of(problem, split))
            for seed in problem.seeds:
                wish = Wish(key=seed.name, source=seed.source, entry=problem.declaration.entry, calls=calls)
                wanted[name, seed.name] = pool.submit(record, wish)
        for (name, seed), future in wanted.items():
            found.setdefault(name, {})[seed] = future.result()
        for name in job.problems:
            found[name]["empty"] = empty.result()
    kept.write_bytes(pickle.dumps(found))
    say(f"recorded the seeds in {time.time() - started:.1f} s")
    return found


def seed_bytes(*parts: object) -> bytes:
    """A seed of a request, from what it is for."""
    return hashlib.sha256(":".join(map(str, parts)).encode()).digest()


def request(
    workload: KernelWorkload,
    recordings: Mapping[str, Recording],
    candidate: str,
    plan: Plan,
    seed: bytes,
    baseline: str = "decent",
) -> Request:
    """A request that compares a seed with the one that is score 0."""
    return Request(
        workload=workload,
        candidate=recordings[candidate],
        baseline=recordings[baseline],
        empty=recordings["empty"],
        seed=seed,
        plan=plan,
    )


def timing_row(timing: Timing) -> dict[str, float | int]:
    """A timing as JSON, in us; ``ratio`` is the decent seed's time over this one's."""
    return {
        "us": US * timing.seconds,
        "decent_us": US * timing.baseline_seconds,
        "empty_us": US * timing.channel_seconds,
        "ratio": timing.ratio,
        "low": timing.low,
        "high": timing.high,
        "calls": timing.n,
    }


def measurement_row(measured: Measurement) -> dict[str, float | int | list[str]]:
    """A measurement as JSON, in us, GB/s and MHz."""
    return {
        **timing_row(measured.timing),
        "floor_us": US * measured.floor_seconds,
        "roofline_us": US * measured.roofline_seconds,
        "bandwidth_gb_s": measured.bandwidth / 1e9,
        "registers": measured.registers,
        "local_bytes": measured.local_bytes,
        "shared_bytes": measured.shared_bytes,
        "launches": measured.launches,
        "sm_mhz": measured.sm_clock_mhz,
        "memory_mhz": measured.memory_clock_mhz,
        "notes": list(measured.notes),
    }


def gpu_facts(gpu: Gpu) -> dict[str, object]:
    """What the judge process says of the GPU."""
    facts = gpu.facts
    return {
        "name": facts.name,
        "architecture": facts.architecture,
        "sms": facts.sms,
        "l2_bytes": facts.l2_bytes,
        "bandwidth_gb_s": facts.bandwidth / 1e9,
        "torch": facts.torch,
        "triton": facts.triton,
        "driver": facts.driver,
        "cuda": facts.cuda,
    }


def attempt(job: Job, what: str, work: Callable[[], None]) -> None:
    """Do something whose failure must not cost the rest of the step; says what failed."""
    try:
        work()
    except Exception as error:  # noqa: BLE001 - whatever it is, it becomes a line of the tables
        traceback.print_exc()
        job.fail(f"{what}: {one_line(error)}")
