"""Orders: requests for candidates that were handed to somebody outside, and the tickets they are known by."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, exists, insert, select, update

from db.parts import Part, no_run, require_candidate, require_run
from db.records import ArchiveError, Order, OrderState
from db.schema import orders, runs


class Orders(Part):
    """The part of an archive that remembers orders; every method may be called from any thread."""

    def next_ticket(self, run_id: int) -> int:
        """A number that no draft or order of the run had before, in this sitting or an earlier one; the first is 1."""
        take = update(runs).where(runs.c.id == run_id).values(tickets=runs.c.tickets + 1).returning(runs.c.tickets)
        with self._store.writing() as connection:
            ticket = connection.scalar(take)
            if ticket is None:
                raise no_run(run_id)
        return int(ticket)

    def place_order(self, run_id: int, order: Order) -> None:
        """Store an order that is handed out.

        Raises:
            ArchiveError: its ticket is taken, it is settled, or a candidate that it shows is unknown.
        """
        if order.state is not OrderState.OPEN or order.number is not None:
            raise ArchiveError(f"order {order.ticket}: it is placed while open; settle it afterwards")
        row = {
            "run_id": run_id,
            "ticket": order.ticket,
            "asker": order.asker,
            "parent": order.parent,
            "inspirations": list(order.inspirations),
            "issued": order.issued,
            "expires": order.expires,
            "times": order.times,
            "state": order.state,
        }
        with self._store.writing() as connection:
            for number in (order.parent, *order.inspirations):
                require_candidate(connection, run_id, number)
            taken = exists().where(orders.c.run_id == run_id, orders.c.ticket == order.ticket)
            if connection.scalar(select(taken)):
                raise ArchiveError(
                    f"run {run_id} has an order {order.ticket} already; take a ticket from next_ticket()"
                )
            connection.execute(insert(orders), row)

    def reissue_order(self, run_id: int, ticket: int, *, asker: str, issued: datetime, expires: datetime) -> None:
        """Hand an open order out once more.

        Raises:
            ArchiveError: there is no such order, or it is settled.
        """
        values = {"asker": asker, "issued": issued, "expires": expires, "times": orders.c.times + 1}
        with self._store.writing() as connection:
            _change_open(connection, run_id, ticket, values)

    def settle_order(self, run_id: int, ticket: int, number: int | None) -> None:
        """Close an order, once, with the candidate that came of it; None where what came was refused.

        Raises:
            ArchiveError: there is no such order or candidate, or the order is settled already.
        """
        with self._store.writing() as connection:
            if number is not None:
                require_candidate(connection, run_id, number)
            _change_open(connection, run_id, ticket, {"state": OrderState.TOLD, "number": number})

    def order(self, run_id: int, ticket: int) -> Order:
        """An order by its ticket.

        Raises:
            ArchiveError: there is no such order.
        """
        with self._store.reading() as connection:
            return _read_order(connection, run_id, ticket)

    def open_orders(self, run_id: int) -> list[Order]:
        """Orders that wait for a candidate, in the order of their tickets."""
        wanted = (orders.c.run_id == run_id, orders.c.state == OrderState.OPEN)
        with self._store.reading() as connection:
            require_run(connection, run_id)
            rows = connection.execute(select(orders).where(*wanted).order_by(orders.c.ticket)).all()
        return [_order(row) for row in rows]


def _change_open(connection: Connection, run_id: int, ticket: int, values: dict[str, Any]) -> None:
    wanted = (orders.c.run_id == run_id, orders.c.ticket == ticket, orders.c.state == OrderState.OPEN)
    if connection.execute(update(orders).where(*wanted).values(values)).rowcount == 1:
        return
    settled = _read_order(connection, run_id, ticket)
    what = "its candidate was refused" if settled.number is None else f"it became candidate {settled.number}"
    raise ArchiveError(f"order {ticket} of run {run_id} is settled already: {what}; ask for a new one")


def _read_order(connection: Connection, run_id: int, ticket: int) -> Order:
    query = select(orders).where(orders.c.run_id == run_id, orders.c.ticket == ticket)
    row = connection.execute(query).one_or_none()
    if row is None:
        require_run(connection, run_id)
        raise ArchiveError(f"run {run_id} has no order {ticket}; take the ticket from the order that was handed out")
    return _order(row)


def _order(row: Row[*tuple[Any, ...]]) -> Order:
    return Order(
        ticket=row.ticket,
        asker=row.asker,
        parent=row.parent,
        inspirations=tuple(row.inspirations),
        issued=row.issued,
        expires=row.expires,
        times=row.times,
        state=row.state,
        number=row.number,
    )
