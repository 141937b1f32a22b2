"""Reading an answer: clean it, find edits or code, apply or merge, check the program."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from evaluators.region import RegionError, change_outside, has_regions
from evolve.proposers.llm.answers.applying import apply_edits
from evolve.proposers.llm.answers.characters import straighten
from evolve.proposers.llm.answers.choosing import from_blocks
from evolve.proposers.llm.answers.cleaning import clean
from evolve.proposers.llm.answers.coding import from_code
from evolve.proposers.llm.answers.diffs import diff_edits
from evolve.proposers.llm.answers.ending import refuse_cut, refuse_lost_ends, refuse_open_end
from evolve.proposers.llm.answers.fences import fenced_blocks
from evolve.proposers.llm.answers.markers import marked_edits
from evolve.proposers.llm.answers.model import Answer, AnswerError, Block, Draft, Edit, Form, Found, Task
from evolve.proposers.llm.answers.parsing import Effort
from evolve.proposers.llm.answers.pieces import binds, dead_additions, missing_names
from evolve.proposers.llm.answers.regions import restored
from evolve.proposers.llm.answers.saying import is_own_line, one_line, paradigm_of, summary_of
from evolve.proposers.llm.answers.structured import Structured, json_answer
from evolve.proposers.llm.answers.tagged import tagged_edits

_HOW = {
    Form.EDIT: "Send blocks of <<<<<<< SEARCH, the old lines, =======, the new lines, >>>>>>> REPLACE.",
    Form.WHOLE: "Send the whole program in one ```python block.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """A draft, and what the model says beside it."""

    draft: Draft
    summary: str
    paradigm: str


def read_answer(
    text: str, *, parent: str, entry: str, wanted: Form, template: str | None = None, cut: bool = False
) -> Answer:
    """Read the program that an answer means.

    Args:
        text: all that the model returned.
        parent: the program that it was shown.
        entry: name of the function that the program must define at top level.
        wanted: what the model was asked for; the other form is taken as well.
        template: a program whose text outside of its marked regions must stay, or None.
        cut: whether the server said that the answer ended at its longest length; then nothing that runs to
            its end without a closing line is taken.

    Raises:
        AnswerError: no program, not a clear one, the same one, one that may be cut off, or one that changes
            what must stay.
    """
    if not text.strip():
        raise AnswerError(f"The answer is empty. {_HOW[wanted]}")
    parent = parent.replace("\r\n", "\n").replace("\r", "\n")
    task = Task(parent=parent, entry=entry, wanted=wanted, template=template, cut=cut)
    try:
        cleaned = clean(text, parent, cut=cut)
        if "giant answer" in cleaned.tolerated:
            task = replace(task, cut=True)
        reading = _read(cleaned.text, task, Effort(), nested=False)
        source, tolerated = _checked(reading.draft, task)
    except RecursionError as error:
        raise AnswerError("The program is nested too deeply to be read. Write it more plainly.") from error
    except RegionError as error:
        raise AnswerError(f"The regions that may change are not marked in pairs: {error}.") from error
    return Answer(
        source=source,
        summary=reading.summary,
        paradigm=reading.paradigm,
        form=reading.draft.form,
        tolerated=tuple(dict.fromkeys([*cleaned.tolerated, *tolerated])),
    )


def _read(text: str, task: Task, effort: Effort, *, nested: bool) -> _Reading:
    """Find the first form that the answer has: marked edits, JSON, tagged edits, diffs, code."""
    known = set(task.parent.split("\n"))
    said = text.split("\n")
    lines = ["" if is_own_line(line) and line not in known else line for line in said]
    body = "\n".join(lines)
    parent_lines = task.parent.split("\n")
    found = marked_edits(lines, parent_lines)
    blocks = fenced_blocks(lines, effort) if found is None else _outside(lines, found.taken, effort)
    structured = json_answer(lines, blocks) if found is None and not nested else None
    if structured is not None:
        blocks = [block for block in blocks if not structured.taken & set(range(block.start, block.end))]
        if structured.text and (structured.is_clear or not blocks):
            return _inner(structured, said, task, effort)
        if structured.edits:
            found = Found(edits=structured.edits, taken=structured.taken, tolerated=("JSON",))
    found = found or tagged_edits(body)
    found = found or diff_edits(lines, blocks, parent_lines)
    if found is not None:
        blocks = [block for block in blocks if not found.taken & set(range(block.start, block.end))]
        draft = _from_edits(found, blocks, task, effort)
    else:
        draft, blocks = from_code(blocks, lines, task, effort, how=_HOW[task.wanted])
    taken = set(found.taken if found else ()).union(*(range(block.start, block.end) for block in blocks))
    if task.cut and not all(block.fenced for block in blocks):
        refuse_cut("code that no fence closes")
    if task.cut:
        refuse_open_end(lines, taken, complete=structured.taken if structured else frozenset())
    return _said(draft, said, taken, structured)


def _said(draft: Draft, said: Sequence[str], taken: Collection[int], structured: Structured | None) -> _Reading:
    """Add what the model says beside its code."""
    prose = [line for number, line in enumerate(said) if number not in taken]
    return _Reading(
        draft=draft,
        summary=one_line(structured.summary) if structured and structured.summary else summary_of(said, prose),
        paradigm=one_line(structured.paradigm) if structured and structured.paradigm else paradigm_of(said),
    )


def _inner(structured: Structured, said: Sequence[str], task: Task, effort: Effort) -> _Reading:
    """Read the answer that stands inside of JSON."""
    inner = _read(structured.text, replace(task, cut=False), effort, nested=True)
    tolerated = ("JSON", *(name for name in inner.draft.tolerated if name != "no fence"))
    around = _said(replace(inner.draft, tolerated=tolerated), said, structured.taken, structured)
    return replace(around, summary=around.summary or inner.summary, paradigm=around.paradigm or inner.paradigm)


def _outside(lines: Sequence[str], taken: Collection[int], effort: Effort) -> list[Block]:
    """Find fenced blocks beside edits."""
    rest = ["" if number in taken else line for number, line in enumerate(lines)]
    return [block for block in fenced_blocks(rest, effort) if block.code.strip()]


def _from_edits(found: Found, blocks: Sequence[Block], task: Task, effort: Effort) -> Draft:
    """Apply edits; where that fails, take a whole program that stands beside them."""
    try:
        return _edited(found, blocks, task, effort)
    except AnswerError:
        draft = _whole_beside(blocks, task, effort)
        if draft is None:
            raise
        return draft


def _whole_beside(blocks: Sequence[Block], task: Task, effort: Effort) -> Draft | None:
    try:
        draft = from_blocks(blocks, task, effort) if blocks else None
    except AnswerError:
        return None
    if draft is None or draft.form is not Form.WHOLE or _same(draft.source, task.parent):
        return None
    return replace(draft, tolerated=(*draft.tolerated, "program beside edits that failed"))


def _edited(found: Found, blocks: Sequence[Block], task: Task, effort: Effort) -> Draft:
    searching = [edit for edit in found.edits if any(line.strip() for line in edit.search)]
    adding = [edit for edit in found.edits if edit not in searching and any(line.strip() for line in edit.replace)]
    if not searching and not adding:
        raise AnswerError(f"The edits are empty. {_HOW[Form.EDIT]}")
    draft = Draft(source=task.parent, form=Form.EDIT, tolerated=found.tolerated)
    if searching:
        draft = _applied(searching, draft, effort)
    for edit in adding:
        draft = _added(edit, draft, task, effort)
    tree = effort.tree(draft.source)
    before = effort.tree(task.parent)
    if not found.closed and tree is not None and before is not None:
        refuse_lost_ends(tree, before)
    if blocks and tree is not None and before is not None and missing_names(tree.body) - missing_names(before.body):
        now = replace(task, parent=draft.source, wanted=Form.EDIT)
        more = from_blocks(blocks, now, effort)
        if more is not None and more.form is Form.EDIT:
            draft = replace(more, tolerated=(*draft.tolerated, *more.tolerated))
    return draft


def _applied(edits: Sequence[Edit], draft: Draft, effort: Effort) -> Draft:
    """Apply edits, mending the characters and tabs of the new lines if the program does not parse otherwise."""
    plain = apply_edits(edits, draft.source)
    best = plain
    extra: list[str] = []
    repairs: tuple[tuple[str, Callable[[str], str]], ...] = (
        ("typographic characters", straighten),
        ("tabs", lambda text: text.expandtabs(4)),
    )
    for name, repair in repairs:
        if effort.tree(best.source) is not None:
            break
        mended = [replace(edit, replace=tuple(repair("\n".join(edit.replace)).split("\n"))) for edit in edits]
        if mended == list(edits):
            continue
        edits = mended
        extra.append(name)
        best = apply_edits(edits, draft.source)
    return Draft(source=best.source, form=draft.form, tolerated=(*draft.tolerated, *best.tolerated, *extra))


def _added(edit: Edit, draft: Draft, task: Task, effort: Effort) -> Draft:
    """Add the lines of an edit that searches for nothing: a whole program, functions, or lines at the end."""
    block = Block(info="", code="\n".join(edit.replace), start=0, end=0)
    made = from_blocks([block], replace(task, parent=draft.source), effort)
    if made is None:
        raise AnswerError(
            f"{edit.name.capitalize()} does not say where its lines go, and they are no function, import or constant. "
            "None of the edits was applied. Give the lines that they follow or replace."
        )
    form = made.form if draft.source == task.parent else Form.EDIT
    return Draft(source=made.source, form=form, tolerated=(*draft.tolerated, "empty search", *made.tolerated))


def _checked(draft: Draft, task: Task) -> tuple[str, tuple[str, ...]]:
    """Check that a program keeps the frozen text, parses, defines the entry and is new."""
    source = draft.source.strip("\n").rstrip() + "\n"
    tolerated = draft.tolerated
    effort = Effort()
    parsed = effort.parse(source)
    if parsed.tree is None:
        lines = source.split("\n")
        text = lines[parsed.line - 1].strip()[:200] if 0 < parsed.line <= len(lines) else ""
        where = f"line {parsed.line} ({text!r}): " if parsed.line else ""
        how = "with the edits applied " if draft.form is Form.EDIT else ""
        raise AnswerError(f"The program {how}does not parse: {where}{parsed.message}.")
    if task.entry and not binds(parsed.tree, task.entry):
        raise AnswerError(f"The program does not define the function {task.entry} at top level. Define it.")
    if task.template is not None and has_regions(task.template):
        kept = restored(source, task.template)
        if kept is None:
            raise AnswerError(_outside_reason(source, task.template))
        if kept != source:
            tolerated = (*tolerated, "frozen text restored")
        source = kept
    if _same(source, task.parent):
        raise AnswerError("The answer changes nothing: the program is the same as the one shown. Change it.")
    before = effort.tree(task.parent)
    dead = dead_additions(parsed.tree, before) if before is not None else set()
    if dead:
        raise AnswerError(
            f"The answer changes nothing: it only adds {', '.join(sorted(dead)[:5])}, which the program never uses. "
            "Change what runs."
        )
    return source, tolerated


def _outside_reason(source: str, template: str) -> str:
    try:
        change = change_outside(source, template)
    except RegionError as error:
        change = str(error)
    return (
        f"The answer {change}. Only the lines between # EVOLVE-BLOCK-START and # EVOLVE-BLOCK-END may change; "
        "keep all others, markers included, as they are, and put new imports and functions inside. Nothing was applied."
    )


def _same(source: str, parent: str) -> bool:
    """Say whether two programs are the same up to blank space at line ends and blank lines."""
    first, second = ([line.rstrip() for line in text.split("\n") if line.strip()] for text in (source, parent))
    return first == second
