"""A program from the code of an answer that holds no edits."""

from __future__ import annotations

from collections.abc import Sequence

from evolve.proposers.llm.answers.choosing import from_blocks
from evolve.proposers.llm.answers.fences import broken_line, loose_blocks
from evolve.proposers.llm.answers.model import AnswerError, Block, Draft, Task
from evolve.proposers.llm.answers.parsing import Effort

_BROKEN = (
    "The program does not parse: its code stops making sense at {}. If the answer was cut off there, be shorter, or "
    "send edits only; put code into one ```python block."
)


def from_code(
    blocks: list[Block], lines: Sequence[str], task: Task, effort: Effort, *, how: str
) -> tuple[Draft, list[Block]]:
    """Make a program of fenced code, else of the code outside of fences, else of the whole answer.

    Args:
        blocks: the fenced ones.
        lines: the answer.
        task: what it is read for.
        effort: bounds the work.
        how: tells the model how to answer.

    Raises:
        AnswerError: there is none, or it does not parse.
    """
    draft = from_blocks(blocks, task, effort) if blocks else None
    reason = ""
    bare = ["" if line.lstrip().startswith(("```", "~~~")) else line for line in lines]
    # A line of backticks can be text of a docstring; first they stay.
    for version in [lines, bare] if bare != lines else [lines]:
        if draft is None:
            blocks = loose_blocks(version, effort)
            broken = broken_line(version, blocks)
            reason = _BROKEN.format(repr(broken[:200])) if broken else ""
            draft = from_blocks(blocks, task, effort) if blocks and not broken else None
    text = "\n".join(lines).strip("\n")
    if draft is None and f"def {task.entry}" in text:
        blocks = [Block(info="", code=text, start=0, end=len(lines), fenced=False)]
        try:
            draft = from_blocks(blocks, task, effort)
        except AnswerError as error:
            reason = reason or str(error)
    if draft is None:
        first = next((line.strip() for line in lines if line.strip()), "")
        nothing = f"The answer holds no program and no edit; it begins with {first[:120]!r}. {how}"
        raise AnswerError(reason or nothing)
    return draft, blocks
