"""Changes to floating-point expressions and masks that keep their kind and their broadcast shape, as far as is known.

Integers mostly count, index and give sizes, so a change to one seldom leaves a program that runs; floating-point
numbers rank and weigh, and there a program that ran still runs.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from evolve.proposers.operators.kinds import Kinds
from evolve.proposers.operators.numerics import BOOL, FLOAT, Kind
from evolve.proposers.operators.source import Program
from evolve.proposers.operators.task import Option, one_line

_KEYED = frozenset({"argsort", "argmax", "argmin", "argpartition", "lexsort", "sort"})
_SURE, _LIKELY = 1.0, 0.03
_FACTORS = (0.5, 0.8, 0.9, 1.1, 1.25, 2.0)


def expressions(program: Program) -> Iterator[tuple[ast.FunctionDef, ast.expr]]:
    """Yield every expression in a function's body; annotations, defaults and docstrings do not count."""
    for function in program.functions.values():
        for statement in function.body:
            for node in program.flow.walk(statement):
                if isinstance(node, ast.expr):
                    yield function, node


def alike(
    program: Program, kinds: Kinds, function: ast.FunctionDef, node: ast.expr, kind: Kind
) -> Iterator[tuple[str, float]]:
    """Yield the names bound before a place that hold what `kind` says; the figure is how sure that is."""
    used = program.flow.reads(node)
    for name in sorted(program.flow.bound_before(function, node.lineno) - used):
        other = kinds.of_name(function.name, name)
        if kind.like(other):
            yield name, _SURE
        elif other.dtype == kind.dtype != "" and (other.shape is None or kind.shape is None):
            yield name, _LIKELY * (other.shape != () and kind.shape != ())


def weighed(program: Program, kinds: Kinds) -> Iterator[Option]:
    """Weigh one term of a sum or difference of floating-point numbers by a factor near 1."""
    for function, node in expressions(program):
        if not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub)):
            continue
        if kinds.of(node).dtype != FLOAT or kinds.of(node.right).dtype != FLOAT:
            continue
        old = program.text(node.right)
        for factor in _FACTORS:
            text = f"{factor} * ({old})"
            note = f"in {function.name}: {one_line(program.text(node), 40)}: {one_line(text, 30)}"
            yield Option(weight=0.3, edits=(program.replace(node.right, text),), note=note)


def key(program: Program, kinds: Kinds) -> Iterator[Option]:
    """Sort, or choose the largest, by a key with another value of the same kind mixed in, or bent by a power."""
    numpy = program.module_alias("numpy")
    for function, node in expressions(program):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=module), attr=name), args=[old, *_]):
                pass
            case _:
                continue
        kind = kinds.of(old)
        if module != numpy or name not in _KEYED or kind.dtype != FLOAT or kind.shape == ():
            continue
        text = program.text(old)
        forms = [
            (f"({text}) + {share} * {other}", sure)
            for other, sure in alike(program, kinds, function, old, kind)
            if sure == _SURE
            for share in (-0.1, 0.1, 0.5)
        ]
        forms += [(f"{numpy}.round({text}, {digits})", 0.2) for digits in (-1, 1)]
        for form, weight in forms:
            note = f"in {function.name}: {name} by {one_line(form)}"
            yield Option(weight=weight, edits=(program.replace(old, form),), note=note)


def mixed(program: Program, kinds: Kinds) -> Iterator[Option]:
    """Read a mixture of a floating-point array and another one of its kind, or the larger or smaller of the two."""
    numpy = program.module_alias("numpy")
    for function, node in expressions(program):
        if not (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)):
            continue
        kind = kinds.of(node)
        if kind.dtype != FLOAT or kind.shape == ():
            continue
        for other, sure in alike(program, kinds, function, node, kind):
            if sure < _SURE:
                continue
            forms = [f"({1 - share:g} * {node.id} + {share} * {other})" for share in (0.1, 0.3, 0.5)]
            if numpy is not None:
                forms += [f"{numpy}.{which}({node.id}, {other})" for which in ("maximum", "minimum")]
            for form in forms:
                note = f"in {function.name}, line {node.lineno}: {node.id} -> {form}"
                yield Option(weight=0.3, edits=(program.replace(node, form),), note=note)


def threshold(program: Program, kinds: Kinds) -> Iterator[Option]:
    """Move what a floating-point number is compared with."""
    for function, node in expressions(program):
        if not (isinstance(node, ast.Compare) and len(node.ops) == 1):
            continue
        right = node.comparators[0]
        if not isinstance(node.ops[0], ast.Lt | ast.LtE | ast.Gt | ast.GtE) or FLOAT not in (
            kinds.of(node.left).dtype,
            kinds.of(right).dtype,
        ):
            continue
        left, old = program.text(node.left), program.text(right)
        forms = [f"{factor} * ({old})" for factor in _FACTORS]
        if isinstance(right, ast.Constant) and right.value == 0:
            numpy = program.module_alias("numpy")
            forms = [f"{share} * {numpy}.mean({numpy}.abs({left}))" for share in (-0.05, 0.05, 0.2)] if numpy else []
        for form in forms:
            note = f"in {function.name}: {one_line(program.text(node), 40)}: {one_line(form)}"
            yield Option(weight=0.4, edits=(program.replace(right, form),), note=note)


def clipped(program: Program, kinds: Kinds) -> Iterator[Option]:
    """Bound what is assigned to a floating-point array from above or below by a multiple of its mean."""
    numpy = program.module_alias("numpy")
    for function in program.functions.values() if numpy else ():
        for node in program.flow.walk(function):
            match node:
                case ast.Assign(targets=[ast.Name()], value=value):
                    pass
                case _:
                    continue
            kind = kinds.of(value)
            if kind.dtype != FLOAT or kind.shape == ():
                continue
            old = program.text(value)
            forms = [f"{numpy}.minimum({old}, {top} * {numpy}.mean({old}))" for top in (2, 4, 8)]
            forms += [f"{numpy}.maximum({old}, {low} * {numpy}.mean({old}))" for low in (0.05, 0.2)]
            for form in forms:
                note = f"in {function.name}: {one_line(old, 30)} -> {one_line(form)}"
                yield Option(weight=0.3, edits=(program.replace(value, form),), note=note)


def masked(program: Program, kinds: Kinds) -> Iterator[Option]:
    """Narrow or widen a mask by another one of its shape."""
    for function, node in expressions(program):
        kind = kinds.of(node)
        if not (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)) or kind.dtype != BOOL or not kind.shape:
            continue
        for other, sure in alike(program, kinds, function, node, kind):
            if sure < _SURE:
                continue
            for sign in "&|":
                form = f"({node.id} {sign} {other})"
                note = f"in {function.name}, line {node.lineno}: {node.id} -> {form}"
                yield Option(weight=1.0, edits=(program.replace(node, form),), note=note)
