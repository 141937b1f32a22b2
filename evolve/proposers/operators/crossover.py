"""Exchanges whole functions between programs: components (`crossover`) or the composition (`adopt`)."""

from __future__ import annotations

import ast

from evolve.proposal import ProposalError
from evolve.proposers.operators.exchange import by_role
from evolve.proposers.operators.source import Program
from evolve.proposers.operators.task import Change, Task
from evolve.proposers.operators.transplant import accepts_same_calls, replace_function

_COMPONENTS_SHARE = 0.4
_ROLE_SHARE = 0.3


def shared_components(parent: Program, donor: Program, entry: str) -> list[str]:
    """Name the functions below the entry that both programs define, with the same parameters."""
    return [
        name
        for name, function in parent.functions.items()
        if name != entry and name in donor.functions and accepts_same_calls(function, donor.functions[name])
    ]


def crossover(task: Task) -> Change:
    """Replace a component of the parent by the donor's, with all that it needs.

    Components correspond by name and parameters, or else by role, see `exchange`.
    """
    material, donor = task.draw_donor()
    names = [
        name
        for name in shared_components(task.parent, donor, task.entry)
        if not _same_meaning(task.parent, donor, name)
    ]
    if not names or task.rng.random() < _ROLE_SHARE:
        try:
            return by_role(task, material, donor)
        except ProposalError:
            if not names:
                raise
    name = task.rng.choice(names)
    return Change(
        source=replace_function(task.parent, donor, name, task.entry),
        operator=f"crossover:{name}",
        note=f"{name} from {material.title}",
        donors=(material.number,),
    )


def adopt(task: Task) -> Change:
    """Take the donor's entry and keep the parent's components, or take the components and keep the entry."""
    material, donor = task.draw_donor()
    if task.entry not in donor.functions or task.entry not in task.parent.functions:
        raise ProposalError("a program without entry")
    if task.rng.random() < _COMPONENTS_SHARE:
        giver, receiver = task.parent, donor
        operator, note = "adopt:components", f"all components from {material.title}"
    else:
        giver, receiver = donor, task.parent
        operator, note = f"adopt:{task.entry}", f"{task.entry} from {material.title}"
    entry = giver.functions[task.entry]
    if ast.dump(entry) == ast.dump(receiver.functions[task.entry]):
        raise ProposalError("both programs are composed alike")
    called = {node.id for node in giver.flow.references(entry)}
    kept = frozenset(name for name in shared_components(receiver, giver, task.entry) if name in called)
    return Change(
        source=replace_function(receiver, giver, task.entry, task.entry, kept=kept),
        operator=operator,
        note=note,
        donors=(material.number,),
    )


def _same_meaning(parent: Program, donor: Program, name: str) -> bool:
    """Say whether two functions read the same and so do the things that they refer to directly."""
    ours, theirs = parent.functions[name], donor.functions[name]
    if parent.flow.dump(ours) != donor.flow.dump(theirs):
        return False
    first, second = parent.bindings, donor.bindings
    names = {node.id for node in parent.flow.references(ours)}
    return all(
        ast.dump(first[each]) == ast.dump(second[each]) if each in first and each in second else each not in second
        for each in names
    )
