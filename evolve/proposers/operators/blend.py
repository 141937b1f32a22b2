"""Mixes the parent's and the donor's version of a component by a weight, or takes the larger of the two."""

from __future__ import annotations

import ast

from evaluators.program import global_references
from evolve.proposal import ProposalError
from evolve.proposers.operators.crossover import shared_components
from evolve.proposers.operators.dataflow import Flow, looks_float, returned
from evolve.proposers.operators.source import Edit, Program, all_names, fresh_name
from evolve.proposers.operators.task import Change, Task
from evolve.proposers.operators.transplant import pack_luggage, survivors, unpack, written

_LARGER_SHARE = 0.25


def blend(task: Task) -> Change:
    """Keep both versions of a numeric function under new names and return a mixture of what they return."""
    material, donor = task.draw_donor()
    parent = task.parent
    names = [
        name
        for name in shared_components(parent, donor, task.entry)
        if _is_numeric(parent.functions[name])
        and _is_numeric(donor.functions[name])
        and ast.dump(parent.functions[name]) != ast.dump(donor.functions[name])
    ]
    if not names:
        raise ProposalError("no numeric component that differs")
    name = task.rng.choice(names)
    function, other = parent.functions[name], donor.functions[name]
    taken = all_names(parent) | all_names(donor)
    first = fresh_name(f"{name}_a", taken)
    second = fresh_name(f"{name}_b", taken | {first})
    weight_name = fresh_name(f"{name.upper()}_MIX", taken)
    weight = task.rng.choice((0.2, 0.35, 0.5, 0.65, 0.8))

    present = survivors(parent, task.entry, frozenset(), frozenset())
    references = list(global_references(other))
    luggage = pack_luggage(donor, (node.id for node in references), present, {name: second}, taken)
    ours = written(parent, function, {name: first}, list(global_references(function)))
    theirs = written(donor, other, luggage.renames, references)
    numpy = parent.module_alias("numpy")
    larger = numpy is not None and task.rng.random() < _LARGER_SHARE
    mixed, constant = _mixture(parent, function, (first, second), weight_name, f"{numpy}.maximum" if larger else None)
    start, end = parent.lines(function)
    edits = [Edit(start=start, end=end, text=f"{ours}\n\n{theirs}\n\n{mixed}")]
    edits += unpack(parent, donor, luggage, function)
    if constant:
        edits.append(_constant_edit(parent, function, f"{weight_name} = {weight}\n"))
    what = "larger of both" if larger else f"{weight_name} = {weight}"
    return Change(
        source=parent.edited(edits),
        operator=f"blend:{name}",
        note=f"{name} mixed with that of {material.title}: {what}",
        donors=(material.number,),
    )


def _is_numeric(function: ast.FunctionDef) -> bool:
    arguments = function.args
    plain = not (arguments.vararg or arguments.kwarg or arguments.kwonlyargs)
    values = returned(function)
    flow = Flow()
    return plain and bool(values) and all(looks_float(value, function, flow) for value in values)


def _mixture(
    parent: Program, function: ast.FunctionDef, parts: tuple[str, str], weight: str, larger: str | None
) -> tuple[str, bool]:
    """Write the function that combines the two parts; the flag says whether it needs the weight."""
    start, _ = parent.span(function)
    body_start, _ = parent.span(function.body[0])
    head = parent.slice(start, body_start).rstrip()
    call = f"({', '.join(argument.arg for argument in [*function.args.posonlyargs, *function.args.args])})"
    if larger is None:
        docstring = f"Mix {parts[0]} and {parts[1]}."
        value = f"{weight} * {parts[0]}{call} + (1 - {weight}) * {parts[1]}{call}"
    else:
        docstring = f"Take the larger of {parts[0]} and {parts[1]}, element by element."
        value = f"{larger}({parts[0]}{call}, {parts[1]}{call})"
    return f'{head}\n    """{docstring}"""\n    return {value}\n', larger is None


def _constant_edit(parent: Program, function: ast.FunctionDef, text: str) -> Edit:
    """Define the weight above the first function."""
    first = next(iter(parent.functions.values()), function)
    start, _ = parent.lines(first)
    return Edit(start=start, end=start, text=f"{text}\n\n")
