"""Repairs of a piece of code that does not parse because of how it was shown, not of what it says."""

from __future__ import annotations

import re
import textwrap
from ast import Module
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from evolve.proposers.llm.answers.characters import straighten
from evolve.proposers.llm.answers.parsing import Effort

_NUMBERED = re.compile(r"[ \t]*+(\d{1,5})(?:[ \t]*+[|│:.)→]|(?=[ \t]|$))(?:[ \t](?![ \t]*+$))?(.*)")
_PROMPT = re.compile(r"[ \t]*+(?:>>>|\.\.\.)(?: (.*)|())$")
_QUOTE = re.compile(r"[ \t]*+>(?: (.*)|())$")
_WORD = re.compile(r"\s*+(?:python3?|py|copy code|copy|code)[ \t]*+:?[ \t]*+\n", re.IGNORECASE)
_MOST = 0.8  # share of lines that must show a decoration before it is taken off


@dataclass(frozen=True, slots=True, kw_only=True)
class Mended:
    """Code that parses, and the names of the repairs that it took."""

    code: str
    tree: Module
    tolerated: tuple[str, ...]


def mend(code: str, effort: Effort) -> Mended | None:
    """Parse a piece of code, mending it step by step until it parses; None if no repair helps."""
    tree = effort.tree(code)
    tolerated: list[str] = []
    for name, repair in _REPAIRS:
        if tree is not None:
            break
        versions = [version for version in repair(code) if version != code]
        if not versions:
            continue
        code = next((version for version in versions if effort.tree(version) is not None), versions[0])
        tolerated.append(name)
        tree = effort.tree(code)
    return Mended(code=code, tree=tree, tolerated=tuple(tolerated)) if tree is not None else None


def without_language(code: str) -> str:
    """Drop a first line that only names the language, as a page's copy button leaves it."""
    return _WORD.sub("", code, count=1) if _WORD.match(code) else code


def without_numbers(code: str) -> str:
    """Take line numbers off, if nearly every line has one and each is one more than the last."""
    lines = code.split("\n")
    matches = [_NUMBERED.fullmatch(line) for line in lines]
    found = [int(match[1]) for match in matches if match]
    steps = sum(after == before + 1 for before, after in pairwise(found))
    if len(found) < 2 or steps < _MOST * (len(found) - 1) or len(found) < _MOST * _filled(lines):
        return code
    return "\n".join(match[2].rstrip() if match else line for match, line in zip(matches, lines, strict=True))


def _undecorated(pattern: re.Pattern[str]) -> Callable[[str], str]:
    """Make the repair that takes a prefix off, if nearly every line has it."""

    def repair(code: str) -> str:
        lines = code.split("\n")
        matches = [pattern.fullmatch(line) for line in lines]
        if sum(match is not None for match in matches) < max(1, _MOST * _filled(lines)):
            return code
        return "\n".join((match[1] or "") if match else line for match, line in zip(matches, lines, strict=True))

    return repair


def dedent(code: str) -> str:
    """Take off the indentation that all lines share, or that all but the first do."""
    even = textwrap.dedent(code)
    if even != code:
        return even.lstrip("\n")
    first, _, rest = code.partition("\n")
    if first.lstrip() != first or not rest.strip():
        return code
    shared = textwrap.dedent(rest)
    # Only a definition, import or constant can be followed by lines that all are indented by mistake.
    return f"{first}\n{shared}" if not first.rstrip().endswith(":") else code


def _spread(code: str) -> str:
    """Write out escaped line ends of a program that came on one line."""
    if code.strip().count("\n") > 1 or code.count("\\n") < 2:
        return code
    return code.replace("\\n", "\n").replace("\\t", "    ").replace('\\"', '"').replace("\\'", "'")


def _filled(lines: list[str]) -> int:
    return sum(bool(line.strip()) for line in lines)


def _without_tabs(code: str, width: int) -> str:
    return "\n".join(line.expandtabs(width) if "\t" in line else line for line in code.split("\n"))


_without_prompts, _without_quotes = _undecorated(_PROMPT), _undecorated(_QUOTE)

# Each gives the versions to try, the likeliest first.
_REPAIRS: tuple[tuple[str, Callable[[str], Sequence[str]]], ...] = (
    ("line numbers", lambda code: [without_numbers(code)]),
    ("prompts", lambda code: [_without_prompts(code)]),
    ("quoted lines", lambda code: [_without_quotes(code)]),
    ("escaped line ends", lambda code: [_spread(code)]),
    ("indentation", lambda code: [dedent(code)]),
    ("tabs", lambda code: [_without_tabs(code, 4), _without_tabs(code, 8)]),
    ("typographic characters", lambda code: [straighten(code)]),
)
