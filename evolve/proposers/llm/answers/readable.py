"""Blocks of an answer that parse as code, mended where that is safe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from evolve.proposers.llm.answers.elision import marked
from evolve.proposers.llm.answers.fences import looks_like_code, loose_blocks
from evolve.proposers.llm.answers.model import AnswerError, Block, Task
from evolve.proposers.llm.answers.parsing import Effort
from evolve.proposers.llm.answers.pieces import Piece, binds, pieces_of
from evolve.proposers.llm.answers.repairs import mend, without_language


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """A block that parses."""

    block: Block
    code: str
    pieces: tuple[Piece, ...]
    tolerated: tuple[str, ...]
    has_entry: bool


def readable(
    blocks: Sequence[Block], task: Task, known: set[str], effort: Effort
) -> tuple[list[Code], AnswerError | None]:
    """Parse every block; the error is that of the last one which defines the entry and does not parse."""
    codes: list[Code] = []
    failed: AnswerError | None = None
    for block in blocks:
        if not block.code.strip():
            continue
        code = _parsed(block, task, known, effort)
        if code is not None:
            if any(piece.names or piece.is_elision for piece in code.pieces):
                codes.append(code)
        elif f"def {task.entry}" in block.code or (block.info[:2] == "py" and "def " in block.code):
            failed = _unparsable(block, effort)
    return _useful(codes, task, effort), failed


def _parsed(block: Block, task: Task, known: set[str], effort: Effort) -> Code | None:
    text = _once(block.code)
    tolerated = ["given twice"] if text != block.code else []
    if (bare := without_language(text)) != text:
        text = bare
        tolerated.append("language name in the code")
    tree = effort.tree(text)
    text = marked(text, known, tree)
    mended = mend(text, effort)
    if mended is None and (cut := _cut(text, effort)) is not None:
        tolerated.append("chatter inside of a fence")
        mended = mend(cut, effort)
    if mended is None:
        return None
    tolerated += mended.tolerated
    if block.fenced and not block.closed:
        tolerated.append("unclosed fence")
    if block.fenced and block.info and not block.info.startswith("py") and mended.tree.body:
        tolerated.append("wrong language name")
    return Code(
        block=block,
        code=mended.code,
        pieces=tuple(pieces_of(mended.code, mended.tree)),
        tolerated=tuple(tolerated),
        has_entry=not task.entry or binds(mended.tree, task.entry),
    )


def _once(code: str) -> str:
    """Take one of two equal halves of a text that holds the same program twice."""
    lines = code.strip("\n").split("\n")
    half = (len(lines) + 1) // 2
    for length in range(half, max(half - 4, 3), -1):
        head, middle, tail = lines[:length], lines[length : len(lines) - length], lines[len(lines) - length :]
        if len(lines) >= 2 * length and head == tail and not any(line.strip() for line in middle):
            return "\n".join(head) + "\n"
    return code


def _cut(code: str, effort: Effort) -> str | None:
    """Leave out prose before and after the code of a block whose fence stands wrong; never code."""
    lines = code.split("\n")
    found = loose_blocks(lines, effort)
    if not found:
        return None
    rest = [line for line in [*lines[: found[0].start], *lines[found[-1].end :]] if line.strip()]
    for before, after in pairwise(found):
        rest += [line for line in lines[before.end : after.start] if line.strip()]
    if any(looks_like_code(line) for line in rest):
        return None
    return "\n\n".join(piece.code for piece in found)


def _unparsable(block: Block, effort: Effort) -> AnswerError:
    parsed = effort.parse(block.code)
    lines = block.code.split("\n")
    text = lines[parsed.line - 1].strip()[:200] if 0 < parsed.line <= len(lines) else ""
    cut = "" if block.closed or not block.fenced else " The answer seems to be cut off: be shorter, or send edits only."
    where = f"line {parsed.line} of your code ({text!r}): " if parsed.line else ""
    return AnswerError(f"The program does not parse: {where}{parsed.message}.{cut}")


def _useful(codes: Sequence[Code], task: Task, effort: Effort) -> list[Code]:
    """Leave out blocks that only show how to call the program, or what it prints."""
    tree = effort.tree(task.parent)
    ours = {name for piece in pieces_of(task.parent, tree) for name in piece.names} if tree is not None else set()
    useful = []
    for code in codes:
        defines = any(piece.is_definition for piece in code.pieces)
        constants = any(piece.is_assignment and piece.names & ours for piece in code.pieces)
        imports = all(piece.is_import or piece.is_assignment for piece in code.pieces)
        if defines or constants or imports or any(piece.is_elision for piece in code.pieces):
            useful.append(code)
    last_words = [
        code
        for code in useful
        if any(piece.is_definition or (piece.is_assignment and piece.names & ours) for piece in code.pieces)
    ]
    return useful if last_words else []
