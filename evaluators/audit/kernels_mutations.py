"""Honest Triton modules with one small mistake each, as programmers make them: masks, bounds, strides, axes, casts."""

from __future__ import annotations

import ast
import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass

_COMPARISONS = {ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">", ast.Eq: "!=", ast.NotEq: "=="}
_OPERATIONS = {ast.Add: "-", ast.Sub: "+", ast.Mult: "+", ast.BitAnd: "|", ast.FloorDiv: "%", ast.Mod: "//"}
_FUNCTIONS = {"max": "min", "min": "max", "sum": "max", "exp": "exp2", "exp2": "exp", "program_id": "num_programs"}
_KEYWORDS = {"axis": "0", "other": "1.0"}
_LOOPS = ("range", "static_range")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutation:
    """One mistake.

    Args:
        name: what and where, such as ``"line 31: < becomes <="``.
        source: the module with it.
    """

    name: str
    source: str


Place = ast.expr | ast.stmt | ast.keyword


@dataclass(frozen=True, slots=True, kw_only=True)
class _Splice:
    kind: str
    start: int
    end: int
    text: str


class _Text:
    """A module's text, by the nodes of its tree."""

    def __init__(self, source: str) -> None:
        self.source = source
        self._starts = [0, *itertools.accumulate(map(len, source.splitlines(keepends=True)))]

    def span(self, it: Place) -> tuple[int, int]:
        assert it.end_lineno is not None
        assert it.end_col_offset is not None
        return self._starts[it.lineno - 1] + it.col_offset, self._starts[it.end_lineno - 1] + it.end_col_offset

    def of(self, it: Place) -> str:
        return self.source[slice(*self.span(it))]

    def put(self, kind: str, it: Place, text: str) -> _Splice:
        start, end = self.span(it)
        return _Splice(kind=kind, start=start, end=end, text=text)


def mutations(source: str, *, most: int, seed: int) -> list[Mutation]:
    """Mutations of every kind in turn, at most so many, drawn by a seed, in the order of their lines.

    Args:
        source: an honest module of ASCII text.
        most: how many.
        seed: seed of the choice.
    """
    text = _Text(source)
    kinds: dict[str, list[tuple[int, Mutation]]] = {}
    for node in (node for function in _kernels(ast.parse(source)) for node in ast.walk(function)):
        for splice in (splice for mistake in _MISTAKES for splice in mistake(text, node)):
            line = source.count("\n", 0, splice.start) + 1
            name = f"line {line}: {_short(source[splice.start : splice.end])} becomes {_short(splice.text)}"
            changed = source[: splice.start] + splice.text + source[splice.end :]
            kinds.setdefault(splice.kind, []).append((splice.start, Mutation(name=name, source=changed)))
    rng = random.Random(seed)
    for found in kinds.values():
        rng.shuffle(found)
    chosen = [found[turn] for turn in range(most) for found in kinds.values() if turn < len(found)][:most]
    return [mutation for _, mutation in sorted(chosen, key=lambda pair: (pair[0], pair[1].name))]


def _kernels(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and any("jit" in ast.unparse(it) for it in node.decorator_list):
            yield node


def _in_comparisons(text: _Text, node: ast.AST) -> Iterator[_Splice]:
    match node:
        case ast.Compare(left=left, ops=[operation], comparators=[right]) if type(operation) in _COMPARISONS:
            yield text.put("comparison", node, f"{text.of(left)} {_COMPARISONS[type(operation)]} {text.of(right)}")
            yield text.put("bound", right, f"({text.of(right)} - 1)")


def _in_arithmetic(text: _Text, node: ast.AST) -> Iterator[_Splice]:
    match node:
        case ast.BinOp(left=left, op=operation, right=right) if type(operation) in _OPERATIONS:
            yield text.put("operation", node, f"({text.of(left)} {_OPERATIONS[type(operation)]} {text.of(right)})")
            if isinstance(operation, ast.Mult):
                yield text.put("stride", node, f"({text.of(left)} * ({text.of(right)} + 1))")
                yield text.put("stride left out", node, text.of(left))


def _in_calls(text: _Text, node: ast.AST) -> Iterator[_Splice]:
    match node:
        case ast.Call(func=ast.Attribute(value=value, attr="to"), args=[_, *_]):
            yield text.put("cast", node, text.of(value))
        case ast.Call(func=ast.Attribute(attr=loop) | ast.Name(id=loop), args=[bound]) if loop in _LOOPS:
            yield text.put("loop", bound, f"{text.of(bound)} - 1")
        case ast.Call(func=ast.Attribute(value=ast.Name(id="tl"), attr=name)) if name in _FUNCTIONS:
            yield text.put("function", node.func, f"tl.{_FUNCTIONS[name]}")


def _in_the_rest(text: _Text, node: ast.AST) -> Iterator[_Splice]:
    match node:
        case ast.keyword(arg="mask"):
            yield text.put("mask", node, "mask=None")
        case ast.keyword(arg=str(name), value=value) if name in _KEYWORDS and text.of(value) != _KEYWORDS[name]:
            yield text.put(name, node, f"{name}={_KEYWORDS[name]}")
        case ast.AugAssign() | ast.Expr(value=ast.Call()):
            yield text.put("statement", node, "pass")


_MISTAKES = (_in_comparisons, _in_arithmetic, _in_calls, _in_the_rest)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 50 else f"{line[:47]}..."
