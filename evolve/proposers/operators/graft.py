"""Inserts one statement of another program's function into the parent's function of the same name."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from evolve.proposal import Material, ProposalError
from evolve.proposers.operators.dataflow import BUILTINS, Flow, is_docstring
from evolve.proposers.operators.source import Edit, Program, all_names, indented
from evolve.proposers.operators.task import Change, Task, one_line
from evolve.proposers.operators.transplant import (
    accepts_same_calls,
    clearing,
    pack_luggage,
    survivors,
    unpack,
    written,
)

_ENTRY_SHARE = 0.8
_DONORS = 5
_REPEAT_WEIGHT = 0.1
_OVERWRITE_WEIGHT = 0.15


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """A statement of the donor, and the parent's statement in front of which it fits."""

    function: str
    statement: ast.stmt
    references: tuple[ast.Name, ...]
    before: ast.stmt
    weight: float


def graft(task: Task) -> Change:
    """Insert a statement where all that it reads is defined and something that it sets is read later."""
    material, donor, place = _draw_place(task)
    present = survivors(task.parent, task.entry, frozenset(), frozenset())
    renames = {}
    for name in sorted({node.id for node in place.references}):
        ours, theirs = task.parent.bindings.get(name), donor.bindings.get(name)
        if ours is not None and theirs is not None and accepts_same_calls(ours, theirs) and task.rng.random() < 0.5:
            renames[name] = name
    taken = all_names(task.parent)
    luggage = pack_luggage(donor, (node.id for node in place.references), present, renames, taken)
    body = written(donor, place.statement, luggage.renames, place.references)
    start, _ = task.parent.lines(place.before)
    text = indented(body, donor.indent(place.statement), task.parent.indent(place.before))
    anchor = task.parent.functions[place.function]
    edits = [Edit(start=start, end=start, text=text), *unpack(task.parent, donor, luggage, anchor)]
    edits += clearing(task.parent, present, anchor)
    code = one_line(text.splitlines()[-1] if isinstance(place.statement, ast.Assign) else ast.unparse(place.statement))
    return Change(
        source=task.parent.edited(edits),
        operator=f"graft:{place.function}",
        note=f"{code} from {material.title}",
        donors=(material.number,),
    )


def _draw_place(task: Task) -> tuple[Material, Program, _Place]:
    """Look for a place in the entry, where whole steps can be added, and in its components now and then.

    Raises:
        ProposalError: the donors looked at have no statement that fits.
    """
    in_entry = task.rng.random() < _ENTRY_SHARE
    for _ in range(_DONORS):
        material, donor = task.draw_donor()
        places = [place for place in _places(task.parent, donor) if (place.function == task.entry) == in_entry]
        if places:
            place = task.rng.choices(places, [each.weight for each in places])[0]
            return material, donor, place
    raise ProposalError("no statement of the donors fits")


def _places(parent: Program, donor: Program) -> Iterator[_Place]:
    for name, function in parent.functions.items():
        source = donor.functions.get(name)
        if source is None:
            continue
        flow, theirs = parent.flow, donor.flow
        ours = flow.dump(function)
        globals_read = theirs.references(source)
        for statement in source.body:
            # A step builds on what it changes; anything else throws away what the parent has computed.
            is_step = bool(theirs.changes(statement) & theirs.reads(statement))
            repeated = theirs.dump(getattr(statement, "value", statement)) in ours
            if not _is_movable(statement) or (repeated and not is_step):
                continue
            nodes = {id(node) for node in theirs.walk(statement)}
            references = tuple(node for node in globals_read if id(node) in nodes)
            weight = (_REPEAT_WEIGHT if repeated else 1.0) * (1.0 if is_step else _OVERWRITE_WEIGHT)
            for before in function.body:
                if not is_docstring(before) and _fits(statement, before, function, (parent, donor), references):
                    yield _Place(
                        function=name,
                        statement=statement,
                        references=references,
                        before=before,
                        weight=weight,
                    )


def _is_movable(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Assign | ast.AugAssign):
        return True
    return isinstance(statement, ast.If | ast.For) and not any(
        isinstance(node, ast.Return) for node in ast.walk(statement)
    )


def _fits(
    statement: ast.stmt,
    before: ast.stmt,
    function: ast.FunctionDef,
    programs: tuple[Program, Program],
    references: tuple[ast.Name, ...],
) -> bool:
    parent, donor = programs
    defined = parent.flow.bound_before(function, before.lineno)
    globals_read = {node.id for node in references}
    if globals_read & (defined | parent.flow.binds(function)):
        return False
    own = donor.flow.binds(statement) if isinstance(statement, ast.If | ast.For) else frozenset()
    local_reads = donor.flow.reads(statement) - globals_read - own
    if not local_reads <= defined or not globals_read <= donor.bindings.keys() | BUILTINS:
        return False
    return bool(_alive_after(before, function, parent.flow) & donor.flow.changes(statement))


def _alive_after(before: ast.stmt, function: ast.FunctionDef, flow: Flow) -> set[str]:
    """Name what the rest of the function reads before it binds it anew."""
    alive: set[str] = set()
    bound: set[str] = set()
    for statement in function.body[function.body.index(before) :]:
        alive |= flow.reads(statement) - bound
        if isinstance(statement, ast.Assign | ast.AnnAssign):
            bound |= flow.binds(statement)
    return alive
