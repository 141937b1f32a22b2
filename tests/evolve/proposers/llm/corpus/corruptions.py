"""Twenty scripted ways in which an answer of a model is spoilt on its way, for the exam of the answer parser.

Each is a pure function of the answer and a random generator. A *harmless* one leaves beyond doubt which program is
meant, so the expected program stays the same; after a *harmful* one any program or a refusal is right, but never a
crash.
An answer that gives a corruption no grip (no fence, no marker, no SEARCH block, ...) comes back unchanged.
Answers are expected with ``\\n`` line ends.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from random import Random
from typing import NamedTuple


class Corruption(NamedTuple):
    """One way to spoil an answer; ``harmless`` tells whether its meaning survives beyond doubt."""

    function: Callable[[str, Random], str]
    meaning: str
    harmless: bool


class Fence(NamedTuple):
    """Line numbers of a fence's first and last line, counted from 0."""

    opened: int
    closed: int


HEAD = re.compile(r"\s*<{5,9}\s*(SEARCH|ORIGINAL)\s*")
DIVIDER = re.compile(r"\s*={5,9}\s*")
TAIL = re.compile(r"\s*>{5,9}\s*(REPLACE|UPDATED)\s*")
FENCE = re.compile(r"\s*(`{3,}|~{3,})([\w+-]*)\s*")
STRUCTURE = re.compile(r"</?[\w ]+>.*|(\*\*\*|---|\+\+\+|@@)( .*|\Z)|[\[\]{},]+")
CODE_START = re.compile(r'import |from |def |class |"""|[#<{@*`~\-]|diff --git|python\Z')
OLD_TEXT = re.compile(r'"(?:old_str|old_string|search)": "((?:[^"\\]|\\.)*)"')
WORD = re.compile(r"(?<!\\)\b[A-Za-z_]{4,}\b")
CODE_LINE = re.compile(r".*[=(\[:].*[\w)\]]")

LANGUAGES = ("python", "py", "python3", "diff", "json", "javascript", "")
OTHER_LANGUAGES = ("text", "plaintext", "code", "Py", "ini", "")
BEFORE = (
    "Sure! I have studied the program and its scores. Here is what I suggest.",
    "Thank you for the detailed feedback.\n\nThe weak spot is easy to see once the workloads are looked at one by one.",
    "**Summary:** a small, safe step; nothing was run, so please measure it.",
)
AFTER = (
    "Let me know if you would like me to try something bolder!",
    "I expect a gain of one to three points; the variance between workloads is the larger risk.",
    "---\n\nThis keeps the interface as it was.",
)
THOUGHTS = (
    "Okay, the user wants a better program. Let me read it again.\n\nThe loop is fine. The constants may not be.",
    "First idea:\n\n```python\nfor i in range(10):\n    total = total + weights[i]\n```\n\nNo, there is no such loop.",
    "What about this?\n\n<<<<<<< SEARCH\n    total = total + weights[i]\n=======\n    total += weights[i]\n"
    ">>>>>>> REPLACE\n\nThat line is not in the program at all. I have to be careful to copy lines that are.",
)
STRANGE_WORDS = ("ledger", "tallies", "gauge_mark", "sum_of_parts")


def fences(lines: list[str]) -> list[Fence]:
    """Find closed fences: a shorter fence within a longer one is text, as in Markdown."""
    found = []
    opened, mark = -1, ""
    for number, line in enumerate(lines):
        match = FENCE.fullmatch(line)
        if match is None:
            continue
        if opened < 0:
            opened, mark = number, match[1]
        elif match[1].startswith(mark) and not match[2]:
            found.append(Fence(opened, number))
            opened = -1
    return found


def search_parts(lines: list[str]) -> list[range]:
    """Line numbers between the head and the divider of every SEARCH/REPLACE block."""
    parts = []
    head = -1
    for number, line in enumerate(lines):
        if HEAD.fullmatch(line):
            head = number
        elif head >= 0 and DIVIDER.fullmatch(line):
            parts.append(range(head + 1, number))
            head = -1
    return parts


def is_diff(lines: list[str]) -> bool:
    """Whether an answer holds a unified diff or a patch, whose lines carry one character in front."""
    return any(line.startswith("@@") for line in lines)


# Harmless


def crlf(text: str, rng: Random) -> str:
    """End all lines as Windows does."""
    return text.replace("\n", "\r\n")


def trailing_spaces(text: str, rng: Random) -> str:
    """Add blank space to the ends of about half of the lines."""
    lines = text.split("\n")
    full = [number for number, line in enumerate(lines) if line.strip() and not line.endswith("\\")]
    for number in rng.sample(full, (len(full) + 1) // 2):
        lines[number] += rng.choice((" ", "  ", "    ", "\t"))
    return "\n".join(lines)


def fence_language(text: str, rng: Random) -> str:
    """Give another language, or none, to all fences around code or data."""
    lines = text.split("\n")
    for fence in fences(lines):
        match = FENCE.fullmatch(lines[fence.opened])
        if match and match[2].lower() in LANGUAGES:
            others = [language for language in OTHER_LANGUAGES if language != match[2]]
            lines[fence.opened] = lines[fence.opened][: match.end(1)] + rng.choice(others)
    return "\n".join(lines)


def prose_around(text: str, rng: Random) -> str:
    """Put a paragraph before and one after."""
    return f"{rng.choice(BEFORE)}\n\n{text}\n{rng.choice(AFTER)}\n"


def think_before(text: str, rng: Random) -> str:
    """Put a think section before, perhaps with a draft that fits no program."""
    return f"<think>\n{rng.choice(THOUGHTS)}\n</think>\n\n{text}"


def answer_twice(text: str, rng: Random) -> str:
    """Say everything twice."""
    between = rng.choice(("Final answer:", "To repeat the answer in full:", "**Answer**"))
    return f"{text}\n{between}\n\n{text}"


def tabs(text: str, rng: Random) -> str:
    """Turn leading groups of four spaces into tabs, in diffs behind the first character."""
    lines = text.split("\n")
    diff = is_diff(lines)
    for number, line in enumerate(lines):
        match = re.match(r"([+-]?)( +)", line)
        if match is None:
            continue
        width = len(match[2])
        if width % 4 == 0:
            lines[number] = match[1] + "\t" * (width // 4) + line[match.end() :]
        elif diff and not match[1] and width % 4 == 1:
            lines[number] = " " + "\t" * (width // 4) + line[match.end() :]
    return "\n".join(lines)


def nbsp_in_prose(text: str, rng: Random) -> str:
    """Turn about a third of the spaces of the opening prose into non-breaking ones."""
    lines = text.split("\n")
    for number, line in enumerate(lines):
        if CODE_START.match(line.strip()):
            break
        words = line.split(" ")
        joints = ["\u00a0" if rng.random() < 0.35 else " " for _ in words[1:]]
        lines[number] = words[0] + "".join(joint + word for joint, word in zip(joints, words[1:], strict=True))
    return "\n".join(lines)


def bom(text: str, rng: Random) -> str:
    """Put a byte order mark before the first character."""
    return "\ufeff" + text


def closing_fence_dropped(text: str, rng: Random) -> str:
    """Cut just before the last closing fence, where nothing but prose or closing tags comes after it."""
    lines = text.split("\n")
    found = fences(lines)
    if not found:
        return text
    rest = lines[found[-1].closed + 1 :]
    if any(HEAD.fullmatch(line) or line.startswith(("@@", "{", "<CODE", "<DIFF")) for line in rest):
        return text
    return "\n".join(lines[: found[-1].closed])


def search_blank_line(text: str, rng: Random) -> str:
    """Add a blank line within one SEARCH part of two lines or more, or take one away."""
    lines = text.split("\n")
    parts = [part for part in search_parts(lines) if len(part) > 1]
    if not parts:
        return text
    part = rng.choice(parts)
    blank = [number for number in part[1:-1] if not lines[number].strip()]
    if blank and rng.random() < 0.5:
        del lines[rng.choice(blank)]
    else:
        lines.insert(rng.choice(part[1:]), "")
    return "\n".join(lines)


def marker_lengths(text: str, rng: Random) -> str:
    """Make about half of the marker lines of SEARCH/REPLACE blocks one character longer or shorter."""
    lines = text.split("\n")
    marks = [n for n, line in enumerate(lines) if any(mark.fullmatch(line) for mark in (HEAD, DIVIDER, TAIL))]
    for number in rng.sample(marks, (len(marks) + 1) // 2):
        sign = lines[number].strip()[0]
        old = sign * lines[number].count(sign)
        lines[number] = lines[number].replace(old, sign * (len(old) + rng.choice((1, -1))))
    return "\n".join(lines)


def html_entities(text: str, rng: Random) -> str:
    """Write < > & as HTML entities throughout."""
    return html.escape(text, quote=False)


# Harmful


def cut_in_the_middle(text: str, rng: Random) -> str:
    """Keep the first 30 to 70 per cent of the characters."""
    return text[: int(len(text) * rng.uniform(0.3, 0.7))]


def structure_line_removed(text: str, rng: Random) -> str:
    """Lose one line that gives the answer its form: a marker, fence, tag, header of a patch, bracket."""
    lines = text.split("\n")
    forms = (HEAD, DIVIDER, TAIL, FENCE)
    found = [
        number
        for number, line in enumerate(lines)
        if any(form.fullmatch(line) for form in forms) or STRUCTURE.fullmatch(line.strip())
    ]
    if found:
        del lines[rng.choice(found)]
    return "\n".join(lines)


def characters_flipped(text: str, rng: Random) -> str:
    """Swap two neighbouring characters in three lines that look like code."""
    lines = text.split("\n")
    code = [number for number, line in enumerate(lines) if CODE_LINE.match(line.strip())]
    for number in rng.sample(code, min(3, len(code))):
        line = lines[number]
        places = [i for i in range(len(line) - 1) if line[i] != line[i + 1]]
        i = rng.choice(places)
        lines[number] = line[:i] + line[i + 1] + line[i] + line[i + 2 :]
    return "\n".join(lines)


def blocks_shuffled(text: str, rng: Random) -> str:
    """Put the parts between blank lines into another order."""
    parts = [part for part in text.strip("\n").split("\n\n") if part.strip()]
    shift = rng.randrange(1, len(parts)) if len(parts) > 1 else 0
    moved = parts[shift:] + parts[:shift]
    if len(parts) > 3:
        first, second = rng.sample(range(1, len(parts) - 1), 2) if len(parts) > 4 else (1, 2)
        moved[first], moved[second] = moved[second], moved[first]
    return "\n\n".join(moved) + "\n" if shift else text


def search_word_changed(text: str, rng: Random) -> str:
    """Put a strange word for one word of the text to be found: SEARCH part, old or context line, old_str."""
    lines = text.split("\n")
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)
    spans = [(starts[n], starts[n + 1] - 1) for part in search_parts(lines) for n in part]
    if not spans and is_diff(lines):
        first = next(n for n, line in enumerate(lines) if line.startswith("@@"))
        spans = [
            (starts[n] + 1, starts[n + 1] - 1)
            for n in range(first, len(lines))
            if lines[n].startswith(("-", " ")) and not lines[n].startswith("---")
        ]
    spans = spans or [match.span(1) for match in OLD_TEXT.finditer(text)]
    words = [word.span() for start, end in spans for word in WORD.finditer(text, start, end)]
    if not words:
        return text
    start, end = rng.choice(words)
    return text[:start] + rng.choice(STRANGE_WORDS) + text[end:]


def line_lost(text: str, rng: Random) -> str:
    """Lose one line that is not blank."""
    lines = text.split("\n")
    full = [number for number, line in enumerate(lines) if line.strip()]
    if full:
        del lines[rng.choice(full)]
    return "\n".join(lines)


def quotes_curled(text: str, rng: Random) -> str:
    """Make all straight quotes typographic ones."""
    return re.sub(r'"([^"\n]*)"', "“\\1”", text).replace('"', "”").replace("'", "’")


CORRUPTIONS: dict[str, Corruption] = {
    "crlf": Corruption(crlf, "lines end with CR LF", True),
    "trailing_spaces": Corruption(trailing_spaces, "blank space at the ends of lines", True),
    "fence_language": Corruption(fence_language, "fences name another language or none", True),
    "prose_around": Corruption(prose_around, "a paragraph before and one after", True),
    "think_before": Corruption(think_before, "a think section before, perhaps with a draft", True),
    "answer_twice": Corruption(answer_twice, "the same answer twice; it is to be applied once", True),
    "tabs": Corruption(tabs, "tabs for leading fours of spaces; texts are equal when tabs are expanded to four", True),
    "nbsp_in_prose": Corruption(nbsp_in_prose, "non-breaking spaces in the prose before the code", True),
    "bom": Corruption(bom, "a byte order mark at the start", True),
    "closing_fence_dropped": Corruption(closing_fence_dropped, "cut before the last closing fence", True),
    "search_blank_line": Corruption(search_blank_line, "a blank line more or less within a SEARCH part", True),
    "marker_lengths": Corruption(marker_lengths, "marker lines one character longer or shorter", True),
    "html_entities": Corruption(html_entities, "HTML entities for < > and & throughout", True),
    "cut_in_the_middle": Corruption(cut_in_the_middle, "the rest of the answer is missing", False),
    "structure_line_removed": Corruption(structure_line_removed, "one marker, fence, tag or header is missing", False),
    "characters_flipped": Corruption(characters_flipped, "neighbouring characters swapped in three lines", False),
    "blocks_shuffled": Corruption(blocks_shuffled, "paragraphs in another order", False),
    "search_word_changed": Corruption(
        search_word_changed, "one word of the text to be found is another; expected program or none", False
    ),
    "line_lost": Corruption(line_lost, "one line is missing", False),
    "quotes_curled": Corruption(quotes_curled, "typographic quotes throughout", False),
}
