"""Changes numbers: thresholds, decays, rounds."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from random import Random

from evolve.proposal import ProposalError
from evolve.proposers.operators.schedule import is_kernel
from evolve.proposers.operators.source import Edit, Program
from evolve.proposers.operators.task import Change, Task
from evolve.proposers.tuner.marks import Mark, read_marks
from evolve.proposers.tuner.space import Kind, Space, literal, same

SPREAD = 0.35
_MARKED_WEIGHT = 6.0
_NEAR = 0.15
_ANYWHERE_SHARE = 0.1
_REDRAWS = 8
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Spot:
    """A literal that may change: its place in bytes, how often it is chosen, and how another value is drawn."""

    start: int
    end: int
    weight: float
    label: str
    fresh: Callable[[Random], str]


def constant(task: Task) -> Change:
    """Perturb one to three numbers: floats by a factor or in logit space, integers by small steps.

    A constant that is marked for tuning keeps its kind and stays in its range. Indices, axes, shapes, and 0, 1 and 2
    inside functions hold a program together rather than tune it; they are touched rarely. So do all numbers inside the
    functions of a Triton module, which are never touched.
    """
    structural = task.rng.random() < _STRUCTURAL_SHARE and not is_kernel(task.parent)
    spots = _spots(task.parent, structural=structural)
    if not spots:
        raise ProposalError("the program has no numbers to tune")
    count = task.rng.choices((1, 2, 3), (6, 3, 1))[0]
    edits: dict[int, Edit] = {}
    notes = []
    for _ in range(count):
        spot = task.rng.choices(spots, [each.weight for each in spots])[0]
        if spot.start not in edits:
            new = spot.fresh(task.rng)
            edits[spot.start] = Edit(start=spot.start, end=spot.end, text=new)
            notes.append(f"{spot.label} {task.parent.slice(spot.start, spot.end)} -> {new}")
    return Change(
        source=task.parent.edited(edits.values()), operator="constant", note=", ".join(notes), may_orphan=False
    )


def _spots(program: Program, *, structural: bool) -> list[_Spot]:
    """List the marked constants, and the numbers beside them that are structural or not."""
    marks = program.once("marks", lambda: read_marks(program.source))
    spots = []
    for number in program.once("numbers", lambda: tuple(_numbers(program))):
        start, end = program.span(number.node)
        if number.structural == structural and not any(mark.start <= start < mark.end for mark in marks):
            fresh = partial(perturbed, number.value)
            spots.append(_Spot(start=start, end=end, weight=number.weight, label=number.label, fresh=fresh))
    if not structural:
        spots += [
            _Spot(start=mark.start, end=mark.end, weight=_MARKED_WEIGHT, label=mark.key, fresh=partial(redrawn, mark))
            for mark in marks
        ]
    return spots


def redrawn(mark: Mark, rng: Random) -> str:
    """Draw another value for a marked constant, as the text of a literal: another choice, or a number near by."""
    space = mark.space
    if space.kind is Kind.CHOICE:
        return literal(rng.choice([choice for choice in space.choices if not same(choice, mark.value)]))
    assert isinstance(mark.value, int | float)
    for _ in range(_REDRAWS):
        near = space_share(space, mark.value) + rng.gauss(0, _NEAR)
        share = rng.random() if rng.random() < _ANYWHERE_SHARE else near
        value = space.nearest(_at_share(space, share), mark.value)
        if not same(value, mark.value):
            return literal(value)
    # A coarse range: the neighbour on the other side of a bound.
    step = space.step if mark.value + space.step <= space.high else -space.step
    return literal(space.nearest(mark.value + step, mark.value))


def space_share(space: Space, value: float) -> float:
    """Where in its range a number lies, from 0 to 1; by factors where the mark says so."""
    if space.log:
        return math.log(value / space.low) / math.log(space.high / space.low)
    return (value - space.low) / (space.high - space.low)


def _at_share(space: Space, share: float) -> float:
    inside = min(1.0, max(0.0, share))
    if space.log:
        return float(space.low * (space.high / space.low) ** inside)
    return space.low + inside * (space.high - space.low)


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
            if is_kernel(program):
                continue
            for part in [*statement.args.defaults, *statement.body]:
                yield from _below(part, f"in {statement.name}:", statement.name, structural=False)
        elif isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None:
            target = statement.targets[0] if isinstance(statement, ast.Assign) else statement.target
            name = target.id if isinstance(target, ast.Name) else "constant"
            yield from _below(statement.value, name, None, structural=False)


def _is_tunable(value: float) -> bool:
    # An integer may be finite and yet too large for `isfinite`, which turns it into a float first.
    return not isinstance(value, bool) and (isinstance(value, int) or math.isfinite(value))


def _below(node: ast.AST, label: str, owner: str | None, *, structural: bool) -> Iterator[_Number]:
    """Walk down; `owner` is the function around, None for a top-level constant."""
    match node:
        case ast.Constant(value=int() | float() as value) if _is_tunable(value):
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
