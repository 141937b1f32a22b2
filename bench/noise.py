"""What a run claims when there is nothing to be found: every program is as good as any other, and noise does the rest.

The real search, archive, judge, statistics and final, on a problem whose samples ignore the program. Only the sandbox
is left out: no program is ever called. Workloads have the shape of eplb's: 8 kinds drawn twice with 12 samples on train
and validation, 6 kinds drawn four times with 24 samples on hidden.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import fmean
from types import SimpleNamespace
from typing import Any

import numpy as np

from db.archive import Archive
from db.records import NewRun, Planned, Purpose
from evaluators.arena import SandboxArena
from evaluators.judge import Judge
from evaluators.model import Evaluation, Metric, Outcome, Split
from evaluators.problem import Declaration, Descriptor, Guest, Measured, Relation
from evaluators.serial import SerialPool
from evaluators.tasks import WorkerSpec
from evolve.budget import Budget
from evolve.desk import InlineDesk
from evolve.evolution import Evolution
from evolve.finals import FINALISTS, SEEDS, Contenders, FinalResult, run_final
from evolve.proposal import Context, Proposal, Selection
from evolve.runner import Flight, Runner, Workshop
from evolve.selectors import SELECTORS
from evolve.steering import Steering
from sandbox import Limits
from seeds import Seed

SOURCE = "def answer():\n    return {value}\n"

DECLARATION = Declaration(
    name="noise",
    family="tests",
    title="nothing to be found",
    entry="answer",
    parameters=(),
    optional_parameters=frozenset(),
    allowed_imports=frozenset(),
    objective=Metric(name="level", unit="", higher_is_better=True, description="one, and noise"),
    metrics=(Metric(name="flavour", unit="", higher_is_better=True, description="uniform in 0 to 1"),),
    descriptors=(Descriptor(metric="flavour", edges=(0.45, 0.5, 0.55)),),
    baseline="first",
    reference="a tenth more",
    limits=Limits(),
    preload=(),
    race_after=4,
)

REFERENCE = 1.1
"""Score 100, as a multiple of what every program is worth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """A workload: how many samples of a program are taken."""

    name: str
    stratum: str
    count: int


class Noise:
    """A problem on which every program is worth exactly 1.

    Args:
        sigma: noise of one sample, as a share of the objective.
        rng: where the noise comes from, whatever the program and the workload.
    """

    declaration = DECLARATION
    statement = "Define answer(); what it returns does not matter."
    digest = "noise"
    relations: tuple[Relation, ...] = ()
    seeds = tuple(
        Seed(name=name, summary=name, source=SOURCE.format(value=-1 - value))
        for value, name in enumerate(("first", "second", "third"))
    )

    def __init__(self, sigma: float, rng: np.random.Generator) -> None:
        self._sigma = sigma
        self._rng = rng

    def workloads(self, split: Split, seed: bytes) -> Sequence[Samples]:
        """As many kinds, draws and samples as in eplb's suite."""
        del seed
        kinds, draws, count = (6, 4, 24) if split is Split.HIDDEN else (8, 2, 12)
        return [
            Samples(name=f"{kind}k/{draw}", stratum=f"{kind}k", count=count)
            for draw in range(draws)
            for kind in range(kinds)
        ]

    def play(self, workload: Samples, guest: Guest) -> Measured:
        """Noise around 1; the program is not called."""
        del guest
        series = 1.0 + self._sigma * self._rng.standard_normal(workload.count)
        return Measured(series=tuple(series.tolist()), metrics={"flavour": float(self._rng.random())})

    def reference_objective(self, workload: Samples, open_seed: Callable[[str], Guest]) -> float:
        """A tenth more than any program is worth."""
        del workload, open_seed
        return REFERENCE

    def ceiling(self, workload: Samples) -> float:
        """Beyond all noise."""
        del workload
        return 10.0


class Unsandboxed(SandboxArena):
    """The arena without the fork for each workload: nothing runs in it."""

    @contextmanager
    def guest(self, *_: Any) -> Iterator[Any]:
        yield SimpleNamespace(timings=[])


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseSpec(WorkerSpec):
    """Builds judges of a problem that is given and not loaded."""

    noise: Noise

    def judge(self, cpu: int | None = None) -> Judge:
        """See `WorkerSpec`."""
        return Judge(self.noise, secret=self.secret, clock=time.perf_counter, cpu=cpu, arena=Unsandboxed)


class Writer:
    """A proposer that writes a new constant each time."""

    name = "writer"

    def __init__(self) -> None:
        self.written = 0

    def propose(self, selection: Selection, context: Context) -> Proposal:
        """Never the same program twice."""
        self.written += 1
        source = SOURCE.format(value=self.written)
        return Proposal(source=source, proposer="writer", operator="write", parents=(selection.parent.number,))


class Tally:
    """What is seen on the way."""

    def __init__(self) -> None:
        self.scores: list[float] = []
        self.evaluations = 0
        self.confirmations = 0
        self.promotions = 0

    def recorded(self, flight: Flight, evaluation: Evaluation, best_changed: bool) -> None:
        """Keep the scores by which a naive search would choose."""
        planned: Planned = flight.planned
        self.evaluations += planned.purpose is not Purpose.FINAL
        self.confirmations += planned.purpose is Purpose.CONFIRM
        self.promotions += best_changed and planned.number >= len(Noise.seeds)
        if planned.purpose is Purpose.SEARCH and evaluation.outcome is Outcome.OK:
            self.scores.append(fmean(result.objective for result in evaluation.workloads))

    def say(self, text: str) -> None:
        """Nothing to say."""

    def tick(self, phase: str, in_flight: int, elapsed_seconds: float) -> None:
        """Nothing to show."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What one run reports about its winner, or else its first finalist; all but counts in % of the objective.

    Args:
        improvement: over the best seed, on hidden workloads.
        half_width: of its 95 % interval.
        covers_zero: whether that holds the truth.
        named_winner: whether any finalist was said to beat the seeds.
        naive: the highest of all scores seen in the search, above what every program is worth.
        once: the highest of as many single samples, which is what a tool that measures once would claim.
        evaluations: in the search.
        confirmations: among them.
        promotions: how often an evolved candidate was called best before the final.
    """

    improvement: float
    half_width: float
    covers_zero: bool
    named_winner: bool
    naive: float
    once: float
    evaluations: int
    confirmations: int
    promotions: int


def run_once(selector: str, *, seed: int, candidates: int, sigma: float) -> Claim:
    """One whole run: search, archive, final."""
    problem, writer, tally = Noise(sigma, np.random.default_rng(seed)), Writer(), Tally()
    with tempfile.TemporaryDirectory() as folder, Archive.open(f"{folder}/a.db", create=True) as archive:
        run = archive.create_run(NewRun(name="noise", problem="noise", digest="noise", config={}, secret=bytes(32)))
        pool = SerialPool(NoiseSpec(problem="noise", workload="generated", secret=bytes(32), noise=problem))
        try:
            evolution = Evolution(
                problem,
                Steering({selector: SELECTORS[selector]()}),
                seed=seed,
                known=lambda digest: archive.has_digest(run.id, digest),
            )
            workshop = Workshop(desk=InlineDesk(writer), pool=pool)
            runner = Runner(archive, run.id, evolution, workshop, budget=Budget(), observer=tally, clock=time.monotonic)
            runner.search(lambda: writer.written >= candidates)
            result = run_final(
                archive,
                run.id,
                runner,
                Contenders(finalists=tuple(evolution.finalists(FINALISTS)), seeds=tuple(evolution.best_seeds(SEEDS))),
                lambda: False,
            )
        finally:
            pool.close()
    if result is None:
        raise RuntimeError("the final was interrupted")
    single = sigma * np.random.default_rng([seed, 1]).standard_normal(candidates)
    return claim_of(result, tally, once=100 * float(single.max()))


def claim_of(result: FinalResult, tally: Tally, *, once: float) -> Claim:
    """What the final reports, from points to % of the objective."""
    named = result.winner != result.best_seed
    shown = next(p for p in result.placings if p.number == result.winner) if named else result.placings[0]
    lead = shown.advantage
    if lead is None:
        raise RuntimeError("the finalist was not compared with a seed")
    workloads = shown.evaluation.workloads
    # 100 points are the mean distance from baseline to reference, and every program is worth 1.
    percent = fmean(w.reference - w.baseline for w in workloads)
    return Claim(
        improvement=lead.mean * percent,
        half_width=(lead.high - lead.low) / 2 * percent,
        covers_zero=lead.low <= 0 <= lead.high,
        named_winner=named,
        naive=100 * (max(tally.scores) - 1),
        once=once,
        evaluations=tally.evaluations,
        confirmations=tally.confirmations,
        promotions=tally.promotions,
    )


def report(selector: str, claims: Sequence[Claim]) -> str:
    """One line a selector."""
    return (
        f"{selector:>10} {sum(c.covers_zero for c in claims):6d} of {len(claims):<4d}"
        f"{fmean(c.half_width for c in claims):10.2f} % {fmean(c.improvement for c in claims):+9.2f} % "
        f"{sum(c.named_winner for c in claims):9d} {fmean(c.naive for c in claims):+11.2f} % "
        f"{fmean(c.once for c in claims):+11.2f} % "
        f"{fmean(c.promotions for c in claims):9.2f} {fmean(c.confirmations for c in claims):8.1f} "
        f"{fmean(c.evaluations for c in claims):8.1f}"
    )


HEADING = (
    f"{'selector':>10} {'covers 0':>14}{'half-width':>12} {'reported':>11} {'winners':>9} "
    f"{'naive claim':>13} {'measured once':>13} {'promoted':>9} {'confirm.':>8} {'evals':>8}"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=100, help="runs for each selector (default 100)")
    parser.add_argument("--candidates", type=int, default=200, help="candidates in a run (default 200)")
    parser.add_argument("--sigma", type=float, default=0.05, help="noise of one sample (default 0.05)")
    options = parser.parse_args()
    print(f"{options.candidates} candidates, noise {100 * options.sigma:g} % of the objective per sample")
    print(HEADING)
    for selector in SELECTORS:
        started = time.monotonic()
        claims = [
            run_once(selector, seed=seed, candidates=options.candidates, sigma=options.sigma)
            for seed in range(options.seeds)
        ]
        print(f"{report(selector, claims)}   ({time.monotonic() - started:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
