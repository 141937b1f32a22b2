"""What the parts of an archive share: the file, the clock, amounts, how a missing run or candidate is named."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import datetime

from sqlalchemy import Connection, exists, select

from db.records import ArchiveError
from db.schema import candidates, runs
from db.store import Store


class Part:
    """Some of an archive's methods, on the file and by the clock that all of them share."""

    def __init__(self, store: Store, now: Callable[[], datetime]) -> None:
        self._store = store
        self._now = now


def check_amounts(what: str, cost: float | None, tokens: Mapping[str, int]) -> None:
    """Refuse what cannot be charged: fewer than no tokens, a cost that is no amount."""
    for name, count in tokens.items():
        if count < 0:
            raise ArchiveError(f"{what}: {name} is {count}; tokens are counted from 0")
    if cost is not None and not 0.0 <= cost < math.inf:
        raise ArchiveError(f"{what}: a cost of {cost} US dollars; give a finite amount, or None for an unknown price")


def no_run(run_id: int) -> ArchiveError:
    """The error that says that there is no such run."""
    return ArchiveError(f"no run with id {run_id} in this archive; take the id from create_run() or run()")


def require_run(connection: Connection, run_id: int) -> None:
    """Refuse an unknown run."""
    if not connection.scalar(select(exists().where(runs.c.id == run_id))):
        raise no_run(run_id)


def require_candidate(connection: Connection, run_id: int, number: int) -> None:
    """Refuse an unknown candidate."""
    wanted = exists().where(candidates.c.run_id == run_id, candidates.c.number == number)
    if connection.scalar(select(wanted)):
        return
    held = connection.scalar(select(runs.c.candidates).where(runs.c.id == run_id))
    if held is None:
        raise no_run(run_id)
    span = f"it holds 0 to {held - 1}" if held else "it holds none yet"
    raise ArchiveError(f"run {run_id} has no candidate {number}; {span}")
