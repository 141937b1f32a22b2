"""The trusted side: draws workloads, keeps references, runs programs in the sandbox, gives the verdict."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from operator import itemgetter
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from evaluators.block import Block, Standard
from evaluators.guest import SandboxGuest
from evaluators.host import describe_host, usable_cpus
from evaluators.model import Evaluation, EvaluatorError, Outcome, Split, WorkloadResult
from evaluators.problem import Clock, Guest, Measured, Problem, RefusedError, Workload, seed_named
from evaluators.racing import raced_out
from evaluators.screen import screen_by
from evaluators.seeding import timing_seed, workload_seed
from evaluators.statistics import stratified, with_draw_error
from evaluators.timed_guest import Contest, Opponents, TimedGuest
from evaluators.timing import Plan, Timing
from sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

_T = TypeVar("_T")

SCREEN, CEILING = "screen", "ceiling"
"""Names of the judge's own checks, before and after a program meets a workload."""

# How far a value may lie above its proven ceiling before it is called impossible: rounding only.
CEILING_SLACK = 1e-9

# How much of what a program printed over all workloads is kept.
LOG_CHARACTERS = 16_384

# How many workloads' A/A timings a judge keeps; an older one that is met again is measured again.
FLOORS_KEPT = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class _Progress:
    """What has come of a program so far, in the order in which it met the workloads.

    Args:
        met: positions in the block of the workloads that it began.
        results: of the workloads that it finished.
        floors: for each that it began, the baseline against itself; empty unless timed.
        logs: what it printed on each.
    """

    met: list[int] = field(default_factory=list)
    results: list[WorkloadResult] = field(default_factory=list)
    floors: list[Timing] = field(default_factory=list)
    logs: list[str] = field(default_factory=list)

    def in_block_order(self) -> _Progress:
        """The same, as if it had met the workloads in the block's order."""
        return _Progress(
            met=sorted(self.met),
            results=_by_position(self.met, self.results),
            floors=_by_position(self.met, self.floors),
            logs=_by_position(self.met, self.logs),
        )


class Judge:
    """Judges programs for one problem under one secret.

    Args:
        problem: what is judged.
        secret: seeds every workload; see `evaluators.seeding`.
        clock: the only clock that counts, in seconds.
        cpu: pin programs to this CPU; None lets them roam, but for a timed problem, where it means the last one.
        off: names of checks to leave out; only audits leave any out, to show what each is for.
        plan: how long a timed comparison goes on.
    """

    def __init__(
        self,
        problem: Problem,
        *,
        secret: bytes,
        clock: Clock,
        cpu: int | None = None,
        off: frozenset[str] = frozenset(),
        plan: Plan = Plan(),  # noqa: B008 - a frozen value
    ) -> None:
        self._problem = problem
        self._secret = secret
        self._clock = clock
        self._off = off
        self._plan = plan
        self._floors: OrderedDict[tuple[Split, int, str], Timing] = OrderedDict()
        facts = problem.declaration
        if facts.timed and facts.limits.processes:
            raise EvaluatorError(
                f"problem {facts.name} is timed, so its programs may not start processes: these could work while it "
                "is the baseline's turn; set Limits.processes to 0"
            )
        if facts.timed and cpu is None:
            cpu = usable_cpus()[-1]
        with ExitStack() as opening:
            self._sandbox = Sandbox(preload=facts.preload, array_module="numpy", cpu=cpu)
            opening.callback(self._sandbox.close)
            self._host = describe_host(self._sandbox.layers)
            self._opponents: Opponents | None = None
            if facts.timed:
                assert cpu is not None
                baseline = seed_named(problem, facts.baseline).source
                self._opponents = Opponents(facts, baseline, clock=clock, cpu=cpu)
                opening.callback(self._opponents.close)
            self._open = opening.pop_all()

    def close(self) -> None:
        """End every sandbox and everything in it; one that cannot be ended does not keep the others."""
        self._open.close()

    def draw(self, split: Split, number: int) -> Sequence[Workload]:
        """The workloads of a block, without their marks."""
        return self._problem.workloads(split, workload_seed(self._secret, split, number))

    def mark(self, workload: Workload) -> Standard:
        """Measure baseline, reference and ceiling of one workload.

        Raises:
            EvaluatorError: the baseline itself fails, which is our fault and not a candidate's.
        """
        with ExitStack() as stack, self._ours(workload):

            def open_seed(name: str) -> Guest:
                return stack.enter_context(self._guest(seed_named(self._problem, name).source, []))

            # By definition the baseline is as fast as itself; how far that holds is measured where it is needed.
            timed = self._problem.declaration.timed
            baseline = (0.0,) if timed else self._play_baseline(workload)[0].series
            reference = self._problem.reference_objective(workload, open_seed)
        ceiling = self._problem.ceiling(workload)
        standard = Standard(workload=workload, baseline=baseline, reference=reference, ceiling=ceiling)
        if max(reference, standard.baseline_objective) > ceiling + CEILING_SLACK:
            raise EvaluatorError(f"workload {workload.name}: baseline or reference beyond the proven ceiling")
        return standard

    def block(self, split: Split, number: int, *, first: int | None = None) -> Block:
        """Draw a block and mark it, or so many of its first workloads."""
        marked = tuple(self.mark(workload) for workload in self.draw(split, number)[:first])
        return Block(split=split, number=number, standards=marked)

    def guest(self, source: str) -> AbstractContextManager[Guest]:
        """A program in a fresh sandboxed process, for as long as the context lasts; for audits."""
        return self._guest(source, [])

    @property
    def layers(self) -> Mapping[str, str]:
        """What the sandbox enforces here, by layer."""
        return self._sandbox.layers

    def evaluate(
        self,
        source: str,
        block: Block,
        *,
        rival: Sequence[float] | None = None,
        order: Sequence[int] | None = None,
    ) -> Evaluation:
        """Judge one program on a block.

        Args:
            source: the program.
            block: what it is measured on.
            rival: the shares of another program on the same block, in its order; once enough workloads show that ours
                is surely no better, the outcome is ``stopped``; see `evaluators.racing`.
            order: positions of the block's workloads in the order in which to play them; None for the block's. The
                results come in the block's order in any case, so that they pair with those of others.

        Raises:
            EvaluatorError: the order is no permutation of the block's positions, or the rival lacks a share.
        """
        order = block.order(order)
        block.check_rival(rival)
        started = self._clock()
        progress = _Progress()
        verdict = self._screen(source) or self._play_all(source, block, order, rival, progress)
        progress = progress.in_block_order()
        results = progress.results
        names = [metric.name for metric in self._problem.declaration.metrics]
        metrics = {name: sum(r.metrics[name] for r in results) / len(results) for name in names if results}
        outcome, reason = verdict or (Outcome.OK, "")
        score = None
        if verdict is None:
            results = _with_whole_error(progress, block.span)
            score = stratified([r.share for r in results], [r.stderr for r in results], [r.kind for r in results])
        return Evaluation(
            problem=self._problem.declaration.name,
            split=block.split,
            block=block.number,
            digest=self._problem.digest,
            outcome=outcome,
            reason=reason,
            score=score.mean if score else None,
            stderr=score.stderr if score else None,
            low=score.low if score else None,
            high=score.high if score else None,
            workloads=tuple(results),
            metrics=metrics,
            seconds=self._clock() - started,
            host=self._describe(block, progress),
            log="".join(progress.logs)[:LOG_CHARACTERS],
            spared=len(order) - len(results) if outcome is Outcome.STOPPED else 0,
        )

    def _screen(self, source: str) -> tuple[Outcome, str] | None:
        if SCREEN in self._off:
            return None
        reason = screen_by(self._problem.declaration, source)
        return None if reason is None else (Outcome.REJECTED, reason)

    def _play_all(
        self,
        source: str,
        block: Block,
        order: Sequence[int],
        rival: Sequence[float] | None,
        progress: _Progress,
    ) -> tuple[Outcome, str] | None:
        """Play the workloads in this order, noting what comes of each; returns why it stopped short, if it did."""
        span, results, race_after = block.span, progress.results, self._problem.declaration.race_after
        for position in order:
            standard = block.standards[position]
            progress.met.append(position)
            if self._opponents is not None:
                progress.floors.append(self._floor(block, standard.workload))
            try:
                # A timed program that is surely no better than its rival, or than the baseline, need not be timed well.
                hopeless = rival[position] * span / 100 if rival else 0.0
                with self._guest(source, progress.logs, workload=standard.workload, hopeless_below=hopeless) as guest:
                    measured = self._problem.play(standard.workload, guest)
            except RefusedError as error:
                return error.outcome, f"{standard.workload.name}: {error.reason}"
            # What a machine allows is known from this very comparison; on another processor it may be more or less.
            ceiling = min(standard.ceiling, measured.ceiling)
            if measured.objective > ceiling + CEILING_SLACK and CEILING not in self._off:
                return Outcome.QUARANTINED, (
                    f"{standard.workload.name}: objective {measured.objective:.6f} lies beyond the proven "
                    f"ceiling {ceiling:.6f}; this is a fault of the evaluator, please report it"
                )
            results.append(self._result(standard, measured, ceiling, span))
            stopped = raced_out(block, progress.met, results, rival, first=race_after) if rival else None
            if stopped:
                return Outcome.STOPPED, stopped
        return None

    def _result(self, standard: Standard, measured: Measured, ceiling: float, span: float) -> WorkloadResult:
        """What comes of a program on one workload, with the error inside it; see `_with_whole_error`."""
        timed = self._problem.declaration.timed
        theirs = (0.0,) * len(measured.series) if timed else standard.baseline
        gains = [100 * (a - b) / span for a, b in zip(measured.series, theirs, strict=True)]
        return WorkloadResult(
            name=standard.workload.name,
            objective=measured.objective,
            baseline=standard.baseline_objective,
            reference=standard.reference,
            ceiling=ceiling,
            share=sum(gains) / len(gains),
            stderr=standard.stderr(measured, gains, span),
            stratum=standard.workload.stratum,
            metrics=dict(measured.metrics),
        )

    def _floor(self, block: Block, workload: Workload) -> Timing:
        """A timed baseline against itself (A/A), measured once by each judge for each workload, on its processor."""
        key = (block.split, block.number, workload.name)
        if key not in self._floors:
            with self._ours(workload):
                timings = self._play_baseline(workload)[1]
            if not timings:
                raise EvaluatorError(
                    f"problem {self._problem.declaration.name}, workload {workload.name}: it is declared timed, but "
                    "its play compares nothing; call Guest.compare there, or set Declaration.timed to False"
                )
            self._floors[key] = max(timings, key=lambda timing: timing.bias)
            if len(self._floors) > FLOORS_KEPT:
                self._floors.popitem(last=False)
        return self._floors[key]

    def _play_baseline(self, workload: Workload) -> tuple[Measured, list[Timing]]:
        """How the baseline does, and what its comparisons with itself found."""
        source = seed_named(self._problem, self._problem.declaration.baseline).source
        with self._guest(source, [], workload=workload) as guest:
            measured = self._problem.play(workload, guest)
        return measured, guest.timings if isinstance(guest, TimedGuest) else []

    @contextmanager
    def _ours(self, workload: Workload) -> Iterator[None]:
        """What is refused within is a fault of the problem."""
        try:
            yield
        except RefusedError as error:
            raise EvaluatorError(
                f"problem {self._problem.declaration.name}, workload {workload.name}: the baseline or reference "
                f"program fails ({error.outcome.value}: {error.reason}); mend the seed or the problem"
            ) from error

    @contextmanager
    def _guest(
        self, source: str, logs: list[str], *, workload: Workload | None = None, hopeless_below: float | None = None
    ) -> Iterator[SandboxGuest]:
        facts = self._problem.declaration
        session = self._sandbox.open(source, facts.entry, facts.limits)
        if self._opponents is None:
            guest = SandboxGuest(session, self._clock, self._off)
        else:
            seed = timing_seed(self._secret, workload.name if workload else "", source)
            contest = Contest(
                opponents=self._opponents,
                rng=np.random.default_rng(list(seed)),
                plan=replace(self._plan, hopeless_below=hopeless_below),
            )
            guest = TimedGuest(session, self._clock, self._off, contest=contest)
        try:
            yield guest
        finally:
            logs.append(guest.close())

    def _describe(self, block: Block, progress: _Progress) -> dict[str, str]:
        """Where a program was measured; for a timed one with the noise floor that was found there."""
        if not self._problem.declaration.timed:
            return self._host
        facts = {**self._host, "objective": "time"}
        if progress.floors:
            worst = max(100 * abs(floor.ratio - 1) for floor in progress.floors)
            names = [block.standards[position].workload.name for position in progress.met]
            told = ", ".join(f"{name} {floor}" for name, floor in zip(names, progress.floors, strict=True))
            facts["A/A noise floor"] = f"at most {worst:.2f} % ({told})"
        return facts


def _by_position(met: Sequence[int], items: Sequence[_T]) -> list[_T]:
    """What came of the first so many workloads that were met, by their positions."""
    return [item for _, item in sorted(zip(met, items, strict=False), key=itemgetter(0))]


def _with_whole_error(progress: _Progress, span: float) -> list[WorkloadResult]:
    """Results whose error covers the draw, where a kind was drawn more than once, and is no less than the A/A offset.

    Where the baseline against itself is surely not 1, no interval of this session can claim to know better. That
    offset is common to all draws, so that their spread does not show it.
    """
    results = progress.results
    errors = with_draw_error(
        [result.share for result in results],
        [result.stderr for result in results],
        [result.kind for result in results],
        spans=[result.reference - result.baseline for result in results],
    )
    offsets = [100 * floor.bias / span for floor in progress.floors] or [0.0] * len(results)
    return [
        replace(result, stderr=max(error, offset))
        for result, error, offset in zip(results, errors, offsets, strict=True)
    ]
