"""Attacks the evaluator of a kernel problem: honest modules and mistakes made in them, and every cheat.

Each is tried without the static screen, which is no boundary; what the screen says is held to what a cheat's file
announces. On the CPU a module is recorded, compiled and interpreted; on a GPU somebody else measures it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from evaluators.audit.findings import Finding, Part
from evaluators.audit.kernels_bench import PATIENCE_SECONDS, Bench, Lane
from evaluators.audit.kernels_mutations import Mutation, mutations
from evaluators.audit.kernels_programs import KernelCheat, Tier, read_kernel_cheats
from evaluators.audit.kernels_text import Subject
from evaluators.audit.programs import EVIDENCE, default_folder
from evaluators.kernels.problem import KernelProblem
from evaluators.kernels.recording import TIMEOUT_SECONDS
from evaluators.model import EvaluatorError, Outcome, Split
from evaluators.problem import RefusedError, seed_named
from evaluators.screen import screen_by

Measure = Callable[[str], tuple[Outcome, str]]
"""Judges a module on a GPU without the screen: its outcome, and the reason if it failed."""

MUTATIONS = 24
"""How many mistakes are made in the honest module."""

_RIGHT = (Outcome.OK, Outcome.CORRECT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Docket:
    """What the parts of the audit share.

    Args:
        problem: what is audited.
        tier: where.
        measure: judges a module on the GPU; None on the CPU.
        bench: judges modules on the CPU; None on the GPU.
        subject: what cheats may know.
        cheats: and honest controls.
        seed: of choices.
    """

    problem: KernelProblem
    tier: Tier
    measure: Measure | None
    bench: Bench | None
    subject: Subject
    cheats: Sequence[KernelCheat]
    seed: int

    @property
    def honest(self) -> str:
        """The module that cheats and mistakes are made of."""
        return seed_named(self.problem, self.problem.declaration.baseline).source

    def tried(
        self, sources: Sequence[str], recording_seconds: float = TIMEOUT_SECONDS
    ) -> Iterator[tuple[Outcome, str, float]]:
        """Outcome, reason and seconds of each, in order."""

        def timed(judge: Measure, source: str) -> tuple[Outcome, str, float]:
            started = time.perf_counter()
            outcome, reason = judge(source)
            return outcome, reason, time.perf_counter() - started

        def on(lane: Lane, source: str) -> tuple[Outcome, str, float]:
            return timed(lambda text: lane.trial(text, recording_seconds), source)

        if self.bench is not None:
            yield from self.bench.each(on, sources)
        elif self.measure is not None:
            for source in sources:
                yield timed(self.measure, source)


def kernel_findings(
    problem: KernelProblem,
    *,
    tier: str,
    measure: Measure | None = None,
    seed: int = 0,
    only: frozenset[Part] = frozenset(),
    folder: Path | None = None,
    names: frozenset[str] = frozenset(),
) -> Iterator[Finding]:
    """Attack a kernel problem and yield one finding for each attempt, as it is made.

    Args:
        problem: what is audited.
        tier: ``cpu`` or ``gpu``.
        measure: judges a module without the screen; on the GPU alone, where it must be given.
        seed: seed of workloads and choices.
        only: parts to run, of `PARTS`; empty for all.
        folder: of the cheats; None for those that come along.
        names: of cheats and controls to try; empty for all.

    Raises:
        EvaluatorError: there are no cheats, or nothing to measure with.
    """
    where = Tier(tier)
    if where is Tier.GPU and measure is None:
        raise EvaluatorError("on a GPU an audit needs a function that measures a module")
    facts = problem.declaration
    call = problem.workloads(Split.TRAIN, b"")[0].timed.call
    first = call.outputs[0]
    subject = Subject(
        name=facts.name,
        entry=facts.entry,
        parameters=facts.parameters,
        outputs=len(call.outputs),
        is_matrix=len(first.shape) == 2 and "float" in first.dtype,
    )
    cheats = [
        cheat
        for cheat in read_kernel_cheats(folder or default_folder() / "kernels")
        if not names or cheat.name in names
    ]
    with Bench(problem, seed) if where is Tier.CPU else nullcontext() as bench:
        docket = Docket(
            problem=problem, tier=where, measure=measure, bench=bench, subject=subject, cheats=cheats, seed=seed
        )
        for part, run in PARTS.items():
            if not only or part in only:
                yield from run(docket)


def honest(docket: Docket) -> Iterator[Finding]:
    """Every seed and every honest control is let through by the screen, and judged right."""
    sources = {f"seed {seed.name}": seed.source for seed in docket.problem.seeds}
    sources |= dict(_made(docket, [cheat for cheat in docket.cheats if cheat.is_honest]))
    for (name, source), (outcome, reason, seconds) in zip(
        sources.items(), docket.tried(list(sources.values())), strict=True
    ):
        objection = screen_by(docket.problem.declaration, source)
        yield Finding.tried(
            Part.HONEST,
            name,
            outcome in _RIGHT and objection is None,
            expected="let through, and right",
            found=_told(outcome, reason) if objection is None else f"the screen objects: {objection}",
            seconds=seconds,
        )


def mistakes(docket: Docket) -> Iterator[Finding]:
    """Every mistake in an honest module is refused, unless it returns the same bits on all inputs."""
    found = mutations(docket.honest, most=MUTATIONS, seed=docket.seed)
    same = next(docket.bench.each(_outputs, [docket.honest])) if docket.bench is not None else None
    for mutation, (outcome, reason, seconds) in zip(
        found, docket.tried([mutation.source for mutation in found]), strict=True
    ):
        yield _mistake(docket, mutation, same, (outcome, reason, seconds))


def _mistake(
    docket: Docket, mutation: Mutation, same: list[bytes] | None, ended: tuple[Outcome, str, float]
) -> Finding:
    outcome, reason, seconds = ended
    told = _told(outcome, reason)
    if outcome in _RIGHT:
        if docket.bench is None:
            return Finding.skipped(Part.CORRUPTED, mutation.name, f"{told}; only the CPU tier compares bits")
        equal = next(docket.bench.each(_outputs, [mutation.source])) == same
        told = f"{told}, {'the same bits' if equal else 'other bits'} on all inputs"
    else:
        equal = False
    return Finding.tried(
        Part.CORRUPTED,
        mutation.name,
        outcome not in _RIGHT or equal,
        expected="refused, or the same bits on all inputs",
        found=told,
        seconds=seconds,
    )


def _outputs(lane: Lane, source: str) -> list[bytes] | None:
    try:
        return lane.outputs(source)
    except RefusedError:
        return None


def cheats(docket: Docket) -> Iterator[Finding]:
    """Every cheat: the screen says what it must, and without the screen it ends as it must."""
    chosen = [cheat for cheat in docket.cheats if not cheat.is_honest]
    made = dict(_made(docket, [cheat for cheat in chosen if docket.tier in cheat.tiers]))
    ends = docket.tried(list(made.values()), PATIENCE_SECONDS)
    for cheat in chosen:
        name = f"{cheat.family}: {cheat.name}"
        if docket.tier not in cheat.tiers:
            other = next(iter(cheat.tiers))
            yield Finding.skipped(Part.CHEATS, name, f"makes sense on the {other.value.upper()} tier alone")
        elif cheat.name not in made:
            yield Finding.skipped(Part.CHEATS, name, "makes no sense for this problem")
        else:
            yield _judged(docket, cheat, made[cheat.name], next(ends))


def _judged(docket: Docket, cheat: KernelCheat, source: str, ended: tuple[Outcome, str, float]) -> Finding:
    outcome, reason, seconds = ended
    objection = screen_by(docket.problem.declaration, source)
    expected = f"{cheat.expected(docket.tier)}; the screen {'objects' if cheat.is_caught else 'lets it through'}"
    as_announced = (objection is not None) == cheat.is_caught
    said = f"the screen: {objection}" if objection else "the screen lets it through"
    return Finding.tried(
        Part.CHEATS,
        f"{cheat.family}: {cheat.name}",
        as_announced and cheat.meets(docket.tier, outcome, reason) and EVIDENCE not in reason,
        expected=expected,
        found=f"{_told(outcome, reason)}; {said}",
        seconds=seconds,
    )


def _made(docket: Docket, chosen: Sequence[KernelCheat]) -> Iterator[tuple[str, str]]:
    for cheat in chosen:
        source = cheat.change(docket.honest, docket.subject)
        if source is not None:
            yield cheat.name, source


def _told(outcome: Outcome, reason: str) -> str:
    return f"{outcome.value}: {reason}" if reason else outcome.value


PARTS: dict[Part, Callable[[Docket], Iterator[Finding]]] = {
    Part.HONEST: honest,
    Part.CORRUPTED: mistakes,
    Part.CHEATS: cheats,
}
"""What is tried, in this order."""
