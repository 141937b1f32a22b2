"""Tells which parts of a program probably do nothing, and which must stay because something needs them."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence

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
_CONVERSIONS = frozenset(
    {"array", "asarray", "ascontiguousarray", "astype", "copy", "reshape", "ravel", "flatten", "int", "float", "bool"}
    | {"len", "range", "list", "tuple", "zeros", "ones", "empty", "full", "arange", "bincount"}
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
    if after is not None and program.flow.dump(statement) == program.flow.dump(after):
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


def _is_unread(program: Program, function: ast.FunctionDef, statement: ast.stmt, name: str) -> bool:
    """Say whether nobody but the statement itself reads a name."""
    inside = {id(node) for node in program.flow.walk(statement)}
    return not any(
        isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load) and id(node) not in inside
        for node in program.flow.walk(function)
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


def operands(node: ast.expr) -> list[ast.expr]:
    """The parts that could stand in the place of the whole.

    Conversions and bounds by a constant stay: they matter in cases that a few workloads need not show.
    """
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
            bounds = name in _BOUNDS and any(isinstance(each, ast.Constant) for each in arguments)
            if bounds or name in _CONVERSIONS:
                return []
            is_module = isinstance(receiver, ast.Name) and len(arguments) > 0
            return _arrays(arguments)[:2] if is_module else [receiver, *_arrays(arguments)[:1]]
        case ast.Call(func=ast.Name(id=name), args=arguments) if name not in _CONVERSIONS:
            return _arrays(arguments)[:4]
    return []


def is_precaution(test: ast.expr) -> bool:
    """Say whether a condition asks what is there at all: something that may be None, a length, a shape."""
    return any(
        (isinstance(node, ast.Constant) and node.value is None)
        or (isinstance(node, ast.Name) and node.id == "len")
        or (isinstance(node, ast.Attribute) and node.attr in ("shape", "size"))
        for node in ast.walk(test)
    )


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
            return left if program.flow.dump(left) == program.flow.dump(right) else None
        case ast.Call(func=ast.Attribute(value=ast.Call(func=ast.Attribute(attr=inner)) as receiver, attr=outer)):
            return receiver if inner == outer == "copy" else None
    return None


def calls_of(program: Program, name: str) -> list[ast.Call]:
    """Every call of a function by its name."""
    return [
        node
        for node in program.flow.walk(program.tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name
    ]


def leaves_unbound(program: Program, function: ast.FunctionDef, statements: Sequence[ast.stmt]) -> bool:
    """Say whether without some statements a name would surely be read before it is bound."""
    gone = {id(node) for statement in statements for node in program.flow.walk(statement)}
    names = {name for statement in statements for name in program.flow.binds(statement)}
    if not names:
        return False
    first = {argument.arg: 0 for argument in parameters_of(function.args)}
    loads = []
    for node in program.flow.walk(function):
        if not isinstance(node, ast.Name) or node.id not in names or id(node) in gone:
            continue
        if isinstance(node.ctx, ast.Store):
            first[node.id] = min(node.lineno, first.get(node.id, node.lineno))
        else:
            loads.append(node)
    return any(first.get(node.id, node.lineno + 1) > node.lineno for node in loads)
