"""Tables in GitHub Markdown, numbers in words, and targets."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

Raw = Mapping[str, Any]

CELL_CHARACTERS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A figure that was aimed at.

    Args:
        text: what.
        figure: what came.
        met: whether it was reached; None where it could not be told.
    """

    text: str
    figure: str
    met: bool | None

    @property
    def verdict(self) -> str:
        """In a word."""
        return {True: "met", False: "**missed**", None: "not measured"}[self.met]


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """What one step has to show."""

    title: str
    text: str
    targets: tuple[Target, ...]


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table; columns whose heading begins with ``<`` are aligned to the left."""
    lines = ["| " + " | ".join(name.lstrip("<") for name in head) + " |"]
    lines.append("|" + "|".join("---" if name.startswith("<") else "---:" for name in head) + "|")
    lines += ["| " + " | ".join(cell(value) for value in row) + " |" for row in rows]
    return "\n".join(lines)


def cell(value: object) -> str:
    """A value in a cell: one line, no pipes."""
    if value is None:
        return "–"
    text = " ".join(str(value).split()).replace("|", "\\|")
    return text if len(text) <= CELL_CHARACTERS else text[: CELL_CHARACTERS - 1] + "…"


def number(value: float | None, digits: int = 3) -> str:
    """So many significant digits, never as a power of ten below a million."""
    if value is None or not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    places = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:.{min(places, 6)}f}"


def interval(row: Mapping[str, Any], digits: int = 3) -> str:
    """A ratio with its 95 % interval."""
    middle = row["ratio"] if "ratio" in row else row["speedup"] if "speedup" in row else row["mean"]
    return f"{middle:.{digits}f} ({row['low']:.{digits}f} to {row['high']:.{digits}f})"


def percent(value: float | None, digits: int = 1) -> str:
    """A share in percent."""
    return "–" if value is None else f"{100 * value:.{digits}f} %"


def geometric(values: Sequence[float]) -> float:
    """Geometric mean."""
    return math.exp(fmean(map(math.log, values)))
