"""A program from blocks of code: one block as it is, several joined, or functions merged into the parent."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from evaluators.region import change_outside, has_regions
from evolve.proposers.llm.answers.ending import lacks_end, refuse_cut
from evolve.proposers.llm.answers.merging import gaps_in, merge, resolved
from evolve.proposers.llm.answers.model import AnswerError, Block, Draft, Form, Task
from evolve.proposers.llm.answers.parsing import Effort
from evolve.proposers.llm.answers.pieces import Piece, pieces_of
from evolve.proposers.llm.answers.readable import Code, readable
from evolve.proposers.llm.answers.regions import restored


def from_blocks(blocks: Sequence[Block], task: Task, effort: Effort) -> Draft | None:
    """Make a program of an answer's blocks; None if none of them defines anything.

    The last block that defines the entry and all that it uses is the program, with functions that later
    blocks define anew. Otherwise all blocks together are the program if they define all that they use;
    otherwise they are merged into the parent. Among definitions of one name the last counts.

    Raises:
        AnswerError: the block that matters does not parse, or leaves out what cannot be filled in.
    """
    known = {line.strip() for line in task.parent.split("\n")}
    codes, failed = readable(blocks, task, known, effort)
    if failed is not None and not any(code.has_entry for code in codes):
        raise failed
    if not codes:
        return None
    mains = [number for number, code in enumerate(codes) if code.has_entry]
    whole = next((number for number in reversed(mains) if _stands_alone(codes[number], task, known, effort)), None)
    _refuse_cut_end(codes, task, effort, merged=False)
    if whole is not None and whole == mains[-1]:
        return _whole(codes, whole, task, effort)
    joined = _joined(codes, task, effort)
    if (
        mains
        and len(codes) > 1
        and not gaps_in(joined, known)
        and resolved(joined)
        and not _partial(joined, task, effort)
    ):
        draft = _concatenated(codes, joined)
        if task.template is None or not _strays(draft.source, task):
            return draft
    _refuse_cut_end(codes, task, effort, merged=True)
    return _into_parent(codes, joined, task, effort)


def _refuse_cut_end(codes: Sequence[Code], task: Task, effort: Effort, *, merged: bool) -> None:
    """Refuse code that no fence closes and whose last statement may have lost its end.

    A program that defines the entry is taken, unless its last function returns nothing and should; of parts
    for the parent nothing says that they are complete or all.
    """
    tree = effort.tree(task.parent)
    ours = pieces_of(task.parent, tree) if tree is not None else []
    for code in codes:
        if code.block.closed and code.block.fenced:
            continue
        last = code.pieces[-1]
        old = next((piece for piece in ours if piece.names & last.names), None)
        at_end = code.block.fenced and _last_line(code.code) == _last_line(code.block.code) != "..."
        if (merged and at_end) or lacks_end(last.node, old.node if old else None):
            refuse_cut(f"{', '.join(sorted(last.names)) or 'its last line'}, whose fence is not closed")


def _last_line(code: str) -> str:
    return code.rstrip().rpartition("\n")[2].strip()


def _stands_alone(code: Code, task: Task, known: set[str], effort: Effort) -> bool:
    if gaps_in(code.pieces, known) or not resolved(code.pieces) or _partial(code.pieces, task, effort):
        return False
    return task.template is None or not _strays(code.code, task)


def _strays(source: str, task: Task) -> bool:
    """Say whether a program lacks the template's text, also after the frozen text was restored."""
    assert task.template is not None
    if not has_regions(task.template):
        return False
    if restored(source, task.template) is not None:
        return False
    return not has_regions(source) and change_outside(source, task.template) is not None


def _partial(pieces: Sequence[Piece], task: Task, effort: Effort) -> bool:
    """Say whether pieces are only functions of the parent, given as an edit."""
    if task.wanted is not Form.EDIT or not all(piece.is_definition for piece in pieces):
        return False
    tree = effort.tree(task.parent)
    if tree is None:
        return False
    ours = {name for piece in pieces_of(task.parent, tree) for name in piece.names}
    theirs = {name for piece in pieces for name in piece.names}
    return theirs < ours


def _joined(codes: Sequence[Code], task: Task, effort: Effort) -> list[Piece]:
    """Put the pieces of all blocks in a row, of each name the last; what quotes the parent never comes last."""
    old = _statements(task, effort)
    pieces = [piece for code in codes for piece in code.pieces]
    fresh = {name for piece in pieces if piece.tree not in old for name in piece.names}
    pieces = [piece for piece in pieces if piece.is_import or piece.tree not in old or not piece.names & fresh]
    last = {name: number for number, piece in enumerate(pieces) for name in piece.names if not piece.is_import}
    return [
        piece
        for number, piece in enumerate(pieces)
        if piece.is_import or not piece.names or any(last.get(name) == number for name in piece.names)
    ]


def _whole(codes: Sequence[Code], number: int, task: Task, effort: Effort) -> Draft:
    """Take a block as the program, and put in what later blocks define anew."""
    main = codes[number]
    tree = effort.tree(main.code)
    assert tree is not None
    names = {name for piece in main.pieces for name in piece.names}
    old = _statements(task, effort)
    later = [
        piece
        for code in codes[number + 1 :]
        for piece in code.pieces
        if piece.is_definition and piece.names <= names and piece.tree not in old
    ]
    tolerated = [*main.tolerated]
    if not main.block.fenced:
        tolerated.append("no fence")
    source = main.code
    if later:
        merged = merge(source, tree, later, task.entry)
        source = merged.source
        tolerated += ["several blocks", *merged.tolerated]
    elif len(codes) > 1:
        tolerated.append("several blocks")
    return Draft(source=source, form=Form.WHOLE, tolerated=tuple(tolerated))


def _statements(task: Task, effort: Effort) -> set[str]:
    """Dump the parent's statements, to tell what only quotes it."""
    tree = effort.tree(task.parent)
    return {ast.dump(node) for node in tree.body} if tree is not None else set()


def _concatenated(codes: Sequence[Code], joined: Sequence[Piece]) -> Draft:
    """Write the pieces of several blocks as one program, imports first."""
    seen: set[str] = set()
    imports: list[str] = []
    rest: list[str] = []
    for number, piece in enumerate(joined):
        text = "\n".join(piece.lines)
        if piece.is_import:
            if piece.tree not in seen:
                imports.append(text)
                seen.add(piece.tree)
        elif not number and isinstance(piece.node, ast.Expr):
            imports.append(text + "\n")
        elif piece.is_definition:
            rest.append(f"\n\n{text}")
        else:
            rest.append(text)
    imports.sort(key=lambda text: 0 if text.startswith(('"""', "'''")) else 1 if "__future__" in text else 2)
    tolerated = [name for code in codes for name in code.tolerated]
    return Draft(
        source="\n".join([*imports, *rest]) + "\n",
        form=Form.WHOLE,
        tolerated=(*tolerated, "several blocks"),
    )


def _into_parent(codes: Sequence[Code], joined: Sequence[Piece], task: Task, effort: Effort) -> Draft:
    """Merge the pieces of all blocks into the parent by name."""
    tree = effort.tree(task.parent)
    if tree is None:
        raise AnswerError(
            "The answer defines only a part of a program, and the program shown does not parse, so that the part "
            "cannot be put into it. Send the whole program."
        )
    old = _statements(task, effort)
    pieces = [piece for piece in joined if piece.tree not in old]
    merged = merge(task.parent, tree, pieces, task.entry)
    tolerated = [name for code in codes for name in code.tolerated]
    if any(not code.block.fenced for code in codes):
        tolerated.append("no fence")
    if len(codes) > 1:
        tolerated.append("several blocks")
    return Draft(source=merged.source, form=Form.EDIT, tolerated=(*tolerated, *merged.tolerated, "functions merged"))
