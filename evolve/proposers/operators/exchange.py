"""Moves components between programs by the part that they play, where names and parameters differ."""

from __future__ import annotations

import ast

from evolve.proposal import Material, ProposalError
from evolve.proposers.operators.roles import Roles, Step, counterpart, rewritten, roles_of
from evolve.proposers.operators.source import Edit, Program, all_names
from evolve.proposers.operators.task import Change, Task
from evolve.proposers.operators.transplant import accepts_same_calls, pack_luggage, replace_function, survivors, unpack

_DONORS = 4


def by_role(task: Task, material: Material, donor: Program) -> Change:
    """Replace one of the parent's components by the donor's of the same role; the call follows its parameters.

    Raises:
        ProposalError: there is no such pair, or an argument of the donor's has no counterpart in the parent.
    """
    ours, theirs = roles_of(task.parent, task.entry), roles_of(donor, task.entry)
    pairs: list[tuple[Step, Step, str]] = []
    for step in ours.steps:
        other = counterpart(step, theirs.steps)
        if other is None or not _is_replaceable(task.parent, donor, step, other):
            continue
        call = rewritten(
            other.call, donor, theirs, ours, step.statement.lineno, {other.target: step.target} if other.reworks else {}
        )
        if call is not None:
            pairs.append((step, other, call))
    if not pairs:
        raise ProposalError("no component of the same role that differs")
    step, other, call = task.rng.choice(pairs)
    edit = task.parent.replace(step.call, f"{step.function}{call}")
    source = replace_function(task.parent, donor, step.function, task.entry, theirs=other.function, edits=(edit,))
    return Change(
        source=source,
        operator=f"crossover:{step.role}",
        note=f"{other.function} from {material.title} as {step.function}",
        donors=(material.number,),
    )


def _is_replaceable(parent: Program, donor: Program, step: Step, other: Step) -> bool:
    ours, theirs = parent.functions[step.function], donor.functions[other.function]
    if step.function == other.function and accepts_same_calls(ours, theirs):
        return False
    references = sum(
        name.id == step.function for statement in parent.tree.body for name in parent.flow.references(statement)
    )
    return references == 1 and parent.flow.dump(ours) != donor.flow.dump(theirs)


def insert(task: Task) -> Change:
    """Put in a step that reworks what another step made, where the parent has none of that role.

    Raises:
        ProposalError: no donor has such a step, or an argument of it has no counterpart in the parent.
    """
    ours = roles_of(task.parent, task.entry)
    for _ in range(_DONORS):
        material, donor = task.draw_donor()
        theirs = roles_of(donor, task.entry)
        options = [
            (step, place)
            for step in theirs.steps
            if step.reworks and all(step.role != other.role for other in ours.steps)
            for place in _places(task, ours, step)
        ]
        if options:
            step, place = task.rng.choice(options)
            found = _inserted(task, donor, (theirs, ours), step, place)
            if found is not None:
                return Change(
                    source=found,
                    operator=f"insert:{step.role}",
                    note=f"{step.function} from {material.title} after {place.function}",
                    donors=(material.number,),
                )
    raise ProposalError("no reworking step of a donor fits")


def _places(task: Task, ours: Roles, step: Step) -> list[Step]:
    """Steps at the top level of the parent's entry that make or rework what the donor's step reworks."""
    body = task.parent.functions[task.entry].body
    return [other for other in ours.steps if other.base == step.base and other.statement in body]


def _inserted(task: Task, donor: Program, roles: tuple[Roles, Roles], step: Step, place: Step) -> str | None:
    theirs, ours = roles
    parent = task.parent
    line = place.statement.lineno + 1
    call = rewritten(step.call, donor, theirs, ours, line, {step.target: place.target})
    if call is None:
        return None
    present = survivors(parent, task.entry, frozenset(), frozenset())
    luggage = pack_luggage(donor, [step.function], present, {}, all_names(parent))
    name = luggage.renames.get(step.function, step.function)
    value = step.statement.value
    start, end = donor.span(value)
    first, last = donor.span(step.call)
    # What surrounds the call, such as a conversion, comes along if it names nothing else.
    outside = [node for node in ast.walk(value) if isinstance(node, ast.Name) and node not in set(ast.walk(step.call))]
    before, after = (donor.slice(start, first), donor.slice(last, end)) if not outside else ("", "")
    text = f"{parent.indent(place.statement)}{place.target} = {before}{name}{call}{after}\n"
    _, at = parent.lines(place.statement)
    edits = [Edit(start=at, end=at, text=text)]
    return parent.edited([*edits, *unpack(parent, donor, luggage, parent.functions[task.entry])])
