"""What every archive promises of orders and their tickets."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from db.archive import Archive
from db.records import ArchiveError, NewRun, Order, OrderState, RunRecord

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ORDER = Order(ticket=1, asker="ann é", parent=1, inspirations=(2, 0), issued=NOON, expires=NOON + HOUR)


@pytest.fixture(autouse=True)
def three(add: Callable[..., int]) -> None:
    """Candidates 0 to 2, to build on."""
    for number in range(3):
        add(number)


class TestTickets:
    def test_tickets_are_unique_over_all_sittings(self, url: str, archive: Archive, run: RunRecord) -> None:
        assert [archive.next_ticket(run.id) for _ in range(3)] == [1, 2, 3]
        archive.close()
        with Archive.open(url) as again:
            assert again.next_ticket(run.id) == 4

    def test_runs_count_apart(self, archive: Archive, run: RunRecord, new_run: Callable[..., NewRun]) -> None:
        other = archive.create_run(new_run("second"))
        assert [archive.next_ticket(run.id), archive.next_ticket(other.id)] == [1, 1]

    def test_threads_never_get_the_same(self, archive: Archive, run: RunRecord) -> None:
        with ThreadPoolExecutor(8) as threads:
            tickets = list(threads.map(lambda _: archive.next_ticket(run.id), range(80), timeout=60))
        assert sorted(tickets) == list(range(1, 81))


class TestOrderConformance:
    def test_an_order_reads_back(self, url: str, archive: Archive, run: RunRecord) -> None:
        east = timezone(timedelta(hours=5))
        archive.place_order(run.id, replace(ORDER, issued=NOON.astimezone(east)))
        assert archive.order(run.id, 1) == ORDER
        assert archive.order(run.id, 1).issued.tzinfo is UTC
        with Archive.open(url) as again:
            assert again.open_orders(run.id) == [ORDER]

    def test_open_orders_come_in_the_order_of_their_tickets(
        self, archive: Archive, run: RunRecord, new_run: Callable[..., NewRun]
    ) -> None:
        for ticket in (3, 10, 2, 1):
            archive.place_order(run.id, replace(ORDER, ticket=ticket, inspirations=()))
        archive.settle_order(run.id, 2, None)
        archive.reissue_order(run.id, 1, asker="bob", issued=NOON + HOUR, expires=NOON + 2 * HOUR)
        assert [order.ticket for order in archive.open_orders(run.id)] == [1, 3, 10]
        assert archive.open_orders(archive.create_run(new_run("second")).id) == []

    def test_a_reissued_order_has_a_new_asker_and_time(self, archive: Archive, run: RunRecord) -> None:
        archive.place_order(run.id, ORDER)
        for hours, asker in ((1, "bob"), (2, "cy")):
            archive.reissue_order(run.id, 1, asker=asker, issued=NOON + hours * HOUR, expires=NOON + (hours + 1) * HOUR)
        expected = replace(ORDER, asker="cy", issued=NOON + 2 * HOUR, expires=NOON + 3 * HOUR, times=3)
        assert archive.order(run.id, 1) == expected

    @pytest.mark.parametrize(("number", "what"), [(2, "it became candidate 2"), (None, "its candidate was refused")])
    def test_an_order_is_settled_once(self, archive: Archive, run: RunRecord, number: int | None, what: str) -> None:
        archive.place_order(run.id, ORDER)
        archive.settle_order(run.id, 1, number)
        told = replace(ORDER, state=OrderState.TOLD, number=number)
        assert archive.order(run.id, 1) == told
        for action in (
            lambda: archive.settle_order(run.id, 1, 0),
            lambda: archive.settle_order(run.id, 1, None),
            lambda: archive.reissue_order(run.id, 1, asker="bob", issued=NOON, expires=NOON),
        ):
            with pytest.raises(ArchiveError, match=f"order 1 of run {run.id} is settled already: {what}"):
                action()
        assert archive.order(run.id, 1) == told
        assert archive.open_orders(run.id) == []

    def test_of_many_who_settle_at_once_one_does(self, archive: Archive, run: RunRecord) -> None:
        archive.place_order(run.id, ORDER)

        def settle(number: int) -> int | None:
            try:
                archive.settle_order(run.id, 1, number)
            except ArchiveError:
                return None
            return number

        with ThreadPoolExecutor(8) as threads:
            settled = [n for n in threads.map(settle, [0, 1, 2] * 4, timeout=60) if n is not None]
        assert settled == [archive.order(run.id, 1).number]

    def test_what_does_not_fit_is_refused(self, archive: Archive, run: RunRecord) -> None:
        archive.place_order(run.id, ORDER)
        other = replace(ORDER, ticket=2)
        wrong: list[tuple[Callable[[], object], str]] = [
            (lambda: archive.place_order(run.id, replace(ORDER, asker="bob")), "has an order 1 already"),
            (lambda: archive.place_order(run.id, replace(other, state=OrderState.TOLD)), "placed while open"),
            (lambda: archive.place_order(run.id, replace(other, number=0)), "placed while open"),
            (lambda: archive.place_order(run.id, replace(other, parent=7)), "no candidate 7; it holds 0 to 2"),
            (lambda: archive.place_order(run.id, replace(other, inspirations=(0, 8))), "no candidate 8"),
            (lambda: archive.settle_order(run.id, 1, 9), "no candidate 9"),
            (lambda: archive.settle_order(run.id, 2, None), "has no order 2"),
            (lambda: archive.order(run.id, 2), "has no order 2"),
            (lambda: archive.reissue_order(run.id, 2, asker="b", issued=NOON, expires=NOON), "has no order 2"),
            (lambda: archive.place_order(99, ORDER), "no run with id 99"),
            (lambda: archive.order(99, 1), "no run with id 99"),
            (lambda: archive.open_orders(99), "no run with id 99"),
            (lambda: archive.next_ticket(99), "no run with id 99"),
        ]
        for action, message in wrong:
            with pytest.raises(ArchiveError, match=message):
                action()
        assert archive.open_orders(run.id) == [ORDER]
