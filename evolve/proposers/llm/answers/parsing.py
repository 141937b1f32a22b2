"""Parsing within bounds: an answer may hold thousands of pieces that look like code."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

from evaluators.program import ProgramError, parse_program

LONGEST_PROGRAM = 100_000  # characters; the sandbox takes no program of more than 100,000 bytes
_PER_STATEMENT = 30  # characters
_ERROR_LINE = re.compile(r"line (\d+): (.*)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """A tree, or the line (from 1; 0 if unknown) and the message of what stopped the parser."""

    tree: ast.Module | None
    line: int = 0
    message: str = ""


class Effort:
    """Counts the characters given to the parser; beyond the limit nothing parses any more.

    Args:
        characters: how many may be parsed in all; a second is enough to parse and look through them. A
            statement at top level counts as some more: no program has thousands.
    """

    def __init__(self, characters: int = 250_000) -> None:
        self._left = characters
        self._known: dict[str, Parsed] = {}

    @property
    def is_spent(self) -> bool:
        """Whether nothing will parse any more."""
        return self._left <= 0

    def parse(self, source: str) -> Parsed:
        """Parse a text, once."""
        if len(source) > LONGEST_PROGRAM:
            self._left -= len(source) // 50
            return Parsed(tree=None, message=f"is longer than {LONGEST_PROGRAM} characters")
        known = self._known.get(source)
        if known is not None:
            self._left -= len(source) // 50
            return known
        if self._left <= 0:
            return Parsed(tree=None, message="the answer holds too much that looks like code")
        parsed = _parse(source)
        # The parser stops at the error: what comes after it costs little.
        read = len(source) if parsed.tree is not None else _offset(source, parsed.line)
        statements = len(parsed.tree.body) if parsed.tree is not None else 0
        self._left -= max(read, len(source) // 20, 200) + _PER_STATEMENT * statements
        self._known[source] = parsed
        return parsed

    def tree(self, source: str) -> ast.Module | None:
        """Parse a text and give its tree, None for no program."""
        return self.parse(source).tree


def _parse(source: str) -> Parsed:
    try:
        return Parsed(tree=parse_program(source))
    except ProgramError as error:
        match = _ERROR_LINE.fullmatch(str(error))
        return Parsed(tree=None, line=int(match[1]) if match else 0, message=match[2] if match else str(error))


def _offset(source: str, line: int) -> int:
    """Count the characters of the first lines of a text."""
    position = 0
    for _ in range(line):
        position = source.find("\n", position) + 1
        if not position:
            return len(source)
    return position
