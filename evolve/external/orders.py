"""Orders in the archive: written by the driver alone."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta

from db.archive import Archive
from db.records import Order
from evolve.desk import Draft
from evolve.evolution import Evolution
from evolve.external.model import Sheet
from evolve.proposal import Material, Selection


class Orders:
    """Hands orders out and settles them.

    Args:
        archive: where they are kept.
        run_id: the run.
        evolution: the search, for what an order says.
        expires: how long an order is its asker's alone.
        now: the clock that they expire by.
    """

    def __init__(
        self,
        archive: Archive,
        run_id: int,
        evolution: Evolution,
        *,
        expires: timedelta,
        now: Callable[[], datetime],
    ) -> None:
        self._archive = archive
        self._run_id = run_id
        self._evolution = evolution
        self._expires = expires
        self._now = now

    def reconcile(self) -> None:
        """Settle the order of the last candidate, where a process died between storing the two."""
        candidates = self._archive.run_by_id(self._run_id).candidates
        if not candidates:
            return
        last = self._archive.candidate(self._run_id, candidates - 1)
        if last.ticket is not None and any(order.ticket == last.ticket for order in self._open()):
            self.settle(last.ticket, last.number)

    def expired(self) -> deque[Order]:
        """Open orders whose time is over, the one that has waited longest first."""
        now = self._now()
        over = [order for order in self._open() if order.expires <= now]
        return deque(sorted(over, key=lambda order: (order.expires, order.ticket)))

    def place(self, draft: Draft, asker: str) -> Sheet:
        """Make a draft an order."""
        now = self._now()
        order = Order(
            ticket=self._archive.next_ticket(self._run_id),
            asker=asker,
            parent=draft.selection.parent.number,
            inspirations=tuple(item.number for item in draft.selection.inspirations),
            issued=now,
            expires=now + self._expires,
        )
        self._archive.place_order(self._run_id, order)
        return self._sheet(order, draft.selection)

    def reissue(self, order: Order, asker: str) -> Sheet:
        """Hand an expired order to somebody else; what it says is brought up to date."""
        now = self._now()
        self._archive.reissue_order(self._run_id, order.ticket, asker=asker, issued=now, expires=now + self._expires)
        selection = Selection(
            parent=self._material(order.parent),
            inspirations=tuple(self._material(number) for number in order.inspirations),
        )
        return self._sheet(self._archive.order(self._run_id, order.ticket), selection)

    def settle(self, ticket: int, number: int) -> None:
        """Close an order with the candidate that came of it."""
        self._archive.settle_order(self._run_id, ticket, number)

    def _open(self) -> list[Order]:
        return self._archive.open_orders(self._run_id)

    def _material(self, number: int) -> Material:
        record = self._archive.candidate(self._run_id, number)
        return Material(number=number, source=record.source, title=record.operator)

    def _sheet(self, order: Order, selection: Selection) -> Sheet:
        # Imported here: the templates' engine is not needed by who only hands in.
        from evolve.proposers.llm.prompts import order_text  # noqa: PLC0415

        return Sheet(order=order, prompt=order_text(self._evolution.brief(selection), order.ticket))
