"""How figures and foreign text are written: one place, so that every view agrees.

Whatever a candidate or a model wrote (reasons, notes, logs, source) may hold terminal control sequences,
bidirectional overrides or rich markup. Such text passes through `one_line` or `visible` before it is shown,
and goes to rich only inside ``Text``, which does not interpret markup.
"""

from __future__ import annotations

import io
import math
import re

from rich.console import Console, RenderableType

from evaluators.foreign.claim import CLAIM, is_claim
from evaluators.statistics import Estimate

MISSING = "–"

# Escape sequences of ECMA-48: CSI, the string sequences up to their terminator, then two-character ones.
_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]"
)


class ReportError(RuntimeError):
    """A report cannot be made; the message says what, where and how to mend it."""


def one_line(text: str, limit: int = 200) -> str:
    """Foreign text as one harmless line: controls stripped, blanks collapsed, cut at ``limit`` characters."""
    # Not printable are controls, bidirectional overrides, zero-width characters, surrogates, odd separators.
    # The cut before the scan bounds the work on megabytes of log; escapes only make text shorter.
    spaced = _ESCAPES.sub("", text[: 20 * limit])
    kept = "".join(character if character.isprintable() else " " if character.isspace() else "" for character in spaced)
    line = " ".join(kept.split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def visible(text: str) -> str:
    r"""Foreign text of several lines with every hidden character written out, such as ``\x1b``."""
    lines = text.replace("\r\n", "\n").split("\n")
    return "\n".join("".join(_spell(character) for character in line.expandtabs(4)) for line in lines)


def _spell(character: str) -> str:
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def tag(number: int) -> str:
    """A candidate's number as it is written everywhere, such as ``#0398``."""
    return f"#{number:04d}"


def count(number: int, noun: str = "", plural: str = "") -> str:
    """A count with thousands separators, and its noun in the right number."""
    if not noun:
        return f"{number:,}"
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def points(score: float | None) -> str:
    """A score with one decimal."""
    if score is None:
        return MISSING
    if not math.isfinite(score):
        return "?"
    if abs(score) >= 1e7:
        return f"{score:.3g}"
    return f"{round(score, 1) + 0.0:,.1f}"  # + 0.0 turns -0.0 into 0.0


def signed(score: float | None) -> str:
    """A difference of scores with its sign."""
    text = points(score)
    return f"+{text}" if score is not None and math.isfinite(score) and round(score, 1) > 0 else text


def with_interval(score: float | None, low: float | None, high: float | None, n: int | None = None) -> str:
    """A score and the half-width of its 95 % interval, ``61.3 ± 0.8``; ``± ?`` where it is unknown."""
    if score is None:
        return MISSING
    if low is None or high is None or not is_known(low, high, n):
        return f"{points(score)} ± ?"
    return f"{points(score)} ± {points((high - low) / 2)}"


def is_known(low: float, high: float, n: int | None = None) -> bool:
    """Whether an interval says anything: one without width that rests on one figure (``n``) does not."""
    return math.isfinite(high - low) and not (n == 1 and low == high)


def interval(low: float | None, high: float | None, n: int | None = None) -> str:
    """A 95 % interval in words."""
    if low is None or high is None or not is_known(low, high, n):
        return "interval unknown"
    return f"95 % interval {points(low)} to {points(high)}"


def estimate_text(estimate: Estimate | None) -> str:
    """An estimate as ``61.3 ± 0.8``, half-width of the 95 % interval."""
    return MISSING if estimate is None else with_interval(estimate.mean, estimate.low, estimate.high, estimate.n)


def quantity(value: float, unit: str = "") -> str:
    """A metric with four significant digits and its unit."""
    if not math.isfinite(value):
        figure = "?"
    elif value == int(value) and abs(value) < 1e7:
        figure = f"{int(value):,}"
    else:
        figure = f"{value:.4g}"
    return f"{figure} {unit}" if unit else figure


def duration(seconds: float) -> str:
    """A span of time for a reader: ``3.2s``, ``8m 12s``, ``2h 05m``, ``3d 04h``."""
    if not math.isfinite(seconds):
        return "?"
    seconds = max(seconds, 0.0)
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes == 0:
        return f"{rest}s"
    hours, minutes = divmod(minutes, 60)
    if hours == 0:
        return f"{minutes}m {rest:02d}s"
    days, hours = divmod(hours, 24)
    return f"{days}d {hours:02d}h" if days else f"{hours}h {minutes:02d}m"


def plain_text(renderable: RenderableType, width: int = 80) -> str:
    """A renderable as text without colour or cursor codes, for pipes and files."""
    stream = io.StringIO()
    console = Console(file=stream, width=width, color_system=None, force_terminal=False, legacy_windows=False)
    console.print(renderable, markup=False, highlight=False, emoji=False)
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines()) + "\n"


def scale_text(baseline: str, reference: str, claim: str = "") -> str:
    """What the scale's two ends mean, such as ``0 = deepseek, 100 = greedy on the true next window``.

    Args:
        baseline: the seed whose score is 0.
        reference: what score 100 is.
        claim: see `Declaration.claim`; the scale then is the task's own.
    """
    if claim:
        return f"{one_line(claim)}: points are 100 times it"
    return f"0 = {one_line(baseline)}, 100 = {one_line(reference)}"


def claim_note(problem: str, before: str = ", ") -> str:
    """The mark beside a score that is a task's own claim, by the problem's name; empty where our judge has measured."""
    return f"{before}{CLAIM}" if is_claim(problem) else ""
