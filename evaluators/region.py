"""The part of a program that may change, between markers in comments; the rest must stay as it is.

The markers are those of public evolvers, ``# EVOLVE-BLOCK-START`` and ``# EVOLVE-BLOCK-END``, on lines of their own.
"""

from __future__ import annotations

import ast
import re

from evaluators.program import ProgramError, parse_program

MARKER = re.compile(r"\s*#\s*EVOLVE-BLOCK-(START|END)\b.*")


class RegionError(ValueError):
    """A template's markers do not pair up; says in which line."""


def has_regions(text: str) -> bool:
    """Whether a text marks regions at all."""
    return any(MARKER.fullmatch(line) for line in text.split("\n"))


def frozen_parts(text: str) -> list[list[str]]:
    """The lines outside the regions, markers included: one part before, between and after regions.

    Raises:
        RegionError: a region is opened twice, or never opened or closed.
    """
    parts: list[list[str]] = [[]]
    opened = 0
    for number, line in enumerate(text.split("\n"), start=1):
        marker = MARKER.fullmatch(line)
        if marker is None:
            if not opened:
                parts[-1].append(line.rstrip())
            continue
        if (marker[1] == "START") == bool(opened):
            problem = f"opens a region while the one of line {opened} is open" if opened else "closes no open region"
            raise RegionError(f"line {number}: EVOLVE-BLOCK-{marker[1]} {problem}")
        if opened:
            parts.append([line.strip()])
            opened = 0
        else:
            parts[-1].append(line.strip())
            opened = number
    if opened:
        raise RegionError(f"line {opened}: EVOLVE-BLOCK-START is never closed")
    return parts


def change_outside(source: str, template: str) -> str | None:
    """Say where a program differs from its template outside the regions, in one line; None where it does not.

    Blank space at the ends of lines and of the file does not count.

    Args:
        source: the program.
        template: a program that marks at least one region.

    Raises:
        RegionError: the template's own markers do not pair up.
    """
    frozen = frozen_parts(template)
    try:
        found = frozen_parts(source)
    except RegionError as error:
        return str(error)
    if len(found) != len(frozen):
        return f"marks {len(found) - 1} regions that may change, where there must be {len(frozen) - 1}"
    for part, (theirs, ours) in enumerate(zip(found, frozen, strict=True), start=1):
        if _trimmed(theirs) != _trimmed(ours):
            changed = next((line for line in theirs if line.strip() and line not in ours), None)
            told = f": {changed.strip()[:80]!r}" if changed else ": lines are missing"
            return f"changes part {part} of the text outside the marked regions{told}"
    if _frozen_statements(source) != _frozen_statements(template):
        return "changes what the text outside the marked regions means, though not the text itself"
    return None


def _frozen_statements(text: str) -> list[str] | None:
    """Every statement that begins outside the regions, without the statements inside it; None for no program at all.

    The text may stay and yet become part of a string that a region opens and the next one closes.
    """
    try:
        tree = parse_program(text)
    except ProgramError:
        return None
    frozen = frozen_lines(text)
    statements = [node for node in ast.walk(tree) if isinstance(node, ast.stmt) and node.lineno in frozen]
    statements.sort(key=lambda node: (node.lineno, node.col_offset))
    return [_head(node) for node in statements]


def frozen_lines(text: str) -> set[int]:
    """Numbers of the lines outside the regions, from 1 on; all where none is marked."""
    inside = False
    frozen = set()
    for number, line in enumerate(text.split("\n"), start=1):
        marker = MARKER.fullmatch(line)
        inside = marker[1] == "START" if marker else inside
        if not inside:
            frozen.add(number)
    return frozen


def _head(statement: ast.stmt) -> str:
    """A statement without its blocks."""
    blocks = ("body", "orelse", "finalbody", "handlers", "cases")
    fields = {
        name: [] if name in blocks and isinstance(value, list) else value for name, value in ast.iter_fields(statement)
    }
    return ast.dump(type(statement)(**fields))


def _trimmed(lines: list[str]) -> list[str]:
    return "\n".join(lines).strip().split("\n")
