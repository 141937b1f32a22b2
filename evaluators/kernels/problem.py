"""A kernel task as a problem: timed against its decent seed, score 100 at the floor of what the machine allows."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from evaluators.digests import facts_digest
from evaluators.kernels.guest import OVER_FLOOR, KernelGuest
from evaluators.kernels.task import AuditableTask, KernelWorkload
from evaluators.model import EvaluatorError, Metric, Split
from evaluators.problem import Declaration, Descriptor, Guest, Measured, ProblemError, Relation
from sandbox import Limits
from seeds import Seed, read_seeds, read_statement

BASELINE = "decent"
"""The seed whose time is score 0 on every shape, replayed by the same path as every candidate."""

NOMINAL_GAP = 1.0
"""log2 of baseline over floor where no clock can be believed: it only keeps a score that is never given finite."""

LEAST_GAP = 0.05
"""The least that 100 points may mean on a shape, in log2 (3.5 %): no better is the time of a short call known. A
baseline that is at the floor, or by noise seems so, then neither costs the block nor makes a score of noise."""

METRICS = (
    Metric(name="time_us", unit="us", higher_is_better=False, description="median of one call, cold cache, as a graph"),
    Metric(name=OVER_FLOOR, unit="x", higher_is_better=False, description="that time over the floor of the machine"),
    Metric(name="bandwidth", unit="GB/s", higher_is_better=True, description="least traffic over that time"),
    Metric(name="launches", unit="", higher_is_better=False, description="kernel launches in one call"),
    Metric(
        name="registers", unit="", higher_is_better=False, description="registers a thread, of the hungriest kernel"
    ),
    Metric(name="local_bytes", unit="B", higher_is_better=False, description="spills and local arrays of a thread"),
    Metric(name="shared_bytes", unit="B", higher_is_better=False, description="shared memory of a block"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelFacts:
    """What tells one kernel problem from another.

    Args:
        name: on the command line.
        title: one line that says what is improved.
        entry: the host function.
        parameters: its parameters' names, in order.
        folder: seeds and statement.
        origin: what `evaluators.registry.load_problem` finds it by in another process; empty for its name.
        best_known: see `Declaration`.
        cost: see `Declaration`.
    """

    name: str
    title: str
    entry: str
    parameters: tuple[str, ...]
    folder: Path
    origin: str = ""
    best_known: str = ""
    cost: str = ""


class KernelProblem:
    """See `evaluators.problem.Problem`.

    Args:
        facts: of the problem.
        task: shapes, contents, reference and checks.
    """

    def __init__(self, facts: KernelFacts, task: AuditableTask) -> None:
        self.task = task
        self.origin = facts.origin or facts.name
        self.folder = facts.folder
        self.statement = read_statement(facts.folder)
        self.seeds: tuple[Seed, ...] = read_seeds(facts.folder)
        self.relations: tuple[Relation, ...] = ()
        self.declaration = Declaration(
            name=facts.name,
            family="Triton kernels",
            title=facts.title,
            entry=facts.entry,
            parameters=facts.parameters,
            optional_parameters=frozenset(),
            allowed_imports=frozenset({"torch", "triton", "math"}),
            objective=Metric(
                name="gain", unit="log2", higher_is_better=True, description="log2 of the speed-up over the decent seed"
            ),
            metrics=METRICS,
            descriptors=(
                Descriptor(metric="launches", edges=(1.5, 2.5)),
                Descriptor(metric="registers", edges=(32.5, 64.5, 128.5)),
            ),
            baseline=BASELINE,
            reference="the floor: least traffic at the device's peak, or an empty launch",
            limits=Limits(),
            preload=(),
            race_after=2,
            checks=task.checks,
            timed=True,
            kernel=True,
            best_known=facts.best_known,
            cost=facts.cost,
            shown_by_kind=("time_us", OVER_FLOOR, "bandwidth", "registers", "local_bytes", "shared_bytes"),
        )

    @property
    def digest(self) -> str:
        """Digest of the shapes, the revision of how they are checked, and the seed that scores are read against."""
        facts = {
            "problem": self.declaration.name,
            "revision": self.task.revision,
            "checks": self.task.checks,
            "shapes": [repr(self.task.workloads(split, bytes(32))) for split in Split],
            "baseline": [seed.source for seed in self.seeds if seed.name == BASELINE],
        }
        return facts_digest(facts)

    def workloads(self, split: Split, seed: bytes) -> Sequence[KernelWorkload]:
        """See `KernelTask.workloads`."""
        return self.task.workloads(split, seed)

    def play(self, workload: KernelWorkload, guest: Guest) -> Measured:
        """Measure a shape; see `KernelGuest.measure`."""
        return _kernel(guest).measure(workload)

    def reference_objective(self, workload: KernelWorkload, open_seed: Callable[[str], Guest]) -> float:
        """How far the floor lies below the baseline's time, in log2, at least `LEAST_GAP`: 100 points of this shape."""
        guest = _kernel(open_seed(BASELINE))
        if not guest.is_clocked:
            return NOMINAL_GAP
        return max(LEAST_GAP, math.log2(guest.measure(workload).metrics[OVER_FLOOR]))

    def ceiling(self, workload: KernelWorkload) -> float:
        """Only the machine can tell; see `Measured.ceiling`."""
        del workload
        return math.inf


def _kernel(guest: Guest) -> KernelGuest:
    if not isinstance(guest, KernelGuest):
        raise EvaluatorError("a kernel problem is played by a KernelGuest alone")
    return guest


def only_generated(name: str, workload: str) -> None:
    """Refuse other workloads than a kernel problem's own shapes.

    Raises:
        ProblemError: another was asked for.
    """
    if workload != "generated":
        raise ProblemError(
            f"problem {name} has no workload {workload!r}\nhint: leave --workload out; shapes are its own"
        )
