"""Jobs on machines: give every job to one of several machines so that the last one is done as early as possible."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evaluators.model import Metric, Split
from evaluators.policy import PolicyProblem
from evaluators.problem import Declaration, Descriptor, Guest, Measured, ProblemError, Relation
from evaluators.replies import Expected
from sandbox import Limits

ROUNDS = 8
"""Sets of jobs in a workload: its samples."""

DRAWS = {Split.TRAIN: 2, Split.VALIDATION: 4, Split.HIDDEN: 8}
"""How often each kind is drawn: the spread between draws is the error of the score, and two draws tell little of it."""

KINDS = {  # machines, jobs, spread of log duration; hidden ones have other shapes and laws
    Split.TRAIN: ((8, 40, 1.0), (16, 60, 0.7)),
    Split.VALIDATION: ((8, 40, 1.0), (16, 60, 0.7)),
    Split.HIDDEN: ((8, 40, 1.0), (12, 55, 1.3), (24, 80, 0.4)),
}

DECLARATION = Declaration(
    name="jobs",
    family="scheduling",
    title="jobs on identical machines, least makespan",
    entry="assign",
    parameters=("seconds", "machines"),
    optional_parameters=frozenset(),
    allowed_imports=frozenset({"numpy", "math", "heapq", "itertools"}),
    objective=Metric(name="evenness", unit="", higher_is_better=True, description="lower bound of makespan / makespan"),
    metrics=(Metric(name="call_ms", unit="ms", higher_is_better=False, description="time of one call"),),
    descriptors=(Descriptor(metric="call_ms", edges=(0.3, 1.0, 10.0)),),
    baseline="in_order",
    reference="the lower bound itself, max(mean load, longest job), which not every set of jobs can reach",
    limits=Limits(memory_bytes=1 << 30, load_seconds=5.0),
    preload=("numpy",),
    race_after=2,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Jobs:
    """A workload: durations in seconds ``(rounds, jobs)``, and how many machines there are."""

    name: str
    stratum: str
    seconds: NDArray[np.float64]
    machines: int


def least_makespan(seconds: NDArray[np.float64], machines: int) -> float:
    """A bound that no assignment beats, in seconds: the mean load, and the longest job (Graham 1969)."""
    return max(float(seconds.sum()) / machines, float(seconds.max()))


def _scale(jobs: Jobs, rng: np.random.Generator) -> tuple[Jobs, Callable[[NDArray[np.int32]], NDArray[np.int32]]]:
    return replace(jobs, seconds=jobs.seconds * 2.0 ** rng.integers(1, 5)), lambda machine: machine


def _relabel(jobs: Jobs, rng: np.random.Generator) -> tuple[Jobs, Callable[[NDArray[np.int32]], NDArray[np.int32]]]:
    new = rng.permutation(jobs.machines).astype(np.int32)
    return jobs, lambda machine: new[machine]


class JobsProblem(PolicyProblem):
    """Assign jobs to machines."""

    relations = (
        Relation(name="scale durations", change=_scale),
        Relation(name="relabel machines", change=_relabel),
    )

    def workloads(self, split: Split, seed: bytes) -> Sequence[Jobs]:
        """Some draws of every kind."""
        rng = np.random.default_rng([*seed])
        drawn = []
        for machines, jobs, spread in KINDS[split]:
            for number in range(1, 1 + DRAWS[split]):
                seconds = rng.lognormal(0.0, spread, (ROUNDS, jobs))
                kind = f"{jobs} jobs on {machines}"
                drawn.append(Jobs(name=f"{kind}/{number}", stratum=kind, seconds=seconds, machines=machines))
        return drawn

    def play(self, workload: Jobs, guest: Guest) -> Measured:
        """Ask for every round's assignment. From it alone the judge finds the makespan."""
        evenness, took = [], []
        for seconds in workload.seconds:
            form = Expected(
                what="the assignment",
                dtype="int32",
                shape=seconds.shape,
                low=0,
                high=workload.machines - 1,
                values="machines",
            )
            reply = guest.call({"seconds": seconds, "machines": workload.machines}, 1.0, form)
            loads = np.bincount(reply.value, weights=seconds, minlength=workload.machines)
            evenness.append(least_makespan(seconds, workload.machines) / loads.max())
            took.append(reply.seconds)
        return Measured(series=tuple(evenness), metrics={"call_ms": 1000 * float(np.mean(took))})

    def reference_objective(self, workload: Jobs, open_seed: Callable[[str], Guest]) -> float:
        """The bound; where it is a program instead, ``open_seed(name)`` starts one of the seeds."""
        del open_seed
        return self.ceiling(workload)

    def ceiling(self, workload: Jobs) -> float:
        """No makespan is below the bound."""
        del workload
        return 1.0


def make_problem(workload: str) -> JobsProblem:
    """What ``evolve`` calls; ``workload`` is what ``--workload`` says."""
    if workload != "generated":
        raise ProblemError(f"no workload {workload!r}\nhint: this problem has generated ones only")
    facts = {split.value: [DRAWS[split], ROUNDS, *KINDS[split]] for split in Split}
    return JobsProblem(DECLARATION, Path(__file__).parent / "seeds", facts)
