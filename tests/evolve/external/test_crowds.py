"""What a crowd may pile up, and what never gets as far as the driver."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from db.archive import Archive
from db.records import Note, NoteKind
from evolve.config import resolve
from evolve.evolution import Evolution
from evolve.external.desk import ExternalDesk
from evolve.external.model import Asked, Fault, HandIn, Refused
from evolve.external.once import open_counter
from evolve.external.terms import EXPIRES, MAX_ASKED, MAX_NOTES, MAX_TOLD, MAX_TOLD_EACH, NOTES_AN_HOUR
from evolve.session import new_run, open_session

TRIVIAL = str(Path(__file__).parents[3] / "bench" / "trivial")


class Silent:
    def recorded(self, *_: Any) -> None:
        """Nothing is recorded here."""

    def tick(self, *_: Any) -> None:
        """Nothing goes on here."""

    def say(self, text: str) -> None:
        assert text


WithDesk = Callable[[Callable[[ExternalDesk], None]], None]


@pytest.fixture
def with_desk(tmp_path: Path) -> WithDesk:
    """Do something with a desk whose driver never looks: whatever comes in waits."""

    def visit(errand: Callable[[ExternalDesk], None]) -> None:
        with Archive.open(str(tmp_path / "a.db"), create=True) as archive:
            flags = {"proposer": "external", "pool": "serial", "workload": "2", "seed": "3", "clock": "counting"}
            run = new_run(archive, TRIVIAL, resolve(flags, {}, None))
            counter = open_counter(archive, run, {}, expires=EXPIRES)

            def make_desk(evolution: Evolution) -> ExternalDesk:
                desk = counter.desk(evolution)
                errand(desk)
                return desk

            with open_session(archive, run, Silent(), make_desk=make_desk, lazy_pool=True):
                pass

    return visit


def fault(answer: Any) -> Fault | None:
    if not answer.done():
        return None
    found = answer.result()
    assert isinstance(found, Refused)
    assert found.hint
    return found.fault


def test_programs_that_wait_are_bounded_in_all_and_by_asker(
    with_desk: WithDesk, write_program: Callable[[float], str]
) -> None:
    def errand(desk: ExternalDesk) -> None:
        def tell(number: int, asker: str) -> Fault | None:
            return fault(desk.tell(HandIn(program=write_program(number / 1000), asker=asker)).answer)

        assert [tell(number, "ann") for number in range(MAX_TOLD_EACH + 1)] == [None] * MAX_TOLD_EACH + [Fault.BUSY]
        others = [tell(100 + number, f"agent-{number}") for number in range(MAX_TOLD)]
        assert others == [None] * (MAX_TOLD - MAX_TOLD_EACH) + [Fault.BUSY] * MAX_TOLD_EACH
        assert tell(0, "ann") is None  # the same again waits with the first

    with_desk(errand)


def test_askers_and_notes_that_wait_are_bounded(with_desk: WithDesk) -> None:
    def errand(desk: ExternalDesk) -> None:
        asked: list[Asked] = [desk.ask("ann") for _ in range(MAX_ASKED + 1)]
        assert [fault(one.answer) for one in asked] == [None] * MAX_ASKED + [Fault.BUSY]
        notes = [
            desk.note(Note(kind=NoteKind.HYPOTHESIS, text="warm", author=f"agent-{number}"))
            for number in range(MAX_NOTES + 1)
        ]
        assert [fault(answer) for answer in notes] == [None] * MAX_NOTES + [Fault.BUSY]

    with_desk(errand)


def test_what_is_unusable_is_refused_before_it_waits(
    with_desk: WithDesk, write_program: Callable[[float], str]
) -> None:
    def errand(desk: ExternalDesk) -> None:
        for text, reason in (
            ("def answer(size:\n", "does not parse"),
            ("x" * 100_001, "100001 bytes"),
            ("answer = 1\n", "defines no top-level function"),
            ("import os\n" + write_program(0.5), "imports 'os'"),
        ):
            answer = desk.tell(HandIn(program=text, asker="ann")).answer
            assert fault(answer) is Fault.UNUSABLE
            assert reason in answer.result().what  # type: ignore[union-attr]
        assert desk.under_way == 0
        good = [desk.tell(HandIn(program=write_program(n / 99), asker="ann")).answer for n in range(MAX_TOLD_EACH)]
        assert not any(answer.done() for answer in good)  # the bad ones took nobody's place

    with_desk(errand)


def test_an_asker_leaves_so_many_notes_an_hour(house: Any) -> None:
    house.start()
    for number in range(NOTES_AN_HOUR):
        assert house.post("/notes", text=f"note {number}", asker="ann").status == 200
    many = house.post("/notes", text="one more", asker="ann")
    assert (many.status, set(many.body)) == (429, {"error", "hint"})
    assert house.post("/notes", text="mine", asker="bob").status == 200
    house.clock.pass_by(minutes=61)
    assert house.post("/notes", text="one more", asker="ann").status == 200


def test_an_order_comes_even_if_nobody_waits_for_it(house: Any) -> None:
    house.start()
    house.ask()
    assert house.post("/ask", asker="ann", wait_seconds=0).status == 200
