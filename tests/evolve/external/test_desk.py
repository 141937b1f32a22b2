from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from db.records import NewCandidate, OrderState, Planned, Purpose
from evaluators.model import Split

if TYPE_CHECKING:
    from collections.abc import Callable


def test_many_askers_share_one_budget(house: Any, write_program: Callable[[float], str]) -> None:
    house.start(evaluations="30")
    values = iter([0.3 + 0.004 * step for step in range(40)])
    lock = threading.Lock()

    def work(name: int) -> list[tuple[str, int, Any]]:
        seen = []
        for _ in range(5):
            with lock:
                value = next(values)
            asked = house.post("/ask", asker=f"agent-{name}")
            if asked.status != 200:
                seen.append(("ask", asked.status, asked.body))
                continue
            told = house.post(
                "/evaluate", ticket=asked.body["ticket"], program=write_program(value), asker=f"agent-{name}"
            )
            seen.append(("tell", told.status, told.body | {"ticket": asked.body["ticket"]}))
        return seen

    with ThreadPoolExecutor(8) as pool:
        seen = [one for part in pool.map(work, range(8)) for one in part]
    assert house.search_is_over.wait(60)
    assert len(seen) == 40
    # With the budget spent the search ends by itself, and whoever comes later finds nobody there (503).
    assert {200} < {status for _, status, _ in seen} <= {200, 409, 503}
    refused = [body for _, status, body in seen if status == 409]
    assert all("budget of 30 evaluations is spent" in body["error"] for body in refused)
    judged = [body for _, status, body in seen if status == 200]
    assert len({body["candidate"] for body in judged}) == len(judged)
    tickets = [body["ticket"] for kind, _, body in seen if kind == "tell"]
    assert len(set(tickets)) == len(tickets)
    assert house.spent() == 30
    house.stop()
    # Programs that stream in do not keep the search from measuring what their verdicts call for.
    confirmed = house.archive.run_by_id(house.run.id).counts[Purpose.CONFIRM]
    assert sum(confirmed.values()) > 2
    for body in judged:
        order = house.archive.order(house.run.id, body["ticket"])
        assert (order.state, order.number) == (OrderState.TOLD, body["candidate"])
        assert house.archive.candidate(house.run.id, body["candidate"]).ticket == body["ticket"]
    assert len(house.archive.open_orders(house.run.id)) == len(tickets) - len(judged)


def test_programs_that_come_at_once_never_pass_the_budget(house: Any, write_program: Callable[[float], str]) -> None:
    house.start(evaluations="7")  # they come before the starting programs are measured, which go first
    with ThreadPoolExecutor(12) as pool:
        told = list(
            pool.map(
                lambda step: house.post("/evaluate", program=write_program(0.3 + step / 50), asker=f"agent-{step}"),
                range(12),
            )
        )
    assert sorted({answer.status for answer in told}) == [200, 409]
    assert house.search_is_over.wait(60)
    assert house.spent() == 7
    assert [house.archive.candidate(house.run.id, number).proposer for number in (0, 1, 2)] == [
        "seed",
        "seed",
        "external",
    ]


def test_an_expired_order_goes_to_the_next_who_asks(house: Any, write_program: Callable[[float], str]) -> None:
    house.start()
    first, second = house.ask("ann"), house.ask("bob")
    assert first["ticket"] != second["ticket"]
    house.clock.pass_by(minutes=29)
    fresh = house.ask("cleo")
    assert fresh["ticket"] not in (first["ticket"], second["ticket"])
    house.clock.pass_by(minutes=2)
    again = house.ask("dora")
    assert (again["ticket"], again["times"], again["asker"]) == (first["ticket"], 2, "dora")
    assert again["parent"]["number"] == first["parent"]["number"]
    assert [one["number"] for one in again["inspirations"]] == [one["number"] for one in first["inspirations"]]
    assert house.ask("eve")["ticket"] == second["ticket"]
    assert house.ask("fay")["times"] == 1
    # The order is the other's now, and again anybody's when that one is late too.
    late = house.post("/evaluate", ticket=first["ticket"], program=write_program(0.4), asker="ann")
    assert (late.status, "is that of dora, not ann" in late.body["error"]) == (409, True)
    nameless = house.post("/evaluate", ticket=first["ticket"], program=write_program(0.4))
    assert (nameless.status, "is that of dora, not agent" in nameless.body["error"]) == (409, True)
    house.clock.pass_by(minutes=31)
    late = house.post("/evaluate", ticket=first["ticket"], program=write_program(0.4), asker="ann")
    assert late.status == 200
    beaten = house.post("/evaluate", ticket=first["ticket"], program=write_program(0.42), asker="dora")
    assert (beaten.status, beaten.body["candidate"]) == (409, late.body["candidate"])
    assert house.get(f"/candidates/{late.body['candidate']}")["operator"] == "ann"


def test_who_goes_away_gets_no_order(house: Any) -> None:
    house.start()
    answers = [house.post("/ask", asker="ann", wait_seconds=0) for _ in range(5)]
    assert {answer.status for answer in answers} <= {200, 503}
    order = house.ask("bob")
    served = [answer for answer in answers if answer.status == 200]
    assert [one["ticket"] for one in house.get("/status")["open_orders"]] == [
        *(answer.body["ticket"] for answer in served),
        order["ticket"],
    ]


def test_orders_outlive_the_sitting(house: Any, write_program: Callable[[float], str]) -> None:
    house.start()
    order = house.ask()
    house.stop()
    house.start()
    assert [one["ticket"] for one in house.get("/status")["open_orders"]] == [order["ticket"]]
    assert house.post("/evaluate", ticket=order["ticket"], program=write_program(0.4)).status == 200


def test_an_order_whose_candidate_was_stored_before_a_crash_is_settled(
    house: Any, write_program: Callable[[float], str]
) -> None:
    house.start()
    order = house.ask()
    house.stop()
    program = write_program(0.4)
    candidate = NewCandidate(
        number=2, source=program, digest="d" * 64, proposer="external", operator="agent", ticket=order["ticket"]
    )
    planned = Planned(number=2, purpose=Purpose.SEARCH, split=Split.TRAIN, block=0)
    house.archive.register(house.run.id, candidate, planned)
    house.start()
    assert house.get("/status")["open_orders"] == []
    again = house.post("/evaluate", ticket=order["ticket"], program=program)
    while again.status == 202:
        again = house.post("/evaluate", ticket=order["ticket"], program=program, wait_seconds=5)
    assert (again.status, again.body["candidate"]) == (200, 2)
    more = house.post("/evaluate", program=write_program(0.41))
    assert (more.status, more.body["candidate"]) == (200, 3)


def test_a_stopped_sitting_refuses_and_says_so(house: Any, write_program: Callable[[float], str]) -> None:
    house.start()
    order = house.ask()
    house.desk.cancel()
    for path, document in (
        ("/ask", {}),
        ("/evaluate", {"ticket": order["ticket"], "program": write_program(0.4)}),
        ("/notes", {"text": "too late"}),
    ):
        answer = house.post(path, **document)
        assert (answer.status, "over" in answer.body["error"]) == (409, True)
    assert house.get("/status")["phase"] == "over"


def test_nothing_of_the_hidden_split_is_served(house: Any, write_program: Callable[[float], str]) -> None:
    house.with_final = True
    house.start(evaluations="20")
    told = [house.post("/evaluate", program=write_program(0.3 + step / 20)) for step in range(4)]
    assert {answer.status for answer in told} == {200}
    step = 0
    while not house.search_is_over.is_set():
        house.post("/evaluate", program=write_program(0.1 + step / 1000))
        step += 1
    house.stop()  # the final is over
    numbers = range(house.archive.run_by_id(house.run.id).candidates)
    hidden = {
        record.planned.number: record.evaluation
        for number in numbers
        for record in house.archive.evaluations(house.run.id, number)
        if record.planned.split is Split.HIDDEN
    }
    assert len(hidden) >= 2
    assert house.archive.run_by_id(house.run.id).best_split is Split.HIDDEN
    house.with_final = False
    changed = house.archive.run_by_id(house.run.id)
    house.archive.set_config(house.run.id, {**changed.config, "evaluations": 30})
    house.start()
    order = house.ask()
    pages = [order, house.get("/task"), house.get("/status"), house.get("/leaderboard?top=100")]
    pages += [house.get(f"/candidates/{number}") for number in numbers]
    text = json.dumps([page if not isinstance(page, dict) else {**page, "prompt": "", "text": ""} for page in pages])
    assert "hidden" not in text.replace("hidden workloads", "").replace("hidden processes", "")
    for page in pages[4:]:
        assert {one["split"] for one in page["evaluations"]} == {"train"}
    status = pages[2]
    done = sum(
        record.evaluation is not None and record.planned.split is not Split.HIDDEN
        for number in numbers
        for record in house.archive.evaluations(house.run.id, number)
    )
    assert status["budget"]["evaluations_used"] <= done
    assert status["best"]["number"] == house.desk.best


@pytest.mark.parametrize("evaluations", ["1", "3"])
def test_a_budget_too_small_for_the_seeds_ends_the_sitting(
    house: Any, evaluations: str, write_program: Callable[[float], str]
) -> None:
    house.start(evaluations=evaluations)
    told = house.post("/evaluate", program=write_program(0.4))
    assert told.status == 409
    assert "is spent" in told.body["error"]
    assert house.search_is_over.wait(60)
    assert house.spent() == int(evaluations)
