"""Is a recorded program right: fresh draws, two replays of each on differently poisoned buffers, every item checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from evaluators.kernels.forms import Form
from evaluators.kernels.gpu.blame import candidates
from evaluators.kernels.gpu.cuda import Driver
from evaluators.kernels.gpu.memory import NAN_BYTE, Arguments, as_tensor, unwritten
from evaluators.kernels.gpu.protocol import GUARDS, INPUTS, WRITTEN
from evaluators.kernels.gpu.replay import Graph, Program
from evaluators.kernels.task import Case, Fault, KernelTask, Tensors

DRAWS = 2
"""Fresh contents of each case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """Where programs run.

    Args:
        driver: the CUDA driver.
        stream: handle of the stream that everything runs on.
        shared_bytes: most shared memory of a block.
        name: torch's name of the device.
    """

    driver: Driver
    stream: int
    shared_bytes: int
    name: str = "cuda"


@dataclass(slots=True)
class Bound:
    """A program captured on one set of arguments."""

    program: Program
    arguments: Arguments
    graph: Graph


@dataclass(frozen=True, slots=True, kw_only=True)
class Checker:
    """Holds outputs to what is right.

    Args:
        task: the problem's.
        off: names of checks to leave out.
        rng: draws poisons.
    """

    task: KernelTask
    off: frozenset[str]
    rng: np.random.Generator

    def poison(self) -> int:
        """A byte to poison with."""
        return int(self.rng.integers(1, NAN_BYTE))

    def fault(self, bound: Bound, case: Case, number: int, run: Callable[[Bound, Case], None]) -> Fault | None:
        """What is wrong with a program on one draw; None if nothing.

        Args:
            bound: the program.
            case: its call.
            number: of the draw.
            run: replays it once and waits.
        """
        poisons = (self.poison(), NAN_BYTE)
        kept: list[list[Tensor]] = []
        for poison in poisons:
            bound.arguments.slab.poison(poison)
            bound.arguments.refresh(self.task.contents(case, number, bound.program.device))
            bound.program.slab.poison(poison)
            run(bound, case)
            # Drawn again: a kernel may have found and changed what was in memory while it ran, the master copy too.
            fault = self.trespass(bound, self.task.contents(case, number, bound.program.device))
            if fault:
                return fault
            kept.append(bound.program.outputs(bound.arguments))
        if WRITTEN not in self.off:
            for position, form in enumerate(case.call.outputs):
                left = unwritten(kept[0][position], kept[1][position], poisons, form)
                if left is not None:
                    return Fault(check=WRITTEN, reason=f"output {position} is never written at {index_of(left, form)}")
        contents = self.task.contents(case, number, bound.program.device)
        truth = self.task.truth(case, contents)
        for raw in kept:
            fault = self.wrong(case, contents, truth, raw)
            if fault:
                return fault
        return None

    def trespass(self, bound: Bound, contents: Tensors) -> Fault | None:
        """Writes outside of the buffers, or into arguments."""
        if GUARDS not in self.off:
            damage = bound.program.slab.damage() or bound.arguments.slab.damage()
            if damage:
                return Fault(check=GUARDS, reason=f"a kernel writes out of bounds: {damage}")
        if INPUTS not in self.off:
            changed = bound.arguments.changed(contents)
            if changed:
                return Fault(check=INPUTS, reason=changed)
        return None

    def wrong(self, case: Case, contents: Tensors, truth: object, raw: list[Tensor]) -> Fault | None:
        """What the task says of the outputs, given as raw bytes."""
        outputs = [as_tensor(part, form) for part, form in zip(raw, case.call.outputs, strict=True)]
        return self.task.fault(case, contents, truth, outputs, self.off)


def index_of(item: int, form: Form) -> str:
    """Where an item lies, as in ``[3, 0] of float32[8, 2]``."""
    where = np.unravel_index(item, form.shape) if form.shape else ()
    return f"[{', '.join(str(int(axis)) for axis in where)}] of {form}"


def run_candidate(device: Device) -> Callable[[Bound, Case], None]:
    """Replays once and waits; what fails is the candidate's."""

    def run(bound: Bound, case: Case) -> None:
        with candidates(device.driver, case.call.name):
            bound.graph.replay(device.stream)

    return run


def run_trusted(device: Device) -> Callable[[Bound, Case], None]:
    """Replays once and waits; what fails is ours."""

    def run(bound: Bound, case: Case) -> None:
        del case
        bound.graph.replay(device.stream)
        device.driver.synchronize()

    return run
