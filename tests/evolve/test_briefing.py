from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from db.records import NewCandidate, Note, NoteKind, Planned, Purpose
from evaluators.model import Evaluation, Outcome, Split, WorkloadResult
from evaluators.registry import load_problem
from evolve.brief import Brief
from evolve.evolution import Evolution
from evolve.proposal import Material, Selection
from evolve.selectors import Adaptive
from evolve.steering import Steering

TRIVIAL = str(Path(__file__).parents[2] / "bench" / "trivial")
CHILD = "import numpy as np\n\n\ndef answer(size):\n    return np.full(size, 0.4)\n"


def verdict(planned: Planned, a: float, b: float) -> Evaluation:
    draws = (("a/0", a - 1), ("a/1", a + 1), ("b/0", b - 2), ("b/1", b + 2))
    results = tuple(
        WorkloadResult(name=n, stratum=n[0], objective=0, baseline=0, reference=1, ceiling=1, share=s, stderr=0.5)
        for n, s in draws
    )
    score = (a + b) / 2
    return Evaluation(
        problem="trivial",
        split=planned.split,
        block=planned.block,
        digest="d",
        outcome=Outcome.OK,
        score=score,
        stderr=0.5,
        low=score - 1,
        high=score + 1,
        workloads=results,
        metrics={"distance": 0.3, "call_ms": 1.0},
    )


@pytest.fixture
def evolution() -> Evolution:
    made = Evolution(load_problem(TRIVIAL), Steering({"adaptive": Adaptive()}), seed=0, known=lambda digest: None)
    scores = {0: (40.0, 20.0), 1: (0.0, 0.0)}
    seeds = {}
    for _ in range(4):
        ask = made.ask()
        assert ask is not None
        if ask.candidate:
            seeds[ask.planned.number] = ask.candidate
        made.tell(seeds[ask.planned.number], ask.planned, verdict(ask.planned, *scores[ask.planned.number]))
    child = NewCandidate(
        number=2, source=CHILD, digest="c", proposer="llm", operator="edit by m", parents=(0,), note="a larger one"
    )
    planned = Planned(number=2, purpose=Purpose.SEARCH, split=Split.TRAIN, block=0)
    made.tell(child, planned, verdict(planned, 60.0, 10.0))
    return made


def selection(number: int, *others: int) -> Selection:
    def material(which: int) -> Material:
        return Material(number=which, source=f"program {which}", title=f"title {which}")

    return Selection(parent=material(number), inspirations=tuple(material(other) for other in others))


def test_a_parent_is_shown_with_interval_lead_and_its_worst_workloads_first(evolution: Evolution) -> None:
    brief = evolution.brief(selection(2, 1))
    parent = brief.parent
    assert (parent.number, parent.title, parent.note, parent.source) == (2, "edit by m", "a larger one", CHILD)
    assert parent.train is not None
    assert parent.train.low < parent.train.mean == 35.0 < parent.train.high
    assert parent.lead is not None
    assert parent.lead.mean == 5.0
    assert parent.validation is None
    assert [(w.kind, w.share, w.best_share) for w in parent.workloads] == [("b", 10.0, 20.0), ("a", 60.0, 60.0)]
    assert [p.number for p in brief.inspirations] == [1]
    assert brief.best is not None
    assert brief.best.number == 0
    assert brief.best.lead is None, "the best seed leads over nobody"
    assert brief.best.validation is not None
    assert [(attempt.number, attempt.gain) for attempt in brief.line] == [(2, 5.0)]
    assert brief.told == 5


def test_metrics_are_told_by_kind_where_the_problem_wants_it_and_all_workloads_have_them() -> None:
    problem = load_problem(TRIVIAL)
    facts = dataclasses.replace(problem.declaration, shown_by_kind=("call_ms", "unknown"))
    problem.declaration = facts  # type: ignore[misc]
    made = Evolution(problem, Steering({"adaptive": Adaptive()}), seed=0, known=lambda digest: None)
    ask = made.ask()
    assert ask is not None
    assert ask.candidate is not None
    found = verdict(ask.planned, 40.0, 20.0)
    times = {"a/0": 1.0, "a/1": 3.0, "b/0": 5.0, "b/1": 7.0}
    workloads = tuple(dataclasses.replace(r, metrics={"call_ms": times[r.name]}) for r in found.workloads)
    made.tell(ask.candidate, ask.planned, dataclasses.replace(found, workloads=workloads))
    parent = made.brief(selection(ask.planned.number)).parent
    assert {w.kind: w.metrics for w in parent.workloads} == {"a": {"call_ms": 2.0}, "b": {"call_ms": 6.0}}


def test_the_best_is_not_shown_twice(evolution: Evolution) -> None:
    assert evolution.brief(selection(0)).best is None
    assert evolution.brief(selection(2, 0)).best is None


def test_notes_are_in_the_next_brief(evolution: Evolution) -> None:
    evolution.note(Note(kind=NoteKind.INSIGHTS, text="larger is better", author="m"))
    evolution.note(Note(kind=NoteKind.HYPOTHESIS, text="one half is best", author="m"))
    brief = evolution.brief(selection(0))
    assert (brief.insights, brief.hypotheses) == ("larger is better", ("one half is best",))


def test_a_program_that_nobody_measured_is_shown_without_a_score(evolution: Evolution) -> None:
    brief = evolution.brief(selection(77, 78))
    assert (brief.parent.source, brief.parent.train) == ("program 77", None)
    assert brief.inspirations == ()


def test_nothing_hidden_gets_in(evolution: Evolution) -> None:
    """A final is told like everything else, and changes nothing that anybody is shown."""
    before = evolution.brief(selection(2, 1))
    final = Planned(number=2, purpose=Purpose.FINAL, split=Split.HIDDEN, block=0)
    child = NewCandidate(number=2, source=CHILD, digest="c", proposer="llm", operator="edit by m", parents=(0,))
    evolution.tell(child, final, verdict(final, 99.0, 98.0))
    after = evolution.brief(selection(2, 1))
    assert after == before
    assert {field.name for field in dataclasses.fields(Brief)}.isdisjoint({"hidden", "final"})
