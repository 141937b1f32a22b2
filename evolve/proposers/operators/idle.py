"""Tells which parts of a program probably do nothing, and which must stay because something needs them."""

from __future__ import annotations

import ast
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from evaluators.scopes import parameters_of
from evolve.proposers.operators.dataflow import is_docstring
from evolve.proposers.operators.source import Program

_IGNORED = (ast.expr_context, ast.operator, ast.cmpop, ast.boolop, ast.unaryop)
_NEUTRAL_RIGHT: dict[type[ast.operator], float] = {
    ast.Add: 0,
    ast.Sub: 0,
    ast.Mult: 1,
    ast.Div: 1,
    ast.Pow: 1,
}
_NEUTRAL_LEFT: dict[type[ast.operator], float] = {ast.Add: 0, ast.Mult: 1}
_BOUNDS = frozenset({"maximum", "minimum", "clip", "max", "min"})
_FINITE = frozenset({"isfinite", "isnan", "isinf"})
_CONVERSIONS = frozenset(
    {"array", "asarray", "ascontiguousarray", "astype", "copy", "reshape", "ravel", "flatten", "int", "float", "bool"}
    | {"nan_to_num", "len", "range", "list", "tuple", "zeros", "ones", "empty", "full", "arange", "bincount"}
)


def weight_of(program: Program, node: ast.AST) -> int:
    """How many nodes a part has, without docstrings and the nodes that only name an operator."""
    return count_nodes(program.flow.walk(node))


def count_nodes(nodes: Iterable[ast.AST]) -> int:
    """Count the nodes of a walk, without docstrings and the nodes that only name an operator."""
    total = 0
    for node in nodes:
        if isinstance(node, ast.Expr) and is_docstring(node):
            total -= 1  # for the text below it
        elif not isinstance(node, _IGNORED):
            total += 1
    return total


def does_nothing(program: Program, function: ast.FunctionDef, block: list[ast.stmt], position: int) -> bool:
    """Say whether a statement probably does nothing: see the module's list of signs in `cuts`."""
    statement = block[position]
    after = block[position + 1] if position + 1 < len(block) else None
    if after is not None and _are_equal(program, statement, after):
        return True
    match statement:
        case ast.Pass() | ast.Expr(value=ast.Name() | ast.BinOp() | ast.Compare() | ast.Subscript()):
            return True
        case ast.For(iter=ast.Call(func=ast.Name(id="range"), args=[count])):
            return _number(program, count) == 0
        case ast.While(test=test):
            return constant_truth(program, test) is False
        case ast.If(test=test, body=body, orelse=otherwise):
            never = constant_truth(program, test) is False and not otherwise
            return never or all(isinstance(each, ast.Pass) for each in [*body, *otherwise])
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            same = neutral_operand(program, value) or value
            if isinstance(same, ast.Name) and same.id == name:
                return True
            return _is_unread(program, function, statement, name) or _is_overwritten(program, name, after)
        case ast.AugAssign(target=ast.Name(id=name), op=op, value=value):
            return _number(program, value) == _NEUTRAL_RIGHT.get(type(op)) is not None or (
                name not in {argument.arg for argument in parameters_of(function.args)}
                and _is_unread(program, function, statement, name)
            )
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Uses:
    """The places of a function that bind, read or delete each name, in the order of the lines."""

    stores: dict[str, list[ast.Name]]
    loads: dict[str, list[ast.Name]]
    deletions: dict[str, list[ast.Name]]


def _uses(program: Program, function: ast.FunctionDef) -> _Uses:
    return program.once(f"uses {function.name}", partial(_read_uses, program, function))


def _read_uses(program: Program, function: ast.FunctionDef) -> _Uses:
    uses = _Uses(stores={}, loads={}, deletions={})
    names = [node for node in program.flow.walk(function) if isinstance(node, ast.Name)]
    for node in sorted(names, key=lambda node: node.lineno):
        kinds = {ast.Store: uses.stores, ast.Load: uses.loads}
        kinds.get(type(node.ctx), uses.deletions).setdefault(node.id, []).append(node)
    return uses


def _is_unread(program: Program, function: ast.FunctionDef, statement: ast.stmt, name: str) -> bool:
    """Say whether nobody but the statement itself reads a name."""
    inside = sum(
        isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load)
        for node in program.flow.walk(statement)
    )
    return len(_uses(program, function).loads.get(name, ())) <= inside


def _are_equal(program: Program, first: ast.AST, second: ast.AST) -> bool:
    """Whether two parts say the same; what differs in size need not be written out."""
    flow = program.flow
    return (
        type(first) is type(second)
        and len(flow.walk(first)) == len(flow.walk(second))
        and flow.dump(first) == flow.dump(second)
    )


def _is_overwritten(program: Program, name: str, after: ast.stmt | None) -> bool:
    match after:
        case ast.Assign(targets=[ast.Name(id=next_name)], value=value):
            return next_name == name and name not in program.flow.reads(value)
    return False


def constant_truth(program: Program, test: ast.expr) -> bool | None:
    """What a condition always is, if that can be read off."""
    match test:
        case ast.Constant(value=value):
            return bool(value)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            known = constant_truth(program, operand)
            return None if known is None else not known
        case ast.Name(id=name):
            bound = program.bindings.get(name)
            if isinstance(bound, ast.Assign) and isinstance(bound.value, ast.Constant):
                return bool(bound.value.value)
    return None


def _number(program: Program, node: ast.expr) -> float | None:
    match node:
        case ast.Constant(value=bool()):
            return None
        case ast.Constant(value=int() | float() as value):
            return value
        case ast.Name(id=name):
            bound = program.bindings.get(name)
            if isinstance(bound, ast.Assign) and isinstance(bound.value, ast.Constant):
                return _number(program, bound.value)
    return None


def operands(program: Program, node: ast.expr) -> list[ast.expr]:
    """The parts that could stand in the place of the whole.

    Conversions and bounds by a constant stay: they matter in cases that a few workloads need not show.
    """
    if is_bound(program, node):
        return []
    match node:
        case ast.BinOp(left=left, right=right):
            return [left, right]
        case ast.UnaryOp(operand=operand):
            return [operand]
        case ast.BoolOp(values=values):
            return list(values)
        case ast.IfExp(test=test, body=body, orelse=otherwise):
            return [] if is_precaution(test) else [body, otherwise]
        case ast.Call(func=ast.Attribute(value=receiver, attr=name), args=arguments):
            if name in _CONVERSIONS or (name == "where" and arguments and is_precaution(arguments[0])):
                return []
            is_module = isinstance(receiver, ast.Name) and len(arguments) > 0
            return _arrays(arguments)[:2] if is_module else [receiver, *_arrays(arguments)[:1]]
        case ast.Call(func=ast.Name(id=name), args=arguments) if name not in _CONVERSIONS:
            return _arrays(arguments)[:4]
    return []


def is_precaution(test: ast.expr) -> bool:
    """Say whether a condition asks what is there at all.

    That is something that may be None, a length, a shape, whether numbers are finite, or how they compare with 0.
    """
    return any(
        (isinstance(node, ast.Constant) and node.value is None)
        or (isinstance(node, ast.Name) and (node.id == "len" or node.id in _FINITE))
        or (isinstance(node, ast.Attribute) and (node.attr in ("shape", "size") or node.attr in _FINITE))
        or (isinstance(node, ast.Compare) and any(_is_zero(each) for each in (node.left, *node.comparators)))
        for node in ast.walk(test)
    )


def is_guard(statement: ast.stmt) -> bool:
    """Say whether a statement is there for cases that a few workloads need not show.

    That is an early way out, a condition that is a precaution, and what catches errors.
    """
    if isinstance(statement, ast.If):
        leaves = all(isinstance(each, ast.Return | ast.Raise | ast.Continue) for each in statement.body)
        return leaves or is_precaution(statement.test)
    return isinstance(statement, ast.Try | ast.TryStar)


def is_bound(program: Program, node: ast.AST | None) -> bool:
    """Say whether an expression bounds something by a constant, written out or by name: ``np.maximum(x, EPS)``."""
    match node:
        case ast.Call(func=ast.Attribute(attr=name)) | ast.Call(func=ast.Name(id=name)) if name in _BOUNDS:
            pass
        case _:
            return False
    constants = program.once("constants", partial(_constants, program))
    given = [*node.args, *(keyword.value for keyword in node.keywords if keyword.arg != "axis")]
    bare = [each.operand if isinstance(each, ast.UnaryOp) else each for each in given]
    return any(isinstance(each, ast.Constant) or (isinstance(each, ast.Name) and each.id in constants) for each in bare)


def _constants(program: Program) -> frozenset[str]:
    """The names that are bound to a number somewhere in the program."""
    names = set()
    for node in program.flow.walk(program.tree):
        match node:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=value)
                | ast.AnnAssign(target=ast.Name(id=name), value=value)
            ):
                number = value.operand if isinstance(value, ast.UnaryOp) else value
                if isinstance(number, ast.Constant) and isinstance(number.value, int | float):
                    names.add(name)
    return frozenset(names)


def _is_zero(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and type(node.value) in (int, float) and node.value == 0


def _arrays(arguments: Sequence[ast.expr]) -> list[ast.expr]:
    return [each for each in arguments if not isinstance(each, ast.Constant | ast.Starred | ast.Tuple | ast.Lambda)]


def neutral_operand(program: Program, node: ast.expr) -> ast.expr | None:
    """The operand that the whole is equal to, up to its element type: x of ``x * 1.0``; None where there is none."""
    match node:
        case ast.BinOp(left=left, right=right, op=op):
            if type(op) in _NEUTRAL_RIGHT and _number(program, right) == _NEUTRAL_RIGHT[type(op)]:
                return left
            if type(op) in _NEUTRAL_LEFT and _number(program, left) == _NEUTRAL_LEFT[type(op)]:
                return right
        case ast.IfExp(test=test, body=body, orelse=otherwise):
            known = constant_truth(program, test)
            return None if known is None else body if known else otherwise
        case ast.Call(func=ast.Attribute(attr="maximum" | "minimum"), args=[left, right]):
            return left if _are_equal(program, left, right) else None
        case ast.Call(func=ast.Attribute(value=ast.Call(func=ast.Attribute(attr=inner)) as receiver, attr=outer)):
            return receiver if inner == outer == "copy" else None
    return None


def calls_of(program: Program, name: str) -> list[ast.Call]:
    """Every call of a function by its name."""
    return program.once("calls", partial(_calls, program)).get(name, [])


def _calls(program: Program) -> dict[str, list[ast.Call]]:
    calls: dict[str, list[ast.Call]] = {}
    for node in program.flow.walk(program.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            calls.setdefault(node.func.id, []).append(node)
    return calls


def leaves_unbound(program: Program, function: ast.FunctionDef, statements: Sequence[ast.stmt]) -> bool:
    """Say whether without some statements a name would surely be read before it is bound."""
    gone = {id(node) for statement in statements for node in program.flow.walk(statement)}
    names = {name for statement in statements for name in program.flow.binds(statement)}
    if not names:
        return False
    uses = _uses(program, function)

    def first_left(nodes: Mapping[str, Sequence[ast.Name]], name: str) -> float:
        return next((node.lineno for node in nodes.get(name, ()) if id(node) not in gone), math.inf)

    parameters = {argument.arg for argument in parameters_of(function.args)}
    return any(
        min(first_left(uses.loads, name), first_left(uses.deletions, name)) < first_left(uses.stores, name)
        for name in names - parameters
    )
