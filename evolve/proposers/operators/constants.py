"""Changes numbers: thresholds, decays, rounds."""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from evolve.proposal import ProposalError
from evolve.proposers.operators.source import Edit, Program
from evolve.proposers.operators.task import Change, Task

SPREAD = 0.35
_NAMED_WEIGHT = 4.0
_STRUCTURAL_SHARE = 0.03
_SHAPE_KEYWORDS = frozenset({"axis", "axes", "dtype", "ndmin", "keepdims", "minlength", "ndim", "shape"})
_SHAPE_CALLS = frozenset({"zeros", "ones", "empty", "full", "reshape", "transpose", "swapaxes", "tile", "repeat"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Number:
    node: ast.Constant
    value: float
    weight: float
    label: str
    structural: bool


def constant(task: Task) -> Change:
    """Perturb one to three numbers: floats by a factor or in logit space, integers by small steps.

    Indices, axes, shapes, and 0, 1 and 2 inside functions hold a program together rather than tune it; they
    are touched rarely.
    """
    structural = task.rng.random() < _STRUCTURAL_SHARE
    numbers = [number for number in _numbers(task.parent) if number.structural == structural]
    if not numbers:
        raise ProposalError("the program has no numbers to tune")
    count = task.rng.choices((1, 2, 3), (6, 3, 1))[0]
    edits: dict[int, Edit] = {}
    notes = []
    for _ in range(count):
        number = task.rng.choices(numbers, [each.weight for each in numbers])[0]
        if id(number.node) not in edits:
            new = perturbed(number.value, task.rng)
            edits[id(number.node)] = task.parent.replace(number.node, new)
            notes.append(f"{number.label} {task.parent.text(number.node)} -> {new}")
    return Change(source=task.parent.edited(edits.values()), operator="constant", note=", ".join(notes))


def perturbed(value: float, rng: Random) -> str:
    """Draw a number near a given one of at least zero, as the text of a literal of the same type."""
    if isinstance(value, int):
        steps = [value + step for step in (-2, -1, 1, 2) if value + step > 0]
        steps += [value * 2] if value else []
        steps += [value // 2] if value > 3 else []
        return str(rng.choice(steps))
    if value == 0:
        return _float_text(rng.choice((0.01, 0.05, 0.2, 0.5)))
    if value < 1:
        odds = value / (1 - value) * math.exp(rng.gauss(0, 2 * SPREAD))
        return _float_text(odds / (1 + odds))
    return _float_text(value * math.exp(rng.gauss(0, SPREAD)))


def _float_text(value: float) -> str:
    text = f"{value:.3g}"
    if value < 1 <= float(text):
        text = f"{value:.6g}"
    return text if any(mark in text for mark in ".en") else f"{text}.0"


def _numbers(program: Program) -> Iterator[_Number]:
    for statement in program.tree.body:
        if isinstance(statement, ast.FunctionDef):
            for part in [*statement.args.defaults, *statement.body]:
                yield from _below(part, f"in {statement.name}:", statement.name, structural=False)
        elif isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None:
            target = statement.targets[0] if isinstance(statement, ast.Assign) else statement.target
            name = target.id if isinstance(target, ast.Name) else "constant"
            yield from _below(statement.value, name, None, structural=False)


def _below(node: ast.AST, label: str, owner: str | None, *, structural: bool) -> Iterator[_Number]:
    """Walk down; `owner` is the function around, None for a top-level constant."""
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool) and math.isfinite(value):
            small = owner is not None and isinstance(value, int) and value <= 2
            weight = 1.0 if owner is not None else _NAMED_WEIGHT
            yield _Number(node=node, value=value, weight=weight, label=label, structural=structural or small)
        case ast.keyword(arg=str(name), value=value):
            shape = structural or name in _SHAPE_KEYWORDS
            yield from _below(value, f"in {owner}: {name}", owner, structural=shape)
        case ast.Subscript(value=value, slice=index):
            yield from _below(value, label, owner, structural=structural)
            # How many of the last items to look at is worth tuning; other indices are structure.
            recent = isinstance(index, ast.Slice) and isinstance(index.lower, ast.UnaryOp)
            yield from _below(index, label, owner, structural=structural or not recent)
        case ast.Call(func=ast.Attribute(attr=name)) if name in _SHAPE_CALLS:
            for child in ast.iter_child_nodes(node):
                yield from _below(child, label, owner, structural=True)
        case ast.Assign(targets=[ast.Name(id=name)], value=value) if owner is not None:
            yield from _below(value, f"in {owner}: {name}", owner, structural=structural)
        case ast.Expr(value=ast.Constant()):
            return
        case _:
            for child in ast.iter_child_nodes(node):
                yield from _below(child, label, owner, structural=structural)
