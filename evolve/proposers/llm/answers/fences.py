"""Fenced blocks of an answer, and pieces of code outside of fences."""

from __future__ import annotations

import ast
import re
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from evolve.proposers.llm.answers.model import Block
from evolve.proposers.llm.answers.parsing import LONGEST_PROGRAM, Effort

MOST_BLOCKS = 200
# Possessive where two neighbours take the same characters: a line may hold 100,000 blanks.
_FENCE = re.compile(r"[ \t]*+(?:[-*>+]|\d++[.)])?[ \t]*+(`{3,}+|~{3,}+)[ \t]*+([^`]*+)")
_BARE = re.compile(r"[ \t]*+>?[ \t]*+(`{3,}+|~{3,}+)[ \t]*+")
_CLOSINGS_TRIED = 8
_CUTS_TRIED = 40
_START = re.compile(
    r"import \w|from [\w.]+ import\b|(?:async )?def \w|class \w|@\w|if __name__|\"\"\"|'''"
    r"|[A-Za-z_]\w*+(?:[ \t]*+:[ \t]*+[\w\[\], .|]++)?[ \t]*+=[^=]"
)
_DEFINITION = re.compile(r"(?:async )?def \w+[ \t]*\(|class \w+[ \t]*[(:]")
_CODE_LIKE = re.compile(
    r"[ \t]+\S|import \w|from [\w.]+ import\b|(?:async )?def\b|class \w+[:(]|@\w|return\b.*|[#)\]}]"
    r"|(?:if|for|while|with|else|elif|try|except)\b.*:\s*$|[\w.\[\], ]+ ?[-+*/]?= ?\S|\w+\(.*"
)


def fenced_blocks(lines: Sequence[str], effort: Effort) -> list[Block]:
    """Find fenced blocks; a fence line inside of a string of the code does not close its block."""
    bare = [(number, match[1]) for number, line in enumerate(lines) if (match := _BARE.fullmatch(line))]
    bare_numbers = [number for number, _ in bare]
    blocks: list[Block] = []
    number = 0
    while number < len(lines) and len(blocks) < MOST_BLOCKS:
        opening = _FENCE.fullmatch(lines[number])
        if opening is None:
            number += 1
            continue
        after = bisect_right(bare_numbers, number)
        closings = [at for at, fence in bare[after : after + _CLOSINGS_TRIED] if fence.startswith(opening[1])]
        block = _block(lines, number, closings, effort)
        blocks.append(block)
        number = block.end
    return blocks


def _block(lines: Sequence[str], start: int, closings: Sequence[int], effort: Effort) -> Block:
    """Choose the closing fence of a block: the first with which it parses, else the first."""
    opening = _FENCE.fullmatch(lines[start])
    assert opening is not None
    info = opening[2].strip().lower()
    for at in closings:
        code = "\n".join(lines[start + 1 : at])
        if code.strip() and effort.tree(code) is not None:
            return Block(info=info, code=code, start=start, end=at + 1)
    limit = _next_opening(lines, start, closings[0] if closings else len(lines))
    if closings and closings[0] < limit:
        return Block(info=info, code="\n".join(lines[start + 1 : closings[0]]), start=start, end=closings[0] + 1)
    glued = _before_fence(lines[limit - 1]) if limit - 1 > start else ""
    code = "\n".join([*lines[start + 1 : limit - 1], glued] if glued else lines[start + 1 : limit])
    return Block(info=info, code=code, start=start, end=limit, closed=bool(glued) or limit < len(lines))


def _before_fence(line: str) -> str:
    """Give the code of a line that a fence ends; empty for any other line."""
    text = line.rstrip(" \t")
    code = text.rstrip("`")
    return code.rstrip(" \t") if len(text) - len(code) >= 3 else ""


def _next_opening(lines: Sequence[str], start: int, end: int) -> int:
    """Find where an unclosed block ends: at the next fence that names a language and is not indented deeper."""
    indent = _indent(lines[start])
    for number in range(start + 1, end):
        match = _FENCE.fullmatch(lines[number])
        if match and match[2].strip() and _indent(lines[number]) <= indent:
            return number
    return end if end == len(lines) else end + 1


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def loose_blocks(lines: Sequence[str], effort: Effort, first: int = 0) -> list[Block]:
    """Find the longest pieces of code in text without fences, prose before, between and after.

    Args:
        lines: the text.
        effort: bounds the work.
        first: number of its first line in the answer.
    """
    blocks: list[Block] = []
    offsets = [0, *accumulate(len(line) + 1 for line in lines)]
    number = 0
    while number < len(lines) and len(blocks) < MOST_BLOCKS and not effort.is_spent:
        if not _START.match(lines[number]):
            number += 1
            continue
        start = number
        end = _longest(lines, offsets, start, effort)
        if end is None:
            number += 1
            continue
        while start and lines[start - 1].startswith("#") and (not blocks or first + start > blocks[-1].end):
            start -= 1
        code = "\n".join(lines[start:end])
        blocks.append(Block(info="", code=code, start=first + start, end=first + end, fenced=False))
        number = end
    return blocks


def broken_line(lines: Sequence[str], blocks: Sequence[Block]) -> str:
    """Find a line of code that is in none of the pieces found outside of fences: it does not parse; else empty."""
    inside = {number for block in blocks for number in range(block.start, block.end)}
    for number, line in enumerate(lines):
        if number not in inside and _DEFINITION.match(line):
            return line.strip()
    for block in blocks:
        after = next((lines[number] for number in range(block.end, len(lines)) if lines[number].strip()), "")
        if "def " in block.code and after[:1] in {" ", "\t"}:
            return after.strip()
    return ""


def _longest(lines: Sequence[str], offsets: Sequence[int], start: int, effort: Effort) -> int | None:
    """Find where the code that begins at a line ends: the parser's errors say where prose begins."""
    end = bisect_right(offsets, offsets[start] + LONGEST_PROGRAM) - 1
    for _ in range(_CUTS_TRIED):
        if effort.is_spent:
            return None
        parsed = effort.parse("\n".join(lines[start:end]))
        if parsed.tree is not None:
            return _without_chatter(parsed.tree, lines, start, end)
        cut = start + parsed.line - 1
        end = min(cut, end - 1) if parsed.line else start
        while end > start and not lines[end - 1].strip():
            end -= 1
        if end <= start:
            return None
    return None


def _without_chatter(tree: ast.Module, lines: Sequence[str], start: int, end: int) -> int | None:
    """Leave out last statements that are words of prose: a lone name, `Note: this`."""
    body = list(tree.body)
    while body and is_prose(body[-1]):
        body.pop()
    if not body:
        return None
    if len(body) < len(tree.body):
        end = start + tree.body[len(body)].lineno - 1
    while end > start and not lines[end - 1].strip():
        end -= 1
    return end


def is_prose(statement: ast.stmt) -> bool:
    """Say whether a top-level statement is likely a word or two of prose that happen to parse."""
    if isinstance(statement, ast.AnnAssign):
        return statement.value is None
    if not isinstance(statement, ast.Expr):
        return False
    value = statement.value
    if isinstance(value, ast.Constant):
        return not isinstance(value.value, str) and value.value is not ...
    return not isinstance(value, ast.Call | ast.Await | ast.Yield)


def looks_like_code(line: str) -> bool:
    """Say whether a line is rather code than prose."""
    return bool(_CODE_LIKE.match(line))
