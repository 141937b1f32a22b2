"""Attacks by replies alone: corrupted ones, lazy ones, checks switched off, and relations that must hold."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import cast

import numpy as np

from evaluators.audit.corruptions import Corruption, corruptions
from evaluators.audit.court import Court, Trial, replayed
from evaluators.audit.findings import Finding, Part
from evaluators.audit.guests import Exchange
from evaluators.judge import CEILING, SCREEN, Judge
from evaluators.model import Outcome, Split
from evaluators.problem import Measured, Problem, Workload
from evaluators.replies import Array

TRIES = 24
"""How many draws of a corruption are tried before a check is called idle."""

SLACK = 1e-9
"""How far two objectives that must be equal may lie apart, relative to their size: rounding only."""

NEEDED = "something gets through without it, or breaks the judge"
IDLE = "idle: whatever it refuses is refused without it as well"

NEARLY = 0.95
"""Share of its time limit that a slow reply takes."""


def corrupted(court: Court) -> Iterator[Finding]:
    """Spoil one honest reply at a time, in every way there is; each must be refused by a declared check."""
    _, exchanges = court.record()
    for corruption in corruptions(exchanges[0].expected):
        rng = court.rng(f"corrupt {corruption.name}")
        call = int(rng.integers(len(exchanges)))
        spoilt = corruption_of(exchanges[call], corruption, rng)
        if _same(spoilt, exchanges[call].value):
            yield Finding.skipped(Part.CORRUPTED, corruption.name, "does not change this reply")
            continue
        trial = court.try_replies(replayed(exchanges, {call: spoilt}))
        held = trial.refused is not None and trial.refused.check in exchanges[call].expected.checks
        yield Finding.tried(Part.CORRUPTED, corruption.name, held, expected="refused", found=str(trial))


def lazy(court: Court) -> Iterator[Finding]:
    """Replies that need no thought must be refused, or be worth no more than the baseline's."""
    measured, exchanges = court.record()
    for name, lie in LIES.items():
        try:
            answers = {index: lie(exchange) for index, exchange in enumerate(exchanges)}
        except (TypeError, ValueError) as error:
            yield Finding.skipped(Part.LINT, name, f"cannot be told with these arguments: {error}")
            continue
        trial = court.try_replies(replayed(exchanges, dict(answers)))
        if court.is_timed:  # there is no partial credit where the objective is time: a lie is quick
            held, expected = trial.refused is not None, "refused"
        else:
            limit = measured.objective + SLACK * max(1.0, abs(measured.objective))
            held = trial.refused is not None or (trial.measured is not None and trial.measured.objective <= limit)
            expected = f"refused, or no better than the baseline's {measured.objective:.6g}"
        yield Finding.tried(Part.LINT, name, held, expected=expected, found=str(trial))


def _passed_through(exchange: Exchange) -> object:
    arrays = [value for value in exchange.arguments.values() if isinstance(value, np.ndarray)]
    return arrays[0] if arrays else next(iter(exchange.arguments.values()))


def _fitted(exchange: Exchange) -> object:
    """The first argument, bent into the right type, shape and range."""
    expected = exchange.expected
    value = np.resize(np.asarray(_passed_through(exchange), dtype=np.float64), expected.shape)
    return np.clip(value, expected.low, expected.high).astype(expected.dtype)


def _fill(number: float) -> Callable[[Exchange], object]:
    return lambda exchange: np.full(exchange.expected.shape, number, dtype=exchange.expected.dtype)


def _edge(which: str) -> Callable[[Exchange], object]:
    return lambda exchange: np.full_like(exchange.value, getattr(exchange.expected, which) or 0)


def _without_the_commonest(exchange: Exchange) -> object:
    values, counts = np.unique(exchange.value, return_counts=True)
    commonest = values[counts.argmax()]
    other = values[0] if values[0] != commonest else values[-1]
    return np.where(exchange.value == commonest, other, exchange.value)


LIES: dict[str, Callable[[Exchange], object]] = {
    "zeros": _fill(0),
    "ones": _fill(1),
    "the lowest value everywhere": _edge("low"),
    "the highest value everywhere": _edge("high"),
    "an argument as it came": _passed_through,
    "an argument bent into the form": _fitted,
    "the commonest value dropped": _without_the_commonest,
}


def relations(court: Court) -> Iterator[Finding]:
    """Change workload and replies together in ways that must not matter, and measure again."""
    measured, exchanges = court.record()
    again = court.try_replies(replayed(exchanges))
    yield _equal(court, "the same replies again", measured, again)
    for relation in court.problem.relations:
        workload, change = relation.change(court.workload, court.rng(relation.name))
        changed: dict[int, object] = {
            index: np.ascontiguousarray(change(exchange.value)) for index, exchange in enumerate(exchanges)
        }
        trial = court.try_replies(replayed(exchanges, changed), workload=workload)
        yield _equal(court, relation.name, measured, trial)
    if not court.problem.relations:
        yield Finding.skipped(Part.RELATIONS, "further relations", "the problem declares none")


def _equal(court: Court, name: str, measured: Measured, trial: Trial) -> Finding:
    if court.is_timed:  # replayed replies take no time of their own; that they are still right is what must hold
        held = trial.measured is not None
        return Finding.tried(Part.RELATIONS, name, held, expected="accepted", found=str(trial))
    expected = f"an objective of {measured.objective:.9g}"
    if trial.measured is None:
        return Finding.tried(Part.RELATIONS, name, False, expected=expected, found=str(trial))
    apart = abs(trial.measured.objective - measured.objective)
    held = apart <= SLACK * max(1.0, abs(measured.objective))
    return Finding.tried(Part.RELATIONS, name, held, expected=expected, found=f"{apart:.1e} away from it")


def switched_off(court: Court, other_judge: Callable[[Problem, frozenset[str]], Judge]) -> Iterator[Finding]:
    """Switch off each check alone: something must get through that was refused before, or the check is idle."""
    scenes: list[Scene] = [(court.workload, court.record()[1])]
    for check in scenes[0][1][0].expected.checks:
        yield _form_check(court, scenes, check)
    for check in court.problem.declaration.checks:
        yield _own_check(court, scenes[0][1], check)
    yield _ceiling(court, other_judge)


Scene = tuple[Workload, Sequence[Exchange]]


def _form_check(court: Court, scenes: list[Scene], check: str) -> Finding:
    """Find a corruption that this check alone stands against; prefer one that is then accepted to one that breaks.

    Some checks matter on some workloads only, so the whole block is looked at before one is called idle.

    Args:
        court: what is shared.
        scenes: workloads with honest exchanges; grows as more are needed.
        check: its name.
    """
    breaks = ""
    workloads = court.judge.draw(Split.TRAIN, court.block.number)
    for number, workload in enumerate(workloads):
        if number == len(scenes):
            scenes.append((workload, court.record(workload)[1]))
        accepted, broken = _through(court, scenes[number], check)
        if accepted:
            return _let_through(check, accepted)
        breaks = breaks or broken
    found = f"needed, the judge breaks without it: {breaks}" if breaks else IDLE
    return Finding.tried(Part.CHECKS, check, bool(breaks), expected=NEEDED, found=found)


def _through(court: Court, scene: Scene, check: str) -> tuple[str, str]:
    """On one workload: what is accepted without the check, else what then breaks the judge; both empty for nothing."""
    workload, exchanges = scene
    breaks = ""
    for corruption in corruptions(exchanges[0].expected):
        rng = court.rng(f"off {check} {corruption.name}")
        for attempt in range(TRIES):
            calls = [int(rng.integers(len(exchanges)))] if attempt % 2 else range(len(exchanges))
            changed = {call: corruption_of(exchanges[call], corruption, rng) for call in calls}
            on = court.try_replies(replayed(exchanges, dict(changed)), workload=workload)
            if on.refused is None or on.refused.check != check:
                break
            without = court.try_replies(replayed(exchanges, dict(changed)), frozenset({check}), workload)
            if without.measured is not None:
                return f"{corruption.name}: {without}", ""
            if without.broke is not None and not breaks:
                breaks = f"{corruption.name}: {without}"
    return "", breaks


def corruption_of(exchange: Exchange, corruption: Corruption, rng: np.random.Generator) -> object:
    """Spoil the reply of one exchange by the way of that name in its own form: rules may know their call's contents."""
    own = next(way for way in corruptions(exchange.expected) if way.name == corruption.name)
    return own.spoil(exchange.value, rng)


def _let_through(check: str, what: str) -> Finding:
    return Finding.tried(Part.CHECKS, check, True, expected=NEEDED, found=what)


def _own_check(court: Court, exchanges: Sequence[Exchange], check: str) -> Finding:
    """A problem's own check of what replies cost: honest ones that come just within the time limit of each call."""

    def slow(call: int, arguments: object, timeout_seconds: float) -> tuple[object, float]:
        del arguments
        return exchanges[call % len(exchanges)].value, NEARLY * timeout_seconds

    on, without = court.try_replies(slow), court.try_replies(slow, frozenset({check}))
    if on.refused is not None and on.refused.check == check and without.measured is not None:
        return _let_through(check, f"honest replies, each just within its time limit: {without}")
    return Finding.skipped(Part.CHECKS, check, f"slow replies, all that an audit knows to try, do not meet it ({on})")


def _ceiling(court: Court, other_judge: Callable[[Problem, frozenset[str]], Judge]) -> Finding:
    """Plant a fault in the evaluator that inflates the objective; only the proven ceiling can notice."""
    if not court.is_timed and not math.isfinite(court.block.standards[0].ceiling):
        return Finding.skipped(Part.CHECKS, CEILING, "the problem proves none")
    outcomes = []
    # On a single workload there may be nothing to gain, and then no score.
    widest = max(court.block.standards, key=lambda standard: standard.reference - standard.baseline_objective)
    block = replace(court.block, standards=(widest,))
    for off in (frozenset({SCREEN}), frozenset({SCREEN, CEILING})):
        judge = other_judge(cast(Problem, _Inflated(court.problem, block.standards[0].ceiling)), off)
        try:
            outcomes.append(judge.evaluate(court.honest.source, block).outcome)
        finally:
            judge.close()
    held = outcomes == [Outcome.QUARANTINED, Outcome.OK]
    found = f"an inflated objective: {outcomes[0].value} with it, {outcomes[1].value} without"
    return Finding.tried(Part.CHECKS, CEILING, held, expected="quarantined with it, ok without", found=found)


class _Inflated:
    """A problem with a planted fault: whatever it measures lies beyond the ceiling."""

    def __init__(self, problem: Problem, ceiling: float) -> None:
        self._problem = problem
        self._ceiling = ceiling

    def __getattr__(self, name: str) -> object:
        return getattr(self._problem, name)

    def play(self, workload: object, guest: object) -> Measured:
        measured = self._problem.play(workload, guest)  # type: ignore[arg-type]
        excess = min(self._ceiling, measured.ceiling) - measured.objective + 1e-3
        return replace(measured, series=tuple(sample + excess for sample in measured.series))


def _same(value: object, honest: Array) -> bool:
    return isinstance(value, np.ndarray) and value.dtype == honest.dtype and np.array_equal(value, honest)
