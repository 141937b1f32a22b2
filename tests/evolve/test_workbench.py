from __future__ import annotations

from collections.abc import Sequence
from random import Random

import pytest

from evaluators.model import Evaluation
from evolve.bandit.arm import Arm, Offer
from evolve.desk import Draft, Trial, Written
from evolve.proposal import Context, Material, Selection
from evolve.proposers.operators import WEIGHTS, Operators
from evolve.proposers.tuner.tuner import Tuner
from evolve.workbench import OFFLINE_SHARE, TUNER_SHARE, SharedDesk, Workbench

SOURCE = '''"""A constant."""

VALUE = 0.25  # tune: float 0.0 1.0


def answer(size):
    """Return it."""
    return [VALUE + 0.5] * size
'''


def draft(arm: Arm | None) -> Draft:
    parent = Material(number=0, source=SOURCE, title="seed")
    context = Context(
        statement="",
        entry="answer",
        parameters=("size",),
        optional_parameters=frozenset(),
        allowed_imports=frozenset({"math"}),
        seeds=[parent],
        rng=Random(1),
    )
    return Draft(selection=Selection(parent=parent), context=context, arm=arm)


class Slow:
    """A desk that keeps what it is given."""

    slots = 3
    finished = ""
    wants = True

    def __init__(self) -> None:
        self.drafts: list[Draft] = []
        self.settled: list[Written] = []

    @property
    def offers(self) -> Sequence[Offer]:
        return [Offer(arm=Arm(proposer="llm", operator="edit", model="m"), weight=1 - OFFLINE_SHARE)]

    @property
    def under_way(self) -> int:
        return len(self.drafts)

    def submit(self, draft: Draft) -> None:
        self.drafts.append(draft)

    def next_written(self, timeout_seconds: float) -> Written | None:
        return None

    def settle(self, written: Written, number: int | None, reason: str) -> None:
        self.settled.append(written)

    def recorded(self, number: int, evaluation: Evaluation, *, of_search: bool) -> None: ...
    def next_trial(self) -> Trial | None:
        return None

    def tried(self, key: int, evaluation: Evaluation | None, failure: str) -> None: ...
    def wind_down(self) -> None: ...
    def cancel(self) -> None: ...
    def close(self) -> None: ...


def test_every_operator_is_offered_and_the_tuner_only_where_something_is_marked() -> None:
    offers = Workbench(Operators(), Tuner(entry="answer")).offers
    assert {offer.arm.operator for offer in offers} == {name for name, weight in WEIGHTS.items() if weight > 0}
    assert sum(offer.weight for offer in offers) == pytest.approx(1)


def test_an_arm_decides_who_writes() -> None:
    bench = Workbench(Operators(), Tuner(entry="answer"))
    for arm, proposer in (
        (Arm(proposer="operators", operator="constant"), "operators"),
        (Arm(proposer="tuner", operator="tune"), "tuner"),
        (None, "operators"),
    ):
        bench.submit(draft(arm))
        written = bench.next_written(0.0)
        assert written is not None
        assert written.proposal is not None, written.reason
        assert written.proposal.proposer == proposer
        assert written.arm == arm
    bench.submit(draft(Arm(proposer="operators", operator="crossover")))
    vain = bench.next_written(0.0)
    assert vain is not None
    assert vain.proposal is None
    assert vain.arm is not None
    assert "crossover" in vain.reason


@pytest.mark.parametrize("who", ["operators", "tuner"])
def test_a_fault_of_ours_costs_one_draft_and_is_told(who: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("float division by zero")

    monkeypatch.setattr({"operators": Operators, "tuner": Tuner}[who], "propose", broken)
    bench = Workbench(Operators(), Tuner(entry="answer"))
    bench.submit(draft(Arm(proposer=who, operator="constant")))
    written = bench.next_written(0.0)
    assert written is not None
    assert written.proposal is None
    assert f"{who} failed on candidate 0: ZeroDivisionError: float division by zero" in written.reason
    assert "please report it" in written.reason


def test_want_of_memory_is_no_fault_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Operators, "propose", broken)
    with pytest.raises(MemoryError):
        Workbench(Operators(), None).submit(draft(None))


def test_a_bench_needs_somebody() -> None:
    with pytest.raises(ValueError, match="operators or a tuner"):
        Workbench(None, None)


def test_drafts_go_to_whose_arm_was_pulled() -> None:
    slow = Slow()
    desk = SharedDesk(slow, Workbench(Operators(), None, share=OFFLINE_SHARE))
    weights = {offer.arm.proposer: 0.0 for offer in desk.offers}
    for offer in desk.offers:
        weights[offer.arm.proposer] += offer.weight
    assert weights == pytest.approx({"llm": 1 - OFFLINE_SHARE, "operators": OFFLINE_SHARE})
    desk.submit(draft(Arm(proposer="llm", operator="edit", model="m")))
    assert (len(slow.drafts), desk.under_way) == (1, 1)
    assert desk.next_written(0.0) is None
    desk.submit(draft(Arm(proposer="operators", operator="constant")))
    assert (len(slow.drafts), desk.under_way) == (1, 2)
    written = desk.next_written(0.0)
    assert written is not None
    desk.settle(written, 5, "")
    assert slow.settled == []
    desk.settle(Written(ticket=3), None, "no")
    assert [one.ticket for one in slow.settled] == [3]


def test_the_tuner_has_its_share_of_the_bench() -> None:
    bench = Workbench(None, Tuner(entry="answer"), share=0.5)
    assert list(bench.offers) == []
    assert 0 < TUNER_SHARE < 1
