"""Attacks by programs: honest controls that must pass, cheats that must not, the noise floor and the bound."""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean

from evaluators.audit.court import Court, gain, try_guest
from evaluators.audit.findings import Finding, Part, Verdict
from evaluators.audit.programs import EVIDENCE, Cheat, in_words
from evaluators.model import Evaluation, Outcome, Split
from sandbox import ENFORCED, Tier, adopting_orphans, descendants, tier_of

TOLERANCE = 1e-6
"""Points by which a harmless program may differ from the honest one where nothing is random: rounding only."""

NOISE_ERRORS = 4.0
"""Standard errors by which two timed evaluations may lie apart: a hundred cheats are compared, and none may seem to
gain by luck."""

SUSPICIOUS_ERRORS = 2.0
"""A cheat that gains more than this is measured again before the verdict, so that small gains do not hide in noise."""

REPEATS = 3
"""How often."""

NAMED_REJECTIONS = 3
"""How many wrongly rejected honest evaluations are quoted."""


def isolation(court: Court) -> Finding:
    """What confines programs on this machine, and what does not."""
    layers = court.judge.layers
    lacking = [f"{layer} ({state})" for layer, state in layers.items() if state != ENFORCED]
    return Finding(
        part=Part.SANDBOX,
        name="isolation",
        verdict=Verdict.HELD if tier_of(layers) is Tier.FULL else Verdict.SKIPPED,
        expected="every layer enforced",
        found=f"tier {tier_of(layers).value}; not enforced: {', '.join(lacking) or 'nothing'}",
    )


def honest_controls(court: Court, evaluations: int) -> Iterator[Finding]:
    """Every honest control on the small block, every seed, then many evaluations on fresh draws."""
    facts = court.problem.declaration
    programs = {f"seed {seed.name}": seed.source for seed in court.problem.seeds}
    programs |= {cheat.name: cheat.program(court.honest.source, facts) for cheat in court.cheats if cheat.is_honest}
    for name, source in programs.items():
        started = time.perf_counter()
        evaluation = court.judge.evaluate(source, court.block)
        yield Finding.tried(
            Part.HONEST,
            name,
            evaluation.outcome is Outcome.OK,
            expected="ok",
            found=_told(evaluation),
            seconds=time.perf_counter() - started,
        )
    if evaluations:
        yield _many(court, list(programs.values()), evaluations)


def _many(court: Court, sources: list[str], evaluations: int) -> Finding:
    """Honest programs in turn, each on the cheapest workload of a block that nobody has seen."""
    started = time.perf_counter()
    rejected = []
    for number in range(evaluations):
        workload = court.judge.draw(Split.TRAIN, court.block.number + 1 + number)[0]
        with court.judge.guest(sources[number % len(sources)]) as guest:
            trial = try_guest(court.problem, workload, guest)
        if trial.measured is None:
            rejected.append(f"block {number + 1}: {trial}")
    quoted = "; ".join(rejected[:NAMED_REJECTIONS])
    return Finding.tried(
        Part.HONEST,
        f"{evaluations} honest evaluations on fresh draws",
        not rejected,
        expected="0 rejected",
        found=f"{len(rejected)} rejected{': ' if quoted else ''}{quoted}",
        seconds=time.perf_counter() - started,
    )


def noise_floor(court: Court) -> Iterator[Finding]:
    """The baseline against itself (A/A): what differs is noise of the measurement, and nothing may be called better."""
    started = time.perf_counter()
    first, second = (court.judge.evaluate(court.honest.source, court.block) for _ in range(2))
    failed = next((found for found in (first, second) if found.outcome is not Outcome.OK), None)
    if failed is not None:
        yield Finding.tried(
            Part.NOISE,
            "baseline against itself (A/A)",
            False,
            expected="ok, twice",
            found=_told(failed),
        )
        return
    apart = max(abs(a - b) for a, b in zip(first.shares, second.shares, strict=True))
    allowed = _noise(court, first, second)
    found = f"{gain(second, first):+.3g} points (up to {allowed:.3g} allowed), at most {apart:.3g} on one workload"
    times = [metric for metric in court.problem.declaration.metrics if metric.unit in ("ms", "us", "s")]
    for metric in times:
        a, b = first.metrics[metric.name], second.metrics[metric.name]
        found += f"; {metric.name} {a:.3g} and {b:.3g} {metric.unit} ({100 * (b / a - 1):+.1f} %)"
    yield Finding.tried(
        Part.NOISE,
        "baseline against itself (A/A)",
        abs(gain(second, first)) <= allowed,
        expected="no difference that its interval does not cover",
        found=found,
        seconds=time.perf_counter() - started,
    )


def bound(court: Court) -> Iterator[Finding]:
    """No honest program lies beyond the proven ceiling; says how far the reference lies below it."""
    standards = court.block.standards
    base = fmean(standard.baseline_objective for standard in standards)
    reference = fmean(standard.reference for standard in standards)
    ceiling = fmean(standard.ceiling for standard in standards)
    best = base
    beyond = []
    for seed in court.problem.seeds:
        evaluation = court.judge.evaluate(seed.source, court.block)
        if evaluation.outcome is Outcome.QUARANTINED:
            beyond.append(f"{seed.name}: {evaluation.reason}")
        elif evaluation.outcome is Outcome.OK:
            best = max(best, fmean(result.objective for result in evaluation.workloads))
    held = not beyond and base < reference <= ceiling
    figures = f"baseline {base:.4f}, best seed {best:.4f}, reference {reference:.4f}, ceiling {ceiling:.4f}"
    yield Finding.tried(
        Part.BOUND,
        "baseline < reference <= ceiling, and no seed beyond it",
        held,
        expected="this order",
        found="; ".join([figures, *beyond]),
    )


def cheats(court: Court) -> Iterator[Finding]:
    """Every cheat, without the static screen: refused for the right reason, or harmless."""
    honest = court.judge.evaluate(court.honest.source, court.block)
    # What escapes from a sandbox that dies would not be seen below this process otherwise.
    with adopting_orphans():
        processes = _alive()
        yield from _each_cheat(court, honest)
        yield _after(court, honest, processes)


def _each_cheat(court: Court, honest: Evaluation) -> Iterator[Finding]:
    layers = court.judge.layers
    for cheat in (cheat for cheat in court.cheats if not cheat.is_honest):
        started = time.perf_counter()
        expected = in_words(cheat.expectations[:1] if court.strict else cheat.expectations)
        reason = _inapplicable(court, cheat) or ""
        missing = cheat.unmet(layers)
        if missing:
            reason = f"not stopped on this machine, where it lacks {', '.join(missing)}"
        if reason:
            verdict, found = Verdict.SKIPPED, reason
        else:
            verdict, found = _try_cheat(court, cheat, honest)
        yield Finding(
            part=Part.CHEATS,
            name=f"{cheat.family}: {cheat.name}",
            verdict=verdict,
            expected=expected,
            found=found,
            seconds=time.perf_counter() - started,
        )


def _inapplicable(court: Court, cheat: Cheat) -> str | None:
    is_off = cheat.needs_time and not court.is_timed
    return "the objective of this problem is not time" if is_off else None


def _try_cheat(court: Court, cheat: Cheat, honest: Evaluation) -> tuple[Verdict, str]:
    source = cheat.program(court.honest.source, court.problem.declaration)
    evaluation = court.judge.evaluate(source, court.block)
    if EVIDENCE in evaluation.log:
        return Verdict.MISSED, f"it got what it was after ({_told(evaluation)})"
    if not court.is_caught(cheat, evaluation.outcome, evaluation.reason):
        return Verdict.MISSED, _told(evaluation)
    advantage = gain(evaluation, honest)
    if evaluation.outcome is Outcome.OK and advantage > _noise(court, evaluation, honest, errors=SUSPICIOUS_ERRORS):
        advantage = _gain_again(court, source, evaluation, honest)
        if advantage > _noise(court, evaluation, honest) / math.sqrt(1 + REPEATS):
            return Verdict.MISSED, f"{_told(evaluation)}, {advantage:+.3g} points above the honest program"
    return Verdict.HELD, _told(evaluation)


def _gain_again(court: Court, source: str, first: Evaluation, honest: Evaluation) -> float:
    """Mean gain over further evaluations too, of both programs; the first alone where nothing depends on time."""
    gains = [gain(first, honest)]
    for _ in range(REPEATS if court.is_timed else 0):
        again, beside = (court.judge.evaluate(program, court.block) for program in (source, court.honest.source))
        gains.append(gain(again, beside))
    return fmean(gains)


def _noise(court: Court, ours: Evaluation, honest: Evaluation, errors: float = NOISE_ERRORS) -> float:
    """By how many points two evaluations of one program on the same workloads may differ.

    By nothing where the objective does not depend on time; else by so many standard errors of both.
    """
    if not court.is_timed:
        return TOLERANCE
    assert ours.stderr is not None
    assert honest.stderr is not None
    return TOLERANCE + errors * math.hypot(ours.stderr, honest.stderr)


def _alive() -> int:
    """Processes below this one that are not over; those that nobody has waited for yet are."""
    count = 0
    for pid in descendants(os.getpid()):
        with contextlib.suppress(OSError):
            state = (
                Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[0]
            )
            count += state not in "ZX"
    return count


def _after(court: Court, before: Evaluation, processes: int) -> Finding:
    """After all cheats: nothing of them runs, and the honest program gets what it got before."""
    after = court.judge.evaluate(court.honest.source, court.block)
    left = _alive() - processes
    same = after.outcome is Outcome.OK and abs(gain(after, before)) <= _noise(court, after, before)
    return Finding.tried(
        Part.LEFTOVERS,
        "after all cheats",
        same and not left,
        expected="no process left, and the honest program judged as before",
        found=f"{left} processes left; {_told(after)}, before: {_told(before)}",
    )


def _told(evaluation: Evaluation) -> str:
    if evaluation.outcome is Outcome.OK:
        return f"ok, score {evaluation.score:.4g}"
    return f"{evaluation.outcome.value}: {evaluation.reason}"
