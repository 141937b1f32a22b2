"""How foreign text and figures enter a prompt: each filter gives `Clean` text, and nothing else may be printed.

Programs, notes, reasons and logs come from candidates and models, and may be hostile. They stand in one of three
forms that they cannot leave: a code fence longer than any run of backticks inside it, lines that all begin with a
bar, or double quotes on one line. Control characters, escape sequences and lone surrogates are removed or written
out, and the marks by which chat templates part one speaker from the other are broken.
"""

from __future__ import annotations

import re

from evaluators.model import Metric, Outcome
from evaluators.statistics import Estimate
from reports import text

LINE_LIMIT = 200
"""Characters of a line that is quoted."""

# Chat templates of common models; a server may read such a mark as the end of our message even inside it. A blank
# after the first character breaks the mark, and where it was code by chance (``a[INST]``) the meaning stays.
_SPEAKER_MARKS = re.compile(
    r"[<\[]"
    r"(?=[|｜]"
    r"|/?(?:s|bos|eos|pad|unk|start_of_turn|end_of_turn|think|tool_call|tool_response|role|sop|eop)>"
    r"|<SYS>|</SYS>|/?(?:INST|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|SYSTEM_PROMPT)\]"
    # Letter by letter, for programs have ``[args]``: Mistral, GLM.
    r"|(?-i:/?(?:THINK|MODEL_SETTINGS|ARGS|CALL_ID|TOOL_CONTENT|gMASK|sMASK)\])"
    r"|(?:extra_id|SPECIAL)_\d{1,6}>"  # Nemotron
    r"|e~\[)"  # MiniMax, as the next line
    r"|\](?=~!?b[\[\]]|<\])",
    re.IGNORECASE,
)
_BACKTICKS = re.compile(r"`+")


class Clean(str):
    """Text that may stand in a prompt."""

    __slots__ = ()


def trusted(value: str) -> Clean:
    """Text of ours over several lines, such as a statement: Markdown as it is, hidden characters written out."""
    return Clean(_written_out(value).strip("\n"))


def line(value: str, limit: int = LINE_LIMIT) -> Clean:
    """Text of ours as one line, such as the name of a metric."""
    return Clean(_unmarked(text.one_line(value, limit)))


def code(value: str) -> Clean:
    """A name of ours in code style."""
    return Clean(f"`{line(value).replace('`', '')}`")


def codes(values: tuple[str, ...]) -> Clean:
    """Several names in code style."""
    return Clean(", ".join(code(value) for value in values))


def quoted(value: str, limit: int = LINE_LIMIT) -> Clean:
    """Foreign text on one line, in double quotes that it cannot close."""
    harmless = line(value, limit).replace('"', "'").replace("`", "'")
    return Clean(f'"{harmless}"')


def barred(value: str, lines: int = 20, limit: int = LINE_LIMIT) -> Clean:
    """The first lines of foreign text, each behind a bar, so that none of them can begin a fence or a heading.

    Args:
        value: the text.
        lines: how many lines to keep.
        limit: characters of each.
    """
    kept = value[: 2 * lines * limit].strip("\n").splitlines()[:lines]
    return Clean("\n".join(_barred_line(each, limit) for each in kept))


def barred_tail(value: str, lines: int = 20, limit: int = LINE_LIMIT) -> Clean:
    """The last lines of foreign text, as `barred` shows the first."""
    kept = value[-2 * lines * limit :].strip("\n").splitlines()[-lines:]
    return Clean("\n".join(_barred_line(each, limit) for each in kept))


def program(source: str) -> Clean:
    """A whole program in a fence that is longer than any run of backticks in it; never shortened."""
    body = _unmarked(_written_out(source)).rstrip("\n")
    fence = "`" * max(3, 1 + max((len(run) for run in _BACKTICKS.findall(body)), default=0))
    return Clean(f"{fence}python\n{body}\n{fence}")


def line_count(source: str) -> int:
    """How many lines a program has, as `program` shows it."""
    return len(_written_out(source).rstrip("\n").split("\n"))


def points(score: float) -> Clean:
    """A score with its unit."""
    return Clean(f"{text.points(score)} points")


def difference(score: float) -> Clean:
    """A difference of scores with sign and unit."""
    return Clean(f"{text.signed(score)} points")


def estimate(value: Estimate | None) -> Clean:
    """A score with its 95 % interval."""
    if value is None:
        return Clean("not measured yet")
    return Clean(f"{points(value.mean)} ({_interval(value)})")


def lead(value: Estimate) -> Clean:
    """A difference of scores with its 95 % interval, and whether that makes it noise."""
    shown = text.is_known(value.low, value.high, value.n) and (value.low > 0 or value.high < 0)
    verdict = "" if shown else ", so it may be noise"
    return Clean(f"{difference(value.mean)} ({_interval(value)}{verdict})")


def quantity(value: float, metric: Metric) -> Clean:
    """A metric's name, value and unit."""
    return Clean(f"{code(metric.name)} {text.quantity(value, line(metric.unit))}")


def direction(metric: Metric) -> Clean:
    """Which way a metric should go."""
    return Clean("higher is better" if metric.higher_is_better else "lower is better")


def outcome(value: Outcome) -> Clean:
    """What came of an evaluation, in words."""
    return Clean(value.value.replace("_", " "))


def tag(number: int) -> Clean:
    """A program's number."""
    return Clean(text.tag(number))


def count(number: int, noun: str, plural: str = "") -> Clean:
    """A count and its noun."""
    return Clean(text.count(number, noun, plural))


FILTERS = (
    trusted, line, code, codes, quoted, barred, barred_tail, program, line_count, points, difference,
    estimate, lead, quantity, direction, outcome, tag, count,
)  # fmt: skip


def _interval(value: Estimate) -> str:
    return text.interval(value.low, value.high, value.n)


def _unmarked(value: str) -> str:
    return _SPEAKER_MARKS.sub(r"\g<0> ", value)


def _written_out(value: str) -> str:
    # Tabs stay: who edits a program copies its lines exactly. Most text needs nothing else, and the scan is slow.
    value = value.replace("\r\n", "\n")
    if value.replace("\n", "").replace("\t", "").isprintable():
        return value
    return "\t".join(text.visible(part) for part in value.split("\t"))


def _barred_line(value: str, limit: int) -> str:
    indent = min(len(value) - len(value.lstrip(" ")), 16)
    return f"| {' ' * indent}{line(value, limit)}".rstrip()
