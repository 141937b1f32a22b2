"""Column types that store a value exactly, whatever the database does by default."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeVar

from sqlalchemy import DateTime, Dialect, Double, String, Text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.types import TypeDecorator

S = TypeVar("S", bound=StrEnum)

# Rows of these tables lie in the order of their primary key: one tree to write instead of two, and a
# candidate's rows are neighbours. Only SQLite reads this option; other databases ignore it.
CLUSTERED: dict[str, Any] = {"sqlite_with_rowid": False}


class Exact(Double[float]):
    """A 64-bit float that comes back bit for bit.

    SQLite stores whole numbers of a REAL column as integers to save space, and minus zero becomes zero.
    A declared type that contains "BLOB" turns that conversion off (SQLite, "Datatypes", section 3.1).
    """


@compiles(Exact, "sqlite")
def _exact_in_sqlite(_element: Exact, _compiler: object, **_options: object) -> str:
    return "DOUBLE_BLOB"


def storable(text: str) -> str:
    """A text as `GuestText` stores it; what is storable already stays as it is."""
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode("utf-8")


class GuestText(TypeDecorator[str]):
    """Text that a program or a model wrote.

    Lone surrogates are no UTF-8 and NUL is no text in PostgreSQL; either could come from a hostile program
    and must not stop a run, so they are stored as the escapes that Python would print.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, _dialect: Dialect) -> str | None:
        """Escape what no database stores."""
        return None if value is None else storable(value)


class State(TypeDecorator[S]):
    """A member of a ``StrEnum``, stored as its value."""

    impl = String
    cache_ok = True

    def __init__(self, states: type[S]) -> None:
        super().__init__(16)
        self.states = states

    def process_bind_param(self, value: S | None, _dialect: Dialect) -> str | None:
        """Take only members: a plain string would pass unchecked."""
        return None if value is None else self.states(value).value

    def process_result_value(self, value: Any | None, _dialect: Dialect) -> S | None:
        """Read the member back."""
        return None if value is None else self.states(value)


class UtcDateTime(TypeDecorator[datetime]):
    """A moment with its time zone, stored and read back as UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """Turn into UTC; SQLite has no time zones and keeps the digits only."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value} has no time zone; the archive's clock must return aware datetimes")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """Read back as UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
