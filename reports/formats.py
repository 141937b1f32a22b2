"""Listings in four formats: a table for readers, JSON and CSV for programs, Markdown for documents."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, StrEnum

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from reports.text import MISSING, count, one_line, quantity

Row = Mapping[str, object]
_GAP = 2  # blanks between two columns


class Format(StrEnum):
    """How a listing is written."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    MARKDOWN = "markdown"


def show_value(value: object) -> str:
    """A value of any kind for a reader; foreign text is made harmless."""
    if value is None:
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return count(value)
    if isinstance(value, float):
        return quantity(value)
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M")
    if isinstance(value, list | tuple):
        return " ".join(show_value(item) for item in value)
    return one_line(str(value))


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a listing.

    Args:
        title: head of the column.
        path: keys that lead to the value inside a row; empty for a column made of the whole row, which CSV
            omits.
        unit: unit of the figures, written below the title.
        show: how a reader sees the value; JSON and CSV keep it in full precision.
        fields: where the value is a mapping, the keys that get a CSV column each.
        numeric: right-aligned.
        priority: on a narrow terminal the columns of the highest priority number go first; 0 always stays.
        flexible: free text, which may be cut rather than push other columns out.
    """

    title: str
    path: tuple[str, ...]
    unit: str = ""
    show: Callable[[object], str] = field(default=show_value, repr=False)
    fields: tuple[str, ...] = ()
    numeric: bool = True
    priority: int = 0
    flexible: bool = False

    def value(self, row: Row) -> object:
        """This column's value in a row, None where the row has none."""
        return _lookup(row, self.path)

    @property
    def heading(self) -> str:
        """Title and unit on two lines."""
        return f"{self.title}\n({self.unit})" if self.unit else self.title


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A table that leaves out its least important columns where the terminal is narrow.

    Args:
        rows: as for `render`.
        columns: as for `render`.
        empty: what to say without rows.
        name_hidden: say below the table which columns were left out.
    """

    rows: Sequence[Row]
    columns: Sequence[Column]
    empty: str = "nothing to list"
    name_hidden: bool = True

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw for the width at hand."""
        if not self.rows:
            yield Text(self.empty)
            return
        cells = {column.path: [column.show(column.value(row)) for row in self.rows] for column in self.columns}
        kept = _fitting(self.columns, cells, options.max_width)
        shares = _shares(kept, cells, options.max_width)
        table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
        for column in kept:
            table.add_column(
                Text(column.heading, style="bold"),
                justify="right" if column.numeric else "left",
                no_wrap=True,
                overflow="ellipsis",
                # Free text gives way first; else rich would cut names and figures too.
                max_width=shares.get(column.path),
            )
        for index in range(len(self.rows)):
            table.add_row(*(Text(cells[column.path][index]) for column in kept))
        yield table
        hidden = [column.title for column in self.columns if column not in kept]
        if hidden and self.name_hidden:
            yield Text(f"left out for want of width: {', '.join(hidden)} (--format json has all)", style="dim")


def _fitting(columns: Sequence[Column], cells: Mapping[tuple[str, ...], Sequence[str]], width: int) -> Sequence[Column]:
    def needed(column: Column) -> int:
        widest = _width(column, cells)
        return min(widest, 24) if column.flexible else widest

    kept = list(columns)
    while sum(needed(column) + _GAP for column in kept) > width + _GAP:
        optional = [column for column in kept if column.priority > 0]
        if not optional:
            break
        # Of equals the rightmost goes first.
        kept.remove(max(reversed(optional), key=lambda column: column.priority))
    return kept


def _shares(
    kept: Sequence[Column], cells: Mapping[tuple[str, ...], Sequence[str]], width: int
) -> dict[tuple[str, ...], int]:
    """Widths of the columns of free text: what the others leave, in equal parts but for those that need less."""
    flexible = sorted((column for column in kept if column.flexible), key=lambda column: _width(column, cells))
    room = width + _GAP - sum((0 if column.flexible else _width(column, cells)) + _GAP for column in kept)
    shares: dict[tuple[str, ...], int] = {}
    for left, column in zip(range(len(flexible), 0, -1), flexible, strict=True):
        shares[column.path] = max(8, min(_width(column, cells), room // left))
        room -= shares[column.path]
    return shares


def _width(column: Column, cells: Mapping[tuple[str, ...], Sequence[str]]) -> int:
    return max(cell_len(text) for text in [*column.heading.split("\n"), *cells[column.path]])


def render(
    rows: Sequence[Row], columns: Sequence[Column], fmt: Format | str, *, empty: str = "nothing to list"
) -> Listing | str:
    """Write a listing.

    Args:
        rows: one mapping a row, in full precision; JSON writes them whole.
        columns: what the other formats show, and how.
        fmt: table, json, csv or markdown.
        empty: what a table without rows says instead.

    Returns:
        For a table, a renderable that fits itself to the console's width; else finished text, to be written
        as it is.

    Raises:
        ValueError: an unknown format.
    """
    match Format(fmt):
        case Format.TABLE:
            return Listing(rows=rows, columns=columns, empty=empty)
        case Format.JSON:
            return to_json(rows)
        case Format.CSV:
            return _csv(rows, columns)
        case Format.MARKDOWN:
            return _markdown(rows, columns)


def to_json(value: object, indent: int | None = 2) -> str:
    """JSON in full precision, in ASCII (no terminal can be harmed), with null for what is not finite."""
    return json.dumps(plain(value), indent=indent, allow_nan=False, ensure_ascii=True)


def plain(value: object) -> object:
    """A value as JSON knows it: enums and dates as text, tuples as lists, null for infinities."""
    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(plain(key)): plain(item) for key, item in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        return [plain(item) for item in value]
    return value


def _lookup(row: Row, path: tuple[str, ...]) -> object:
    found: object = row
    for key in path:
        if not isinstance(found, Mapping):
            return None
        found = found.get(key)
    return found


def _csv(rows: Sequence[Row], columns: Sequence[Column]) -> str:
    paths = [
        path
        for column in columns
        if column.path
        for path in ([(*column.path, key) for key in column.fields] or [column.path])
    ]
    unique = list(dict.fromkeys(paths))
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([".".join(path) for path in unique])
    for row in rows:
        writer.writerow([_csv_cell(plain(_lookup(row, path))) for path in unique])
    return stream.getvalue()


def _csv_cell(value: object) -> object:
    if isinstance(value, list):
        return " ".join(str(_csv_cell(item)) for item in value)
    return one_line(value, limit=2000) if isinstance(value, str) else value


def _markdown(rows: Sequence[Row], columns: Sequence[Column]) -> str:
    lines = [
        _markdown_row([column.heading.replace("\n", " ") for column in columns]),
        "|" + "|".join(" ---: " if column.numeric else " --- " for column in columns) + "|",
    ]
    lines += [_markdown_row([column.show(column.value(row)) for column in columns]) for row in rows]
    return "\n".join(lines) + "\n"


def _markdown_row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(escaped(cell) for cell in cells) + " |"


def escaped(text: str) -> str:
    """Foreign text as one line of Markdown that shows it literally."""
    line = one_line(text).replace("&", "&amp;").replace("<", "&lt;")
    return re.sub(r"([\\|`*_\[\]])", r"\\\1", line)
