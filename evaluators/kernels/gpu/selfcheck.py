"""``python -m evaluators.kernels.gpu.selfcheck``: what this GPU is, what measuring costs, what of bad kernels."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from statistics import median

from evaluators.kernels.gpu import trial
from evaluators.kernels.gpu.client import Gpu, Request
from evaluators.kernels.plan import Recording
from evaluators.kernels.recording import Recorder, empty_recording
from evaluators.kernels.task import KernelWorkload
from evaluators.problem import RefusedError
from evaluators.timing import Plan

PROBLEM = str(Path(trial.__file__))
SEED = b"selfcheck"
PLAN = Plan(fewest_rounds=16, most_rounds=96, most_seconds=1.0, half_width=0.01)
TIMEOUT_SECONDS = 30.0
HANG_SECONDS = 5.0
SAMPLES = 50

Say = Callable[[str], object]


class Selfcheck:
    """One session on the GPU.

    Args:
        gpu: the process.
        recorder: for its architecture.
        say: tells a line.
    """

    def __init__(self, gpu: Gpu, recorder: Recorder, say: Say) -> None:
        self._gpu = gpu
        self._recorder = recorder
        self._say = say
        self._empty = empty_recording(recorder)

    def record(self, source: str, workload: KernelWorkload) -> Recording:
        """A program on a workload."""
        return self._recorder.record(source, trial.ENTRY, workload.calls)

    def request(self, candidate: str, workload: KernelWorkload) -> Request:
        """A program against the good one."""
        return Request(
            workload=workload,
            candidate=self.record(candidate, workload),
            baseline=self.record(trial.GOOD, workload),
            empty=self._empty,
            seed=SEED,
            plan=PLAN,
        )

    def measure(self, items: int) -> None:
        """The good program against itself, and a program of two launches against it."""
        workload = trial.workload(items)
        for name, source in (("itself", trial.GOOD), ("two launches", trial.BAD["twice"])):
            request = self.request(source, workload)
            for _ in range(2):
                started = time.perf_counter()
                found = self._gpu.measure(request, TIMEOUT_SECONDS)
                wall = time.perf_counter() - started
                timing = found.timing
                self._say(
                    f"{workload.name} {name}: {1e6 * timing.seconds:.2f} us, ratio {timing}, n {timing.n}, empty "
                    f"{1e6 * found.empty_seconds:.2f} us, floor {1e6 * found.floor_seconds:.2f} us, "
                    f"{found.bandwidth / 1e12:.2f} TB/s, {found.launches} launches, {found.registers} registers, "
                    f"{found.samples_checked} checked, clocks {found.sm_clock_mhz}/{found.memory_clock_mhz} MHz, "
                    f"measured within {wall:.3f} s {found.notes}"
                )
        self._say(f"{workload.name} needed launches of two: {self._gpu.needed_launches(request, TIMEOUT_SECONDS)}")
        for name, column in self._gpu.columns(request, ("eager", "synchronous"), TIMEOUT_SECONDS).items():
            seconds = f"{1e6 * column.timing.seconds:.2f} us" if column.timing else f"not timed: {column.reason}"
            self._say(f"{workload.name} {name}: {seconds} {column.fault}")

    def refusals(self) -> None:
        """Every bad program has to be refused, and the next one measured."""
        workload = trial.workload(1 << 16)
        for name, source in trial.BAD.items():
            request = self.request(source, workload)
            timeout = HANG_SECONDS if name == "hang" else TIMEOUT_SECONDS
            started = time.perf_counter()
            try:
                found = self._gpu.measure(request, timeout)
                told = f"measured, ratio {found.timing}"
            except RefusedError as error:
                told = f"{error.outcome.value} [{error.check}] {error.reason}"
            self._say(f"{name}: {told} ({time.perf_counter() - started:.2f} s)")


def costs(recorder: Recorder, say: Say) -> None:
    """What an empty node, a flush and a sample cost, in this process and with its own context."""
    import torch  # noqa: PLC0415 - not before the process of the judge is gone

    from evaluators.kernels.gpu.clocked import Sampler  # noqa: PLC0415
    from evaluators.kernels.gpu.device import open_bench  # noqa: PLC0415
    from evaluators.kernels.gpu.replay import Kernels, Program  # noqa: PLC0415

    bench, stream = open_bench(trial.Scale(), 0, lambda _: None)
    with torch.cuda.stream(stream):
        recording = empty_recording(recorder)
        kernels = Kernels(bench.device.driver, recording, bench.device.shared_bytes)
        plan = next(iter(recording.plans.values()))
        sampler = Sampler(bench.flush)
        for nodes in (0, 1, 2, 10):
            program = Program(bench.device.driver, kernels, replace(plan, steps=plan.steps * nodes), "cuda")
            graph = program.capture({}, bench.device.stream)
            started = time.perf_counter()
            times = [sampler.seconds(lambda: graph.replay(bench.device.stream)) for _ in range(SAMPLES)]  # noqa: B023
            wall = (time.perf_counter() - started) / SAMPLES
            spread = f"{1e6 * min(times):.2f} to {1e6 * max(times):.2f}"
            say(
                f"{nodes} empty nodes: {1e6 * median(times):.2f} us ({spread}), {1e6 * wall:.0f} us a sample with flush"
            )
            graph.close()
        torch.cuda.synchronize()
        started = time.perf_counter()
        for _ in range(SAMPLES):
            bench.flush.read()
        torch.cuda.synchronize()
        say(f"flush: {1e6 * (time.perf_counter() - started) / SAMPLES:.0f} us")
        kernels.close()


def main() -> None:
    """Print everything."""

    def say(line: str) -> None:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    started = time.perf_counter()
    gpu = Gpu(PROBLEM, "generated")
    try:
        for fact in fields(gpu.facts):
            say(f"{fact.name}: {getattr(gpu.facts, fact.name)}")
        say(f"process up within {time.perf_counter() - started:.1f} s")
        with Recorder(gpu.facts.architecture, facts={"multi_processor_count": gpu.facts.sms}) as recorder:
            check = Selfcheck(gpu, recorder, say)
            for items in (1 << 16, 1 << 22, 1 << 26):
                check.measure(items)
            check.refusals()
            gpu.close()
            costs(recorder, say)
    finally:
        gpu.close()


if __name__ == "__main__":
    main()
