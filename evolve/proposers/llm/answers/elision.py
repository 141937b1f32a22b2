"""Markers with which models leave code out, "# ... rest unchanged ...", and filling them from the parent."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Sequence

from evolve.proposers.llm.answers.model import AnswerError

_LEFT = (
    r"(?:rest|remain(?:s|ing|der)?|existing|unchanged|same|other|previous|original|before|omitted|keep|kept|code|body)"
)
_WHAT = (
    r"(?:code|functions?|program|file|implementation|body|module|logic|imports?|methods?|helpers?|lines?|everything)"
)
_STATE = (
    r"(?:(?:(?:is|are|remains?|stays?|kept|left|goes)[ ])?(?:exactly[ ])?"
    r"(?:unchanged|unmodified|the[ ]same|identical|omitted|here|same[ ]as[ ](?:before|above|(?:the[ ])?original)"
    r"|as[ ](?:before|above|is|in[ ]the[ ]original))(?:[ ](?:for[ ]brevity|here))?)"
)
_DOTS = r"(?:\.{3,}|…)"
_ELISION = re.compile(
    rf"""(?:pass[ \t]++)?(?:
      (?:\#[ \t]*)?[\[(<]?{_DOTS}[\])>]?
    | \#[ \t]*[\[(<]?{_DOTS}.*\b{_LEFT}\b.*
    | \#.*\b{_LEFT}\b.*{_DOTS}[\])>]?
    | \#[ \t]*[\[(<]?(?:
          (?:the[ ])?(?:rest|remainder|remaining|existing|other|previous|original|everything[ ]else)
          (?:[ ]of[ ](?:the[ ]|this[ ])?{_WHAT}|(?:[ ]{_WHAT}){{1,2}})?[ ]?[:,(-]?[ ]?{_STATE}
        | (?:the[ ])?(?:rest|remainder)[ ]of[ ](?:the[ ]|this[ ])?{_WHAT}
        | (?:the[ ])?(?:existing|remaining|previous|original)[ ]{_WHAT}
        | {_STATE} | no[ ]changes?(?:[ ]here|[ ]needed)?
        | keep[ ](?:the[ ])?(?:rest|everything[ ]else|(?:existing|original|remaining)[ ]{_WHAT})(?:[ ]{_STATE})?
      )[\])>]?[.:]?
    )""",
    re.IGNORECASE | re.VERBOSE,
)
_CONTEXT = 4  # lines compared at most to tell equal lines apart


def is_elision(line: str, known: Collection[str]) -> bool:
    """Say whether a line stands for code left out; lines that the parent itself holds never do.

    Args:
        line: the line.
        known: the parent's lines without the white space around them.
    """
    text = line.strip()
    if not text or len(text) > 120 or text in known or not (text[0] in ".…#[(<" or text.startswith("pass")):
        return False
    return bool(_ELISION.fullmatch(text))


def marked(code: str, known: Collection[str], tree: ast.Module | None) -> str:
    """Write every elision as the statement `...`, so that the parser meets it.

    Args:
        code: the code.
        known: the parent's lines without the white space around them.
        tree: the code's tree if it parses; what lies inside of its strings stays.
    """
    inside: set[int] = set()
    for node in ast.walk(tree) if tree is not None else ():
        if isinstance(node, ast.Constant | ast.JoinedStr) and (node.end_lineno or 0) > node.lineno:
            inside.update(range(node.lineno, (node.end_lineno or 0) + 1))
    lines = code.split("\n")
    for number, line in enumerate(lines, start=1):
        if number not in inside and is_elision(line, known):
            lines[number - 1] = line[: len(line) - len(line.lstrip())] + "..."
    return "\n".join(lines)


def elided_lines(node: ast.AST, known: Collection[str]) -> set[int]:
    """Find the lines, from 1, of the statements `...` below a node, unless the parent has such lines too."""
    if "..." in known:
        return set()
    return {
        statement.lineno
        for statement in ast.walk(node)
        if isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and statement.value.value is ...
    }


def fill(lines: Sequence[str], elided: Collection[int], original: Sequence[str], what: str) -> list[str]:
    """Put the original's lines where lines were left out.

    What goes in is all between the line before and the line after the gap, each of which the original must
    hold exactly once (with the lines around it); a gap at an end reaches to the original's end.

    Args:
        lines: new text with gaps.
        elided: numbers of the lines that are gaps, counted from 0.
        original: what to fill from.
        what: how to name the text in an error.

    Raises:
        AnswerError: where a gap begins or ends is not clear.
    """
    filled: list[str] = []
    position = 0
    for number, line in enumerate(lines):
        if number not in elided:
            filled.append(line)
            continue
        before = _near(lines, elided, range(number - 1, -1, -1))
        after = _near(lines, elided, range(number + 1, len(lines)))
        start = _find(original, before, position, step=-1) + 1 if before else position
        end = _find(original, after, start, step=1) if after else len(original)
        if start <= 0 or end < start:
            raise AnswerError(
                f"{what} leaves code out with {line.strip()!r}, and the lines around it do not say which code: "
                "each must be a line of the program, exactly as it is there. Write the code out."
            )
        filled += original[start:end]
        position = end
    return filled


def _near(lines: Sequence[str], elided: Collection[int], numbers: Sequence[int]) -> list[str]:
    """Collect the lines next to a gap, nearest first, up to another gap."""
    found: list[str] = []
    for number in numbers:
        if number in elided or len(found) >= _CONTEXT:
            break
        if lines[number].strip():
            found.append(lines[number].strip())
    return found


def _find(original: Sequence[str], wanted: Sequence[str], first: int, *, step: int) -> int:
    """Find the one line that is the first of those wanted, going by the others only where it takes them; else -2."""
    filled = [(number, text.strip()) for number, text in enumerate(original) if text.strip()]
    texts = [text for _, text in filled]
    places = [at for at, (number, text) in enumerate(filled) if number >= first and text == wanted[0]]
    for depth in range(1, len(wanted)):
        if len(places) <= 1:
            break
        places = [
            at for at in places if 0 <= at + step * depth < len(texts) and texts[at + step * depth] == wanted[depth]
        ]
    return filled[places[0]][0] if len(places) == 1 else -2
