from __future__ import annotations

import pytest

from db.records import NewCandidate, Note, NoteKind, Planned, Purpose
from evaluators.model import Evaluation, Outcome, Split, WorkloadResult
from evolve.chronicle import BROKEN_KEPT, FAILURES, HYPOTHESES, LONGEST_BROKEN, PARADIGMS, PLATEAU_AFTER, Chronicle


def candidate(number: int, *parents: int, source: str = "x = 1\n", proposer: str = "llm") -> NewCandidate:
    return NewCandidate(
        number=number,
        source=source,
        digest=str(number),
        proposer=proposer,
        operator="edit",
        parents=parents,
        note=f"change {number}",
    )


def verdict(score: float | None, outcome: Outcome = Outcome.CRASHED) -> Evaluation:
    facts = {"problem": "p", "split": Split.TRAIN, "block": 0, "digest": "d"}
    if score is None:
        return Evaluation(**facts, outcome=outcome, reason=f"{outcome.value} it was", log="trace")  # type: ignore[arg-type]
    result = WorkloadResult(name="a", objective=0, baseline=0, reference=1, ceiling=1, share=score)
    return Evaluation(
        **facts,  # type: ignore[arg-type]
        outcome=Outcome.OK,
        score=score,
        stderr=0.1,
        low=score,
        high=score,
        workloads=(result,),
    )


def search(number: int) -> Planned:
    return Planned(number=number, purpose=Purpose.SEARCH, split=Split.TRAIN, block=0)


def tell(
    book: Chronicle,
    new: NewCandidate,
    score: float | None,
    before: float | None = 0.0,
    outcome: Outcome = Outcome.WRONG,
) -> None:
    book.tell(new, search(new.number), verdict(score, outcome), before)


def test_a_line_runs_from_the_first_ancestor_down_and_then_to_the_children() -> None:
    book = Chronicle()
    book.tell(candidate(0, proposer="seed"), search(0), verdict(1.0), None)
    tell(book, candidate(1, 0), 5.0, 1.0)
    tell(book, candidate(2, 1), 4.0, 5.0)
    tell(book, candidate(3, 1), None)
    tell(book, candidate(4, 0), 9.0, 1.0)
    assert [attempt.number for attempt in book.line(1)] == [1, 2, 3]
    assert [attempt.number for attempt in book.line(2)] == [1, 2]
    assert [attempt.gain for attempt in book.line(1)] == [4.0, -1.0, None]
    assert book.line(3)[-1].reason == "wrong it was"
    assert [attempt.number for attempt in book.latest] == [1, 2, 3, 4]
    assert book.told == 5


def test_further_measurements_are_no_attempts() -> None:
    book = Chronicle()
    carried = Planned(number=1, purpose=Purpose.CARRY, split=Split.TRAIN, block=1)
    book.tell(candidate(1, 0), carried, verdict(5.0), 1.0)
    assert not book.latest
    assert book.told == 1


def test_what_failed_can_be_repaired_once_by_a_child_of_it() -> None:
    book = Chronicle()
    tell(book, candidate(1, 0), None, outcome=Outcome.CRASHED)
    tell(book, candidate(2, 7), None, outcome=Outcome.TIMEOUT)
    near, newest = book.broken(0), book.broken(99)
    assert near is not None
    assert (near.number, near.parent, near.log) == (1, 0, "trace")
    assert newest is not None
    assert newest.number == 2
    tell(book, candidate(3, 0, 1), 4.0)
    assert book.broken(0) == newest, "the first one is repaired, so the newest is left"
    assert [attempt.number for attempt in book.failures] == [1, 2]


@pytest.mark.parametrize("outcome", [Outcome.CHEATED, Outcome.QUARANTINED, Outcome.STOPPED])
def test_what_is_not_to_be_repaired(outcome: Outcome) -> None:
    book = Chronicle()
    tell(book, candidate(1, 0), None, outcome=outcome)
    assert book.broken(0) is None


def test_a_huge_program_is_not_shown_again() -> None:
    book = Chronicle()
    tell(book, candidate(1, 0, source="#" * (LONGEST_BROKEN + 1)), None)
    assert book.broken(0) is None
    assert len(book.failures) == 1


def test_a_plateau_begins_so_long_after_the_best_was_found_and_ends_with_the_next() -> None:
    book = Chronicle()
    book.crown(0)
    for number in range(1, PLATEAU_AFTER):
        tell(book, candidate(number, 0), 1.0)
    assert book.plateau() is None
    tell(book, candidate(PLATEAU_AFTER, 0), 1.0)
    plateau = book.plateau()
    assert plateau is not None
    assert plateau.evaluations == PLATEAU_AFTER
    book.crown(7)
    assert book.plateau() is None


def test_paradigms_have_the_outcome_of_their_candidate_whichever_is_heard_first() -> None:
    book = Chronicle()
    book.crown(0)
    book.note(Note(kind=NoteKind.PARADIGM, text="flow", author="m", number=1))
    tell(book, candidate(1, 0), 4.0, 1.0)
    tell(book, candidate(2, 0), None)
    book.note(Note(kind=NoteKind.PARADIGM, text="search", author="m", number=2))
    for number in range(3, 3 + PLATEAU_AFTER):
        tell(book, candidate(number, 0), 1.0)
    plateau = book.plateau()
    assert plateau is not None
    assert [(p.name, p.outcome, p.gain) for p in plateau.paradigms] == [
        ("flow", Outcome.OK, 3.0),
        ("search", Outcome.WRONG, None),
    ]


def test_notes_are_remembered_the_newest_of_each_kind() -> None:
    book = Chronicle()
    for number in range(HYPOTHESES + 2):
        book.note(Note(kind=NoteKind.HYPOTHESIS, text=f"h{number}", author="m"))
    book.note(Note(kind=NoteKind.INSIGHTS, text="old", author="m"))
    book.note(Note(kind=NoteKind.INSIGHTS, text="new", author="m"))
    assert book.insights == "new"
    assert len(book.hypotheses) == HYPOTHESES
    assert book.hypotheses[-1] == f"h{HYPOTHESES + 1}"


def test_it_stays_bounded() -> None:
    book = Chronicle()
    for number in range(1, 6000):
        tell(book, candidate(number, number - 1), None if number % 3 else 1.0)
        book.note(Note(kind=NoteKind.PARADIGM, text="p", author="m", number=number))
    assert len(book._attempts) < 5000
    assert len(book._children) < 5000
    assert len(book._broken) <= BROKEN_KEPT
    assert len(book.failures) == FAILURES
    assert len(book._paradigms) == PARADIGMS
