"""What kind of value each expression of a program probably has: element type, shape by names of dimensions.

A forward reading of the functions, from the entry along the calls, that runs nothing. What it cannot tell it leaves
open; what it tells is a guess good enough to choose edits by, and no proof.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass, replace

from evolve.proposers.operators import numerics
from evolve.proposers.operators.numerics import BOOL, FLOAT, INT, OPEN, Kind
from evolve.proposers.operators.source import Program

_DEPTH = 12
_LEVELS = 50
Value = Kind | tuple[Kind, ...]


@dataclass(slots=True)
class _Frame:
    """One function being read: what its names hold, what it returned so far."""

    function: str
    names: dict[str, Kind]
    returned: Value | None = None


class Kinds:
    """The kinds of a program's expressions.

    Args:
        program: the program.
        entry: where reading starts.
    """

    def __init__(self, program: Program, entry: str) -> None:
        self._program = program
        self._numpy = program.module_alias("numpy")
        self._of: dict[int, Kind] = {}
        self._names: dict[tuple[str, str], list[Kind]] = {}
        self._constants: dict[str, Kind] = {}
        self._returns: dict[str, Value] = {}
        self._depth = 0
        self._level = 0
        for statement in program.tree.body:
            match statement:
                case ast.Assign(targets=[ast.Name(id=name)], value=value) if isinstance(value, ast.Constant):
                    self._constants[name] = _constant(value.value)
        for name in (entry, *program.functions):
            if name in program.functions and name not in self._returns:
                self._depth = self._level = 0
                try:
                    self._read(name, [])
                except RecursionError:
                    # Far down in somebody else's calls even a screened program can be too deep: it stays open.
                    continue

    def of(self, node: ast.expr) -> Kind:
        """The kind of an expression; open where nothing is known of it."""
        return self._of.get(id(node), OPEN)

    def of_name(self, function: str, name: str) -> Kind:
        """What a name of a function holds wherever it is bound; open as far as that changes."""
        found = self._names.get((function, name), [])
        dtypes, shapes = {kind.dtype for kind in found}, {kind.shape for kind in found}
        dtype = dtypes.pop() if len(dtypes) == 1 else ""
        return Kind(dtype, shapes.pop() if len(shapes) == 1 else None)

    def returned(self, function: str) -> Value:
        """What a function returns; a tuple where it returns several things."""
        return self._returns.get(function, OPEN)

    def _read(self, name: str, arguments: Sequence[tuple[str | None, Kind]]) -> Value:
        function = self._program.functions[name]
        self._returns[name] = OPEN
        if len(arguments) > len(function.args.args):
            arguments = []
        names = {argument.arg: numerics.of_annotation(argument.annotation) for argument in function.args.args}
        for position, (keyword, kind) in enumerate(arguments):
            target = keyword or function.args.args[position].arg
            if target in names and kind != OPEN:
                names[target] = kind
        frame = _Frame(function=name, names=names)
        for parameter, kind in names.items():
            self._names.setdefault((name, parameter), []).append(kind)
        self._depth += 1
        self._block(function.body, frame)
        self._depth -= 1
        self._returns[name] = frame.returned if frame.returned is not None else OPEN
        return self._returns[name]

    def _block(self, body: Sequence[ast.stmt], frame: _Frame) -> None:
        self._level += 1
        for statement in body:
            match statement:
                case ast.For(target=target, iter=source, body=inner, orelse=otherwise):
                    self._bind(target, numerics.element(self._kind(source, frame)), frame)
                    self._block([*inner, *otherwise], frame)
                case ast.While() | ast.If():
                    self._kind(statement.test, frame)
                    self._block([*statement.body, *statement.orelse], frame)
                case ast.Assign() | ast.AnnAssign() | ast.AugAssign() | ast.Return():
                    self._simple(statement, frame)
                case _:
                    for child in ast.iter_child_nodes(statement):
                        if isinstance(child, ast.expr):
                            self._kind(child, frame)
                        elif isinstance(child, ast.stmt):
                            self._block([child], frame)
        self._level -= 1

    def _simple(self, statement: ast.Assign | ast.AnnAssign | ast.AugAssign | ast.Return, frame: _Frame) -> None:
        if statement.value is None:
            return
        value = self._value(statement.value, frame)
        match statement:
            case ast.Assign(targets=targets):
                for target in targets:
                    self._bind(target, value, frame, statement.value)
            case ast.AnnAssign(target=target):
                self._bind(target, value, frame, statement.value)
            case ast.AugAssign(target=ast.Name(id=name) as target, op=op):
                left = frame.names.get(name, OPEN)
                kind = numerics.arithmetic(op, left, _single(value))
                self._bind(target, kind if left.shape is None else replace(kind, shape=left.shape), frame)
            case ast.AugAssign(target=target):
                self._kind(target, frame)
            case ast.Return() if frame.returned in (None, OPEN):
                frame.returned = value

    def _bind(self, target: ast.expr, value: Value, frame: _Frame, source: ast.expr | None = None) -> None:
        if isinstance(target, ast.Tuple):
            kinds = value if isinstance(value, tuple) else ()
            match source:
                case ast.Attribute(attr="shape", value=ast.Name(id=array)) if not kinds and all(
                    isinstance(each, ast.Name) for each in target.elts
                ):
                    # `layers, experts = load.shape` names the dimensions of what was open so far.
                    dimensions = tuple(each.id for each in target.elts if isinstance(each, ast.Name))
                    frame.names[array] = replace(frame.names.get(array, OPEN), shape=dimensions)
                    kinds = tuple(Kind(INT, (), symbol) for symbol in dimensions)
            for index, each in enumerate(target.elts):
                self._bind(each, kinds[index] if index < len(kinds) else OPEN, frame)
        elif isinstance(target, ast.Name):
            kind = value if isinstance(value, Kind) else OPEN
            frame.names[target.id] = kind
            self._names.setdefault((frame.function, target.id), []).append(kind)
        else:
            self._kind(target, frame)

    def _kind(self, node: ast.expr, frame: _Frame) -> Kind:
        value = self._value(node, frame)
        return value if isinstance(value, Kind) else OPEN

    def _value(self, node: ast.expr, frame: _Frame) -> Value:
        self._level += 1
        value = self._infer(node, frame)
        self._level -= 1
        if isinstance(value, Kind):
            self._of[id(node)] = value
        return value

    def _infer(self, node: ast.expr, frame: _Frame) -> Value:
        match node:
            case ast.Constant(value=value):
                return _constant(value)
            case ast.Name(id=name):
                return frame.names.get(name) or self._constants.get(name, OPEN)
            case ast.Tuple(elts=items) | ast.List(elts=items):
                return tuple(self._kind(item, frame) for item in items)
            case ast.Attribute(value=value, attr=attribute):
                return self._attribute(self._kind(value, frame), attribute)
            case ast.Subscript(value=value, slice=index):
                return self._item(value, index, frame)
            case ast.Call():
                return self._call(node, frame)
            case ast.ListComp() | ast.GeneratorExp() | ast.SetComp() | ast.DictComp() | ast.Lambda():
                return OPEN
        return self._operation(node, frame)

    def _operation(self, node: ast.expr, frame: _Frame) -> Kind:
        parts = [self._kind(child, frame) for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)]
        match node:
            case ast.BinOp(op=op):
                return numerics.arithmetic(op, parts[0], parts[1], numerics.written(node))
            case ast.UnaryOp(op=op):
                symbol = numerics.written(node) if parts[0].symbol else ""
                return replace(parts[0], dtype=BOOL if isinstance(op, ast.Not) else parts[0].dtype, symbol=symbol)
            case ast.Compare() if len(parts) == 2:
                return Kind(BOOL, numerics.broadcast(parts[0], parts[1]))
            case ast.BoolOp():
                return parts[-1]
            case ast.IfExp():
                return parts[1] if parts[1] != OPEN else parts[2]
        return OPEN

    def _attribute(self, kind: Kind, attribute: str) -> Value:
        if attribute == "shape":
            return tuple(Kind(INT, (), symbol) for symbol in kind.shape) if kind.shape is not None else OPEN
        if attribute == "T" and kind.shape is not None:
            return replace(kind, shape=kind.shape[::-1])
        return Kind(INT, ()) if attribute in ("size", "ndim") else OPEN

    def _item(self, value: ast.expr, index: ast.expr, frame: _Frame) -> Value:
        whole = self._value(value, frame)
        parts = index.elts if isinstance(index, ast.Tuple) else [index]
        kinds = [None if isinstance(part, ast.Slice) else self._kind(part, frame) for part in parts]
        if isinstance(whole, tuple):
            match index:
                case ast.Constant(value=int() as at) if -len(whole) <= at < len(whole):
                    return whole[at]
            return OPEN
        is_new = [isinstance(part, ast.Constant) and part.value is None for part in parts]
        return numerics.item(whole, kinds, is_new, [numerics.written(part) for part in parts])

    def _call(self, node: ast.Call, frame: _Frame) -> Value:
        arguments = [self._value(argument, frame) for argument in node.args]
        named = {keyword.arg: self._value(keyword.value, frame) for keyword in node.keywords if keyword.arg}
        match node.func:
            case ast.Name(id=name) if name in self._program.functions:
                # A call far down in an expression is not followed: its depths add up.
                if name not in self._returns and self._depth < _DEPTH and self._level < _LEVELS:
                    given: list[tuple[str | None, Kind]] = [(None, _single(each)) for each in arguments]
                    given += [(keyword, _single(each)) for keyword, each in named.items()]
                    return self._read(name, given)
                return self._returns.get(name, OPEN)
            case ast.Name(id=name):
                return numerics.of_builtin(name, arguments, numerics.written(node))
            case ast.Attribute(value=ast.Name(id=module), attr=name) if module == self._numpy:
                return numerics.of_call(name, node, arguments, named)
            case ast.Attribute(value=receiver, attr=name):
                return numerics.of_call(name, node, [self._value(receiver, frame), *arguments], named, is_method=True)
        return OPEN


def kinds_of(program: Program, entry: str) -> Kinds:
    """The kinds of a program, worked out once."""
    return program.once(f"kinds {entry}", lambda: Kinds(program, entry))


def _single(value: Value) -> Kind:
    return value if isinstance(value, Kind) else OPEN


def _constant(value: object) -> Kind:
    for kind, dtype in ((bool, BOOL), (int, INT), (float, FLOAT)):
        if isinstance(value, kind):
            return Kind(dtype, (), repr(value))
    return OPEN
