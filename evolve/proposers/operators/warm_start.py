"""Starts from what an optional argument carries over instead of computing afresh."""

from __future__ import annotations

import ast

from evolve.proposal import ProposalError
from evolve.proposers.operators.dataflow import reads, returned
from evolve.proposers.operators.task import Change, Option, Task, draw, one_line

_COPY_SHARE = 0.85


def warm_start(task: Task) -> Change:
    """Turn `x = E` in the entry into `x = P if P is not None else E` for an optional parameter P.

    x must be what the entry returns in the end, which is what is carried from call to call; and P is mostly
    copied, because arguments may be read-only.
    """
    entry = task.parent.functions.get(task.entry)
    if entry is None:
        raise ProposalError("a program without entry")
    results = {name for value in returned(entry) for name in reads(value)}
    options = []
    for parameter in sorted(task.optional_parameters):
        carried = f"{parameter}.copy()" if task.rng.random() < _COPY_SHARE else parameter
        for statement in entry.body:
            match statement:
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    pass
                case _:
                    continue
            if name not in results or parameter in reads(value) or isinstance(value, ast.Constant):
                continue
            weight = 1.0 if name in reads(value) else 8.0
            fresh = task.parent.text(value)
            text = f"{carried} if {parameter} is not None else {fresh}"
            if value.end_lineno != value.lineno:
                text = f"({text})"
            note = f"{name} starts from {parameter} instead of {one_line(fresh)}"
            options.append(Option(weight=weight, edits=(task.parent.replace(value, text),), note=note))
    chosen = draw(task.rng, options, "assignment in the entry that could start from an optional parameter")
    return Change(source=task.parent.edited(chosen.edits), operator="warm_start", note=chosen.note)
