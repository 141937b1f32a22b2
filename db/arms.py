"""Arms of a search: what its bandit knows of each, as far as a reader wants to see it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, and_, bindparam, insert, select, update

from db.columns import storable
from db.parts import Part, check_amounts, require_run
from db.records import ArchiveError, ArmKey, ArmRecord
from db.schema import arms

_KEY = (arms.c.proposer, arms.c.operator, arms.c.model, arms.c.selector)
_COUNTS = ("pulls", "in_flight", "candidates", "ok", "improved", "tokens")
_FIGURES = ("weight", "reward", "cost", "seconds", "usd", "index")
_ADD_ARM = insert(arms)
_CHANGE_ARM = (
    update(arms)
    .where(arms.c.run_id == bindparam("run"), and_(*(column == bindparam(f"of_{column.name}") for column in _KEY)))
    .values({name: bindparam(f"new_{name}") for name in (*_COUNTS, *_FIGURES)})
)


class Arms(Part):
    """The part of an archive that remembers arms; every method may be called from any thread."""

    def save_arms(self, run_id: int, records: Sequence[ArmRecord]) -> None:
        """Store what is known of some arms of a run, in place of what was known; the others stay.

        Raises:
            ArchiveError: there is no such run, an arm is named twice, or a figure is none.
        """
        rows = {_key(record): _values(record) for record in records}
        if len(rows) < len(records):
            raise ArchiveError(f"{len(records)} arms to store, of which only {len(rows)} differ; store each once")
        with self._store.writing() as connection:
            require_run(connection, run_id)
            known = {tuple(row) for row in connection.execute(select(*_KEY).where(arms.c.run_id == run_id))}
            changed = [
                {
                    "run": run_id,
                    **{f"of_{column.name}": part for column, part in zip(_KEY, key, strict=True)},
                    **{f"new_{name}": value for name, value in values.items()},
                }
                for key, values in rows.items()
                if key in known
            ]
            new = [
                {"run_id": run_id, **{column.name: part for column, part in zip(_KEY, key, strict=True)}, **values}
                for key, values in rows.items()
                if key not in known
            ]
            if changed:
                connection.execute(_CHANGE_ARM, changed)
            if new:
                connection.execute(_ADD_ARM, new)

    def arms(self, run_id: int) -> tuple[ArmRecord, ...]:
        """Every arm of a run, the most pulled first.

        Raises:
            ArchiveError: there is no such run.
        """
        with self._store.reading() as connection:
            require_run(connection, run_id)
            rows = connection.execute(select(arms).where(arms.c.run_id == run_id)).all()
        records = [_record(row) for row in rows]
        return tuple(sorted(records, key=lambda record: (-record.pulls, record.arm)))


def _key(record: ArmRecord) -> ArmKey:
    proposer, operator, model, selector = record.arm
    return storable(proposer), storable(operator), storable(model), storable(selector)


def _values(record: ArmRecord) -> dict[str, Any]:
    what = f"arm {record.name}"
    check_amounts(what, record.usd, {"tokens": record.tokens})
    counts = {name: getattr(record, name) for name in _COUNTS}
    figures = {name: float(getattr(record, name)) for name in _FIGURES}
    for name, value in {**counts, **figures}.items():
        if math.isnan(value) if name == "index" else not 0 <= value < math.inf:
            raise ArchiveError(f"{what}: {name} is {value}; a bandit counts finite amounts from 0 on")
    return {**counts, **figures}


def _record(row: Row[*tuple[Any, ...]]) -> ArmRecord:
    return ArmRecord(
        arm=(row.proposer, row.operator, row.model, row.selector),
        **{name: row._mapping[name] for name in (*_COUNTS, *_FIGURES)},
    )
