"""The trusted side: draws workloads, keeps references, runs programs in the sandbox, gives the verdict."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from operator import itemgetter
from typing import TYPE_CHECKING, TypeVar

from evaluators.arena import Arena, ArenaGuest, Entrance, Terms, make_arena
from evaluators.block import Block, Standard
from evaluators.model import Evaluation, EvaluatorError, Outcome, Split, WorkloadResult
from evaluators.problem import Clock, Guest, Measured, Problem, RefusedError, Workload, seed_named
from evaluators.racing import raced_out
from evaluators.screen import screen_by
from evaluators.seeding import workload_seed
from evaluators.statistics import stratified, with_draw_error
from evaluators.timing import Plan, Timing

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
        told: what an audit of it had to tell.
    """

    met: list[int] = field(default_factory=list)
    results: list[WorkloadResult] = field(default_factory=list)
    floors: list[Timing] = field(default_factory=list)
    logs: list[str] = field(default_factory=list)
    told: dict[str, str] = field(default_factory=dict)

    def in_block_order(self) -> _Progress:
        """The same, as if it had met the workloads in the block's order."""
        return _Progress(
            met=sorted(self.met),
            results=_by_position(self.met, self.results),
            floors=_by_position(self.met, self.floors),
            logs=_by_position(self.met, self.logs),
            told=self.told,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Program:
    """A program, with what was made of it for all workloads at once, if its problem's programs are prepared."""

    source: str
    prepared: object


class Judge:
    """Judges programs for one problem under one secret.

    Args:
        problem: what is judged.
        secret: seeds every workload; see `evaluators.seeding`.
        clock: the only clock that counts, in seconds.
        cpu: pin programs to this CPU; None lets them roam, but for a timed problem, where it means the last one.
        off: names of checks to leave out; only audits leave any out, to show what each is for.
        plan: how long a timed comparison goes on; None for what suits the problem.
        arena: makes the place where programs are met, which is closed with the judge.
    """

    def __init__(
        self,
        problem: Problem,
        *,
        secret: bytes,
        clock: Clock,
        cpu: int | None = None,
        off: frozenset[str] = frozenset(),
        plan: Plan | None = None,
        arena: Callable[[Terms], Arena] = make_arena,
    ) -> None:
        self._problem = problem
        self._secret = secret
        self._clock = clock
        self._off = off
        self._floors: OrderedDict[tuple[Split, int, str], Timing] = OrderedDict()
        self._arena = arena(Terms(problem=problem, secret=secret, clock=clock, cpu=cpu, off=off, plan=plan))

    def close(self) -> None:
        """End every sandbox and everything in it."""
        self._arena.close()

    def draw(self, split: Split, number: int) -> Sequence[Workload]:
        """The workloads of a block, without their marks."""
        return self._problem.workloads(split, workload_seed(self._secret, split, number))

    def mark(self, workload: Workload, block: tuple[Split, int] | None = None) -> Standard:
        """Measure baseline, reference and ceiling of one workload.

        Args:
            workload: one of a block.
            block: that block; None where it does not matter that the baseline is timed anew for the noise floor.

        Raises:
            EvaluatorError: the baseline itself fails, which is our fault and not a candidate's.
        """
        baselines: list[ArenaGuest] = []
        with ExitStack() as stack, self._ours(workload):

            def open_seed(name: str) -> Guest:
                guest = stack.enter_context(self._guest(seed_named(self._problem, name).source, workload))
                if name == self._problem.declaration.baseline:
                    baselines.append(guest)
                return guest

            # By definition the baseline is as fast as itself; how far that holds is measured where it is needed.
            # Nor does what a task claims need one.
            facts = self._problem.declaration
            baseline = (0.0,) if facts.timed or facts.claim else self._play_baseline(workload)[0].series
            reference = self._problem.reference_objective(workload, open_seed)
        # A reference that is read off the baseline's own time has timed it against itself, which `_floor` would repeat.
        timings = [timing for guest in baselines for timing in guest.timings]
        if block is not None and timings:
            self._keep_floor((*block, workload.name), timings)
        ceiling = self._problem.ceiling(workload)
        standard = Standard(workload=workload, baseline=baseline, reference=reference, ceiling=ceiling)
        if max(reference, standard.baseline_objective) > ceiling + CEILING_SLACK:
            raise EvaluatorError(f"workload {workload.name}: baseline or reference beyond the proven ceiling")
        return standard

    def block(self, split: Split, number: int, *, first: int | None = None) -> Block:
        """Draw a block and mark it, or so many of its first workloads."""
        marked = tuple(self.mark(workload, (split, number)) for workload in self.draw(split, number)[:first])
        return Block(split=split, number=number, standards=marked)

    def guest(self, source: str) -> AbstractContextManager[Guest]:
        """A program in a fresh sandboxed process, for as long as the context lasts; for audits."""
        return self._guest(source)

    @property
    def layers(self) -> Mapping[str, str]:
        """What the sandbox enforces here, by layer."""
        return self._arena.layers

    @property
    def target(self) -> object:
        """What programs are prepared for elsewhere; None where they are not."""
        return self._arena.target

    def evaluate(
        self,
        source: str,
        block: Block,
        *,
        rival: Sequence[float] | None = None,
        order: Sequence[int] | None = None,
        prepared: object = None,
    ) -> Evaluation:
        """Judge one program on a block.

        Args:
            source: the program.
            block: what it is measured on.
            rival: the shares of another program on the same block, in its order; once enough workloads show that ours
                is surely no better, the outcome is ``stopped``; see `evaluators.racing`.
            order: positions of the block's workloads in the order in which to play them; None for the block's. The
                results come in the block's order in any case, so that they pair with those of others.
            prepared: what another worker has made of the program for this block, where the arena's programs are
                prepared; None to do so here.

        Raises:
            EvaluatorError: the order is no permutation of the block's positions, or the rival lacks a share.
        """
        order = block.order(order)
        block.check_rival(rival)
        started = self._clock()
        progress = _Progress()
        verdict = self._screen(source)
        if verdict is None:
            if prepared is None:
                prepared = self._arena.prepare(source, block.workloads)
            program = _Program(source=source, prepared=prepared)
            verdict = self._play_all(program, block, order, rival, progress) or self._audit(program, block, progress)
        progress = progress.in_block_order()
        results = progress.results
        if verdict is None and self._arena.blind_to:
            verdict = Outcome.CORRECT, f"not judged here: {self._arena.blind_to}"
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
            metrics=self._means(results),
            seconds=self._clock() - started,
            host=self._describe(block, progress),
            log="".join(progress.logs)[:LOG_CHARACTERS],
            spared=len(order) - len(results) if outcome is Outcome.STOPPED else 0,
        )

    def _means(self, results: Sequence[WorkloadResult]) -> dict[str, float]:
        """Each metric's mean over the workloads, for those metrics that could be measured; a task may report others."""
        names = [metric.name for metric in self._problem.declaration.metrics]
        if self._problem.declaration.claim and results:
            names += sorted(results[0].metrics.keys() - set(names))
        known = [name for name in names if results and all(name in result.metrics for result in results)]
        return {name: sum(result.metrics[name] for result in results) / len(results) for name in known}

    def _screen(self, source: str) -> tuple[Outcome, str] | None:
        if SCREEN in self._off:
            return None
        reason = screen_by(self._problem.declaration, source)
        return None if reason is None else (Outcome.REJECTED, reason)

    def _play_all(
        self,
        program: _Program,
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
            if self._problem.declaration.timed and not self._arena.blind_to:
                progress.floors.append(self._floor(block, standard.workload))
            try:
                # A timed program that is surely no better than its rival, or than the baseline, need not be timed well.
                hopeless = rival[position] * span / 100 if rival else 0.0
                entrance = Entrance(
                    workload=standard.workload,
                    hopeless_below=hopeless,
                    logs=progress.logs,
                    prepared=program.prepared,
                )
                with self._arena.guest(program.source, entrance) as guest:
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

    def _audit(self, program: _Program, block: Block, progress: _Progress) -> tuple[Outcome, str] | None:
        """Look deeper into a program that may become the best, noting what there is to tell; why it is refused, if so.

        Every candidate meets train blocks, contenders alone the others.
        """
        if block.split is Split.TRAIN:
            return None
        try:
            progress.told.update(self._arena.audit(program.source, block, program.prepared))
        except RefusedError as error:
            return error.outcome, f"audit: {error.reason}"
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
            self._keep_floor(key, timings)
        return self._floors[key]

    def _keep_floor(self, key: tuple[Split, int, str], timings: Sequence[Timing]) -> None:
        self._floors[key] = max(timings, key=lambda timing: timing.bias)
        if len(self._floors) > FLOORS_KEPT:
            self._floors.popitem(last=False)

    def _play_baseline(self, workload: Workload) -> tuple[Measured, list[Timing]]:
        """How the baseline does, and what its comparisons with itself found."""
        source = seed_named(self._problem, self._problem.declaration.baseline).source
        with self._guest(source, workload) as guest:
            measured = self._problem.play(workload, guest)
            return measured, guest.timings

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

    def _guest(self, source: str, workload: Workload | None = None) -> AbstractContextManager[ArenaGuest]:
        """One of our own programs, which nobody races and whose prints nobody reads."""
        return self._arena.guest(source, Entrance(workload=workload, hopeless_below=None, logs=[]))

    def _describe(self, block: Block, progress: _Progress) -> dict[str, str]:
        """Where a program was measured; for a timed one with the noise floor that was found there."""
        facts = {**self._arena.host, **progress.told}
        if not self._problem.declaration.timed:
            return facts
        facts["objective"] = "time"
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
