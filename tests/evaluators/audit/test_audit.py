"""An audit finds what is wrong with an evaluator: each fault is planted here, and must be missed by nobody."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from evaluators.audit import AuditPlan, Finding, Verdict, audit
from evaluators.audit.corruptions import corruptions
from evaluators.audit.findings import Part
from evaluators.audit.programs import EVIDENCE
from evaluators.host import usable_cpus
from evaluators.model import EvaluatorError, Outcome
from evaluators.problem import Guest, Measured, Relation
from evaluators.registry import load_problem
from evaluators.replies import Expected, Rule, fault_of

TRIVIAL = Path(__file__).parents[3] / "bench" / "trivial" / "problem.py"
NOTHING = '"""Returns nothing.\n\nfamily: outputs\nexpect: wrong /not None/\n"""\n\n\ndef cheat(honest, arguments):\n'
HONEST = '"""Honest.\n\nfamily: honest\nexpect: ok\n"""\n\n\ndef cheat(honest, arguments):\n'


@pytest.fixture
def cheats(tmp_path: Path) -> Callable[..., Path]:
    def write(**bodies: str) -> Path:
        (tmp_path / "honest").mkdir(exist_ok=True)
        (tmp_path / "nothing.py").write_text(NOTHING + "    return None\n")
        for name, text in bodies.items():
            (tmp_path / f"{name}.py").write_text(text)
        return tmp_path

    return write


def run(problem: Any, folder: Path, *parts: Part) -> list[Finding]:
    plan = AuditPlan(honest_evaluations=4, cheats=folder, only=frozenset(parts))
    return list(audit(problem, plan))


def missed(findings: list[Finding]) -> list[str]:
    return [finding.name for finding in findings if finding.verdict is Verdict.MISSED]


def test_a_sound_problem_passes_with_nothing_but_what_it_declares(
    trivial: ModuleType, cheats: Callable[..., Path]
) -> None:
    findings = run(trivial.Trivial(3), cheats())
    assert not missed(findings)
    assert {finding.part for finding in findings} == set(Part)


def test_a_measure_that_depends_on_order_breaks_its_relation(trivial: ModuleType, cheats: Callable[..., Path]) -> None:
    class Ordered(trivial.Trivial):  # type: ignore[name-defined, misc]
        relations = (
            *trivial.Trivial(1).relations,
            Relation(name="shift", change=lambda size, rng: (size, lambda value: value + 0.25)),
        )

    assert missed(run(Ordered(1), cheats(), Part.RELATIONS)) == ["shift"]


def test_a_ceiling_that_an_honest_seed_exceeds_is_found(trivial: ModuleType, cheats: Callable[..., Path]) -> None:
    class Low(trivial.Trivial):  # type: ignore[name-defined, misc]
        def reference_objective(self, workload: object, open_seed: object) -> float:
            return -0.35

        def ceiling(self, workload: object) -> float:
            return -0.35

    findings = run(Low(1), cheats(), Part.BOUND, Part.HONEST)
    assert "baseline < reference <= ceiling, and no seed beyond it" in missed(findings)
    assert "seed fifth" in missed(findings)


class _Problem:
    """Delegates to the trivial problem, but for the form that it declares and how it measures."""

    def __init__(
        self, inner: Any, expected: Callable[[int], Expected], objective: Callable[[np.ndarray], float]
    ) -> None:
        self._inner, self._expected, self._objective = inner, expected, objective

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def play(self, workload: Any, guest: Guest) -> Measured:
        form = self._expected(workload.size)
        values = [guest.call({"size": workload.size}, 1.0, form).value for _ in range(2)]
        series = tuple(self._objective(value) for value in values)
        return Measured(series=series, metrics={"distance": 0.0, "call_ms": 0.0})


def distance(value: np.ndarray) -> float:
    return -float(np.abs(value - 0.5).mean())


def test_an_idle_check_is_found(trivial: ModuleType, cheats: Callable[..., Path]) -> None:
    weaker = Rule(
        name="not far below zero",
        fault=lambda array: "far below zero" if (array < -5).any() else None,
        spoil=lambda array, rng: array - 9,
    )

    def form(size: int) -> Expected:
        return Expected(what="the answer", dtype="float64", shape=(size,), low=0.0, rules=(weaker,))

    assert missed(run(_Problem(trivial.Trivial(1), form, distance), cheats(), Part.CHECKS)) == ["not far below zero"]


def test_a_check_that_no_slowness_reaches_is_named_as_not_tried(
    trivial: ModuleType, cheats: Callable[..., Path]
) -> None:
    class Gated(trivial.Trivial):  # type: ignore[name-defined, misc]
        declaration = dataclasses.replace(trivial.DECLARATION, checks=("gate", "never"))

        def play(self, workload: Any, guest: Guest) -> Measured:
            measured: Measured = super().play(workload, guest)
            if measured.metrics["call_ms"] > 500:
                guest.refuse("gate", Outcome.TIMEOUT, "too slow")
            return measured

    verdicts = {finding.name: finding.verdict for finding in run(Gated(1), cheats(), Part.CHECKS)}
    assert (verdicts["gate"], verdicts["never"]) == (Verdict.HELD, Verdict.SKIPPED)


def test_an_objective_that_a_lazy_reply_wins_is_found(trivial: ModuleType, cheats: Callable[..., Path]) -> None:
    def form(size: int) -> Expected:
        return Expected(what="the answer", dtype="float64", shape=(size,))

    lazy = _Problem(trivial.Trivial(1), form, lambda value: -abs(float(value.mean()) - 1.0))
    assert "ones" in missed(run(lazy, cheats(), Part.LINT))


def test_a_reply_that_nothing_refuses_is_found(trivial: ModuleType, cheats: Callable[..., Path]) -> None:
    class Careless(_Problem):
        def play(self, workload: Any, guest: Guest) -> Measured:
            try:
                return super().play(workload, guest)
            except Exception:  # noqa: BLE001 - a careless judge
                return Measured(series=(0.0, 0.0), metrics={"distance": 0.0, "call_ms": 0.0})

    def form(size: int) -> Expected:
        return Expected(what="the answer", dtype="float64", shape=(size,))

    findings = run(Careless(trivial.Trivial(1), form, distance), cheats(), Part.CORRUPTED)
    assert len(missed(findings)) == len(findings) >= 15


def test_cheats_that_succeed_are_found(trivial: ModuleType, cheats: Callable[..., Path]) -> None:
    accepted = NOTHING + "    return honest(**arguments)\n"
    evidence = HONEST.replace("honest\n", "harness\n", 1) + f"    print({EVIDENCE!r})\n    return honest(**arguments)\n"
    gains = HONEST.replace("honest\n", "outputs\n", 1) + "    return honest(**arguments) + 0.25\n"
    harmless = HONEST.replace("honest\n", "outputs\n", 1) + "    return honest(**arguments)\n"
    folder = cheats(accepted=accepted, evidence=evidence, gains=gains, harmless=harmless)
    findings = run(trivial.Trivial(1), folder, Part.CHEATS)
    assert missed(findings) == ["outputs: accepted", "harness: evidence", "outputs: gains"]
    told = {finding.name: finding.found for finding in findings}
    assert "it got what it was after" in told["harness: evidence"]
    assert "points above the honest program" in told["outputs: gains"]


def test_strictness_takes_the_first_expectation_alone(trivial: ModuleType, cheats: Callable[..., Path]) -> None:
    text = NOTHING.replace("expect: wrong /not None/", "expect: wrong /not str/\nexpect: wrong /not None/")
    folder = cheats(other=text + "    return None\n")
    plans = [AuditPlan(cheats=folder, only=frozenset({Part.CHEATS}), strict=strict) for strict in (False, True)]
    assert [missed(list(audit(trivial.Trivial(1), plan))) for plan in plans] == [[], ["outputs: other"]]


def test_an_honest_control_that_is_rejected_is_found(trivial: ModuleType, cheats: Callable[..., Path]) -> None:
    folder = cheats()
    (folder / "honest" / "rounds.py").write_text(HONEST + "    return honest(**arguments).astype('float32')\n")
    findings = run(trivial.Trivial(1), folder, Part.HONEST)
    assert missed(findings) == ["rounds", "4 honest evaluations on fresh draws"]
    assert "1 rejected: block 3: wrong: call 1: the answer must have dtype float64" in findings[-1].found


def test_a_weaker_sandbox_than_required_is_refused(
    trivial: ModuleType, cheats: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from evaluators import arena

    real = arena.Sandbox
    monkeypatch.setattr(arena, "Sandbox", lambda **words: real(**words, leave_out=frozenset({"network namespace"})))
    plan = AuditPlan(cheats=cheats(), require_sandbox="full")
    with pytest.raises(EvaluatorError, match=r"a 'full' sandbox is required.*network namespace: left out\nhint"):
        list(audit(trivial.Trivial(1), plan))


def test_a_timed_problem_whose_replies_nobody_checks_fails_the_lint(cheats: Callable[..., Path]) -> None:
    speed = load_problem(str(TRIVIAL.parents[1] / "speed"), "1")

    class Unchecked(_Problem):
        def play(self, workload: Any, guest: Guest) -> Measured:
            def draw(number: int) -> Any:
                drawn = workload.draw(number)
                return dataclasses.replace(drawn, expected=dataclasses.replace(drawn.expected, rules=()))

            timing = guest.compare(draw, 2.0)
            metrics = {"speed_up": timing.ratio, "call_ms": 0.0, "channel_ms": 0.0, "calls": 0.0}
            return Measured.of_timing(timing, metrics)

    lazy = Unchecked(speed, lambda size: None, distance)
    assert {"zeros", "ones"} <= set(missed(run(lazy, cheats(), Part.LINT)))


def test_a_part_that_breaks_off_is_a_miss_and_the_others_go_on(
    trivial: ModuleType, cheats: Callable[..., Path]
) -> None:
    class Broken(trivial.Trivial):  # type: ignore[name-defined, misc]
        relations = (Relation(name="odd", change=lambda size, rng: 1 / 0),)

    findings = run(Broken(1), cheats(), Part.RELATIONS, Part.LINT)
    assert missed(findings) == ["this part broke off"]
    assert "ZeroDivisionError" in next(f.found for f in findings if f.verdict is Verdict.MISSED)
    assert any(finding.part is Part.LINT for finding in findings)


@pytest.mark.parametrize(
    ("dtype", "low", "high"),
    [("uint8", 0, 255), ("uint32", 0, None), ("int32", 0, 2**31 - 1), ("float32", 0.0, 1e9), ("float64", None, 1e308)],
)
def test_ranges_at_the_end_of_a_type_are_no_trouble(dtype: str, low: float | None, high: float | None) -> None:
    expected = Expected(what="the answer", dtype=dtype, shape=(4,), low=low, high=high)
    for corruption in corruptions(expected):
        spoilt = corruption.spoil(np.array([1, 2, 3, 4], dtype=dtype), np.random.default_rng(0))
        assert fault_of(spoilt, expected) is not None, corruption.name


@pytest.mark.slow
def test_every_cheat_is_caught_on_eplb_for_the_right_reason_and_every_control_passes() -> None:
    plan = AuditPlan(honest_evaluations=25, strict=True, cpu=usable_cpus()[-1])
    findings = list(audit(load_problem("eplb"), plan))
    told = [f"{f.part.value}: {f.name}: {f.found}" for f in findings if f.verdict is Verdict.MISSED]
    assert not told
    tried = [f for f in findings if f.part is Part.CHEATS and f.verdict is Verdict.HELD]
    skipped = [f.name for f in findings if f.part is Part.CHEATS and f.verdict is Verdict.SKIPPED]
    assert len(tried) >= 60, skipped
    assert sum(f.part is Part.CORRUPTED for f in findings) >= 20
