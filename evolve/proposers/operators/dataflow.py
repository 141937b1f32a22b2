"""Which names a piece of a function reads, binds and changes; approximate, for choosing plausible edits."""

from __future__ import annotations

import ast
import builtins
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar, cast

from evaluators.program import global_references
from evaluators.scopes import parameters_of

BUILTINS = frozenset(dir(builtins))
_INTEGER_TYPES = frozenset(
    {"bool", "bool_", "int", "int8", "int16", "int32", "int64", "intp", "uint8", "uint16", "uint32", "uint64"}
)
_INTEGER_CALLS = frozenset(
    {"arange", "argmax", "argmin", "argpartition", "argsort", "bincount", "divmod", "flatnonzero", "indices"}
    | {"len", "lexsort", "nonzero", "searchsorted"}
)
_INTEGER_SIGNS = _INTEGER_TYPES | _INTEGER_CALLS
_FLOAT_SIGNS = frozenset(
    {
        "average",
        "dot",
        "einsum",
        "exp",
        "float",
        "float32",
        "float64",
        "linspace",
        "log",
        "log1p",
        "mean",
        "median",
    }
    | {"percentile", "quantile", "softmax", "sqrt", "std", "tensordot", "var"}
)


_T = TypeVar("_T")
_MOST_BYTES = 2_000_000


class Flow:
    """Remembers what was asked about the nodes of one tree, which must neither change nor go away meanwhile.

    It forgets everything when that grows beyond two megabytes: deep nesting would make it many times the program.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[str, int], object] = {}
        self._bytes = 0

    def walk(self, node: ast.AST) -> tuple[ast.AST, ...]:
        """See `ast.walk`."""
        return self._once("walk", node, lambda: tuple(ast.walk(node)))

    def dump(self, node: ast.AST) -> str:
        """See `ast.dump`."""
        return self._once("dump", node, lambda: ast.dump(node))

    def reads(self, node: ast.AST) -> frozenset[str]:
        """See `reads`."""
        return self._once("reads", node, lambda: frozenset(reads(node)))

    def binds(self, node: ast.AST) -> frozenset[str]:
        """See `binds`."""
        return self._once("binds", node, lambda: frozenset(binds(node)))

    def changes(self, node: ast.AST) -> frozenset[str]:
        """See `changes`."""
        return self._once("changes", node, lambda: frozenset(changes(node)))

    def references(self, statement: ast.stmt) -> tuple[ast.Name, ...]:
        """See `evaluators.program.global_references`."""
        return self._once("references", statement, lambda: tuple(global_references(statement)))

    def stored(self, function: ast.FunctionDef) -> dict[str, int]:
        """The first line on which each name of a function is bound; 0 for parameters."""
        return self._once("stored", function, lambda: _stored(function))

    def signs(self, function: ast.FunctionDef) -> dict[str, set[str]]:
        """What speaks for an element type in the assignments that change each name of a function."""
        return self._once("signs", function, lambda: _named_signs(function))

    def bound_before(self, function: ast.FunctionDef, line: int) -> frozenset[str]:
        """Name the parameters, and what is bound on earlier lines of the function."""
        return frozenset(name for name, first in self.stored(function).items() if first < line)

    def _once(self, question: str, node: ast.AST, answer: Callable[[], _T]) -> _T:
        key = (question, id(node))
        if key in self._known:
            return cast(_T, self._known[key])
        found = answer()
        # The nodes and names inside belong to the tree; about 200 bytes are the key and its place.
        self._bytes += sys.getsizeof(found) + 200
        if self._bytes > _MOST_BYTES:
            self._known.clear()
            self._bytes = sys.getsizeof(found) + 200
        self._known[key] = found
        return found


def _stored(function: ast.FunctionDef) -> dict[str, int]:
    """The first line on which each name of a function is bound; 0 for parameters."""
    first = {argument.arg: 0 for argument in parameters_of(function.args)}
    for node in ast.walk(function):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            first[node.id] = min(node.lineno, first.get(node.id, node.lineno))
    return first


def reads(node: ast.AST) -> set[str]:
    """Name what a node reads, without what its comprehensions and lambdas bind themselves."""
    bound: set[str] = set()
    read: set[str] = set()
    for item in ast.walk(node):
        if isinstance(item, ast.comprehension):
            bound.update(name.id for name in ast.walk(item.target) if isinstance(name, ast.Name))
        elif isinstance(item, ast.Lambda):
            bound.update(argument.arg for argument in parameters_of(item.args))
        elif isinstance(item, ast.Name) and isinstance(item.ctx, ast.Load):
            read.add(item.id)
        elif isinstance(item, ast.AugAssign) and isinstance(item.target, ast.Name):
            read.add(item.target.id)
    return read - bound


def binds(node: ast.AST) -> set[str]:
    """Name what a node binds anew."""
    return {item.id for item in ast.walk(node) if isinstance(item, ast.Name) and isinstance(item.ctx, ast.Store)}


def changes(node: ast.AST) -> set[str]:
    """Name what a node binds anew or changes in place by an assignment to an element."""
    names = binds(node)
    for item in ast.walk(node):
        match item:
            case ast.Subscript(value=ast.Name(id=name), ctx=ast.Store()):
                names.add(name)
    return names


def bodies(function: ast.FunctionDef) -> Iterator[list[ast.stmt]]:
    """Yield every list of statements in a function, its own first."""
    for node in ast.walk(function):
        for attribute in ("body", "orelse", "finalbody"):
            block = getattr(node, attribute, None)
            if isinstance(block, list) and block:
                yield block


def is_docstring(statement: ast.stmt) -> bool:
    """Say whether a statement is a bare constant, as docstrings are."""
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def returned(function: ast.FunctionDef) -> list[ast.expr]:
    """List the expressions that a function returns."""
    return [node.value for node in ast.walk(function) if isinstance(node, ast.Return) and node.value is not None]


def looks_float(expression: ast.expr, function: ast.FunctionDef | None = None, flow: Flow | None = None) -> bool:
    """Guess whether an expression is a floating-point number or array.

    A name is looked up among the function's assignments, which `flow` may remember. A sign of integers outweighs a
    sign of floats, unless an outer conversion decides.
    """
    if isinstance(expression, ast.Call) and isinstance(expression.func, ast.Attribute):
        if expression.func.attr == "astype":
            return any("float" in sign for argument in expression.args for sign in _signs([argument]))
        if expression.func.attr in _FLOAT_SIGNS:
            return True
    signs = _signs([expression])
    if function is not None:
        named = (flow or Flow()).signs(function)
        signs = signs.union(*(named.get(name, ()) for name in reads(expression)))
    return bool(signs & _FLOAT_SIGNS) and not signs & _INTEGER_SIGNS


def _named_signs(function: ast.FunctionDef) -> dict[str, set[str]]:
    named: dict[str, set[str]] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign) and node.value:
            signs = _signs([node])
            for name in changes(node):
                named.setdefault(name, set()).update(signs)
    return named


def _signs(nodes: Iterable[ast.AST]) -> set[str]:
    signs: set[str] = set()
    for root in nodes:
        for node in ast.walk(root):
            if isinstance(node, ast.Attribute):
                signs.add(node.attr)
            elif isinstance(node, ast.Name):
                signs.add(node.id)
            elif _divides(node) or (isinstance(node, ast.Constant) and isinstance(node.value, float)):
                signs.add("float")
    return signs


def _divides(node: ast.AST) -> bool:
    return isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div)
