"""The arms of a search: what was pulled, what came of it and what it took; and what racing spared."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.text import Text

from db.records import ArmRecord, RunRecord
from reports.formats import Column, Format, Listing, Row, render
from reports.text import MISSING, count, duration, one_line

EMPTY = "no arm was pulled: one proposer makes every candidate, or the search has not begun"
_IN_VIEW = 6
_HEAD_LINES = 4  # a blank one, two of titles and units, a rule
_NAMED = 3
_A_FAIR_TRY = 5  # pulls after which it says something that an arm improved on nobody


def arm_rows(records: Sequence[ArmRecord]) -> list[Row]:
    """The arms' rows in full precision; shares are 0 to 1, None where nothing was judged."""
    return [
        {
            "arm": record.name,
            **dict(zip(("proposer", "operator", "model", "selector"), record.arm, strict=True)),
            "pulls": record.pulls,
            "in_flight": record.in_flight,
            "candidates": record.candidates,
            "ok": record.ok,
            "ok_share": _share(record.ok, record.candidates),
            "improved": record.improved,
            "improved_share": _share(record.improved, record.candidates),
            "weight": record.weight,
            "reward": record.reward if record.candidates else None,
            "cost": record.cost,
            "seconds": record.seconds,
            "tokens": record.tokens,
            "usd": record.usd,
            "index": record.index,
        }
        for record in records
    ]


def arm_columns(records: Sequence[ArmRecord]) -> list[Column]:
    """The arms' columns; ok and improved are shares of those judged, models show only where one was asked."""
    return [
        Column(title="arm", path=("arm",), numeric=False, flexible=True),
        Column(title="pulls", path=("pulls",)),
        Column(title="in flight", path=("in_flight",), priority=4),
        Column(title="judged", path=("candidates",), priority=6),
        Column(title="ok", path=("ok_share",), unit="%", show=_percent, priority=3),
        Column(title="improved", path=("improved_share",), unit="%", show=_percent),
        Column(title="reward", path=("reward",), unit="0–1", show=_decimals, priority=1),
        Column(title="a pull takes", path=("cost",), unit="% of budget", show=_fine_percent, priority=2),
        Column(title="judging", path=("seconds",), show=_duration, priority=5),
        *([Column(title="tokens", path=("tokens",), priority=5)] if any(record.tokens for record in records) else []),
        *(
            [Column(title="spent", path=("usd",), unit="USD", show=_dollars, priority=4)]
            if any(record.usd for record in records)
            else []
        ),
        Column(title="index", path=("index",), show=_decimals, priority=3),
    ]


def arms_table(records: Sequence[ArmRecord], fmt: Format | str = Format.TABLE) -> Listing | str:
    """Every arm, in the order given (`Archive.arms`: the most pulled first).

    Returns:
        A renderable for a table; finished text for the other formats.
    """
    return render(arm_rows(records), arm_columns(records), fmt, empty=EMPTY)


@dataclass(frozen=True, slots=True, kw_only=True)
class WithArms:
    """A view, and below it the most pulled arms, one line each, as far as the terminal is high enough.

    Args:
        view: what is shown in any case.
        records: the arms, the most pulled first.
        margin: lines of the terminal that something else needs.
    """

    view: RenderableType
    records: Sequence[ArmRecord]
    margin: int = 0

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw for the height at hand."""
        lines = console.render_lines(self.view, options.update(height=None), pad=False)
        room = options.size.height - self.margin - len(lines) - _HEAD_LINES
        if len(self.records) > min(_IN_VIEW, room):
            room -= 1  # for the line that counts the others
        shown = self.records[: max(0, min(_IN_VIEW, room))]
        left = len(self.records) - len(shown)
        yield self.view
        if shown:
            yield Text("")
            yield Listing(rows=arm_rows(shown), columns=arm_columns(shown), name_hidden=False)
            if left:
                yield Text(f"and {count(left, 'arm')} less pulled", style="dim")


def arms_earned(records: Sequence[ArmRecord]) -> str:
    """Which arms earned their pulls and which did not, in two lines at most; empty where that cannot be told."""
    good = sorted((one for one in records if one.improved), key=lambda one: (-one.improved, one.pulls, one.arm))
    idle = sorted(
        (one for one in records if not one.improved and one.pulls - one.in_flight >= _A_FAIR_TRY),
        key=lambda one: (-one.pulls, one.arm),
    )
    lines = []
    if good:
        named = "; ".join(
            f"{_name(record)} {count(record.improved)} of {count(record.pulls, 'pull')}" for record in good[:_NAMED]
        )
        lines.append(f"earned their pulls, lower bound above the parent's: {named}{_more(good)}")
    if idle:
        named = "; ".join(f"{_name(record)} 0 of {count(record.pulls)}" for record in idle[:_NAMED])
        lines.append(f"improved on nobody: {named}{_more(idle)}")
    return "\n".join(lines)


def spared_text(run: RunRecord) -> str:
    """What racing spared of a search without its final measurement, in one line; empty where it spared nothing."""
    if not run.spared_workloads:
        return ""
    whole = count(run.played_workloads + run.spared_workloads, "workload")
    head = f"racing spared {count(run.spared_workloads)} of {whole}"
    share = _share(run.spared_seconds, run.played_seconds + run.spared_seconds)
    return head if not share else f"{head}, about {duration(run.spared_seconds)} of judging ({100 * share:.0f} %)"


def effort_text(run: RunRecord, records: Sequence[ArmRecord]) -> str:
    """How a search spent its budget: which arms earned their pulls, what racing spared; empty without either."""
    return "\n".join(text for text in (arms_earned(records), spared_text(run)) if text)


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _name(record: ArmRecord) -> str:
    return one_line(record.name, limit=60)


def _more(records: Sequence[ArmRecord]) -> str:
    return f"; {count(len(records) - _NAMED)} more" if len(records) > _NAMED else ""


def _percent(value: object) -> str:
    return f"{100 * value:.0f}" if isinstance(value, float) else MISSING


def _fine_percent(value: object) -> str:
    return f"{100 * value:.2g}" if isinstance(value, float) else MISSING


def _decimals(value: object) -> str:
    if not isinstance(value, float):
        return MISSING
    return f"{value:.3f}" if math.isfinite(value) else "∞" if value > 0 else "-∞"


def _duration(value: object) -> str:
    return duration(value) if isinstance(value, float) else MISSING


def _dollars(value: object) -> str:
    return f"{value:,.2f}" if isinstance(value, float) else MISSING
