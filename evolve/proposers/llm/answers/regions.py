"""Keeping the text outside of a template's regions where an answer wrote it a little differently."""

from __future__ import annotations

import ast

from evaluators.program import ProgramError, parse_program
from evaluators.region import MARKER, RegionError, change_outside, has_regions


def restored(source: str, template: str) -> str | None:
    """Give a program with the template's own text outside of the regions.

    Returns:
        The program; None if it differs from the template there by more than comments and layout, or has
        other regions, or the template has none.
    """
    if not has_regions(template):
        return source
    try:
        if change_outside(source, template) is None:
            return source
        spliced = _spliced(source, template)
        if spliced is None or change_outside(spliced, template) is not None:
            return None
        # Blank space at line ends means nothing to anybody but a text over several lines, such as a docstring.
        same = ast.dump(parse_program(_trimmed(spliced))) == ast.dump(parse_program(_trimmed(source)))
    except (RegionError, ProgramError, RecursionError):
        return None
    return spliced if same else None


def _trimmed(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.split("\n"))


def _spliced(source: str, template: str) -> str | None:
    """Join the template's frozen text and the program's regions; None if their numbers differ."""
    frozen, ours = _cut(template), _cut(source)
    if len(frozen) != len(ours):
        return None
    # Parts alternate: frozen, region, frozen, ...
    return "\n".join("\n".join((ours if number % 2 else frozen)[number]) for number in range(len(frozen)))


def _cut(text: str) -> list[list[str]]:
    """Cut a text into frozen parts, which keep the markers, and regions."""
    parts: list[list[str]] = [[]]
    for line in text.split("\n"):
        marker = MARKER.fullmatch(line)
        if marker and marker[1] == "START":
            parts[-1].append(line)
            parts.append([])
        elif marker:
            parts.append([line])
        else:
            parts[-1].append(line)
    return parts
