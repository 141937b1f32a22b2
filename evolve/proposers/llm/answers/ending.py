"""Whether an answer ends before its edits or its program do."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Sequence
from typing import NoReturn

from evolve.proposers.llm.answers.model import AnswerError

_CLOSES = re.compile(r"[#\s]*+>{3}|\*\*\* End (?:Patch|of File)")
_END_TAG = re.compile(r"</[\w|:-]{1,40}>")
_OPENS = re.compile(r"\s*+(?:<[^>]*|@@.*|[{\[].*)")
# Statements after which a function that gave a result before would give none.
_NO_END = (ast.Expr, ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Pass, ast.For, ast.FunctionDef, ast.Import)


def refuse_cut(where: str) -> NoReturn:
    """Refuse an answer that stops too early.

    Args:
        where: what it stops in, such as "edit 2".

    Raises:
        AnswerError: always.
    """
    raise AnswerError(
        f"The answer seems to be cut off in {where}; nothing was applied. Be shorter, or send edits only, and end "
        "each with its closing line."
    )


def refuse_open_end(lines: Sequence[str], taken: Collection[int], *, complete: Collection[int]) -> None:
    """Refuse an answer whose last line belongs to an edit or to code, and closes neither.

    Args:
        lines: the answer.
        taken: numbers of the lines that edits and code stand in.
        complete: numbers of those that are known to be complete.

    Raises:
        AnswerError: it does.
    """
    last = next((number for number in range(len(lines) - 1, -1, -1) if lines[number].strip()), -1)
    if last >= 0 and last not in complete and (_goes_on if last in taken else _OPENS.fullmatch)(lines[last]):
        refuse_cut(f"its last line, {lines[last].strip()[:80]!r}")


def _goes_on(line: str) -> bool:
    """Say whether a line closes nothing: it ends with no fence and no tag, and begins with no closing marker."""
    text = line.strip()
    if text.endswith(("```", "~~~")) or _CLOSES.match(text):
        return False
    return not _END_TAG.fullmatch(text, max(text.rfind("</"), 0))


def refuse_lost_ends(new: ast.Module, old: ast.Module) -> None:
    """Refuse a program in which a function stops without the result that it gave before.

    Raises:
        AnswerError: one does.
    """
    before = {node.name: node for node in old.body if isinstance(node, ast.FunctionDef)}
    for node in new.body:
        if isinstance(node, ast.FunctionDef) and lacks_end(node, before.get(node.name)):
            refuse_cut(f"the edit of {node.name}, which has no closing line")


def lacks_end(new: ast.stmt, old: ast.stmt | None) -> bool:
    """Say whether a function stops without a result where the one that it replaces returns one."""
    functions = ast.FunctionDef | ast.AsyncFunctionDef
    if not isinstance(new, functions) or not isinstance(old, functions):
        return False
    return isinstance(old.body[-1], ast.Return) and isinstance(new.body[-1], _NO_END)
