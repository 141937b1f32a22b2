"""Changes a program's text as a model without a mind would: numbers, parts of other programs, now and then a statement.

Comments and layout stay. Nothing here knows a problem or a score.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeVar

from reading import parsed

BROKEN, STATEMENT, BORROWED = 0.04, 0.07, 0.25
"""Shares of proposals that do not run, change a statement, and take parts of another program of the prompt."""

T = TypeVar("T")

_SCALES = (0.05, 0.2, 0.6)
_LEAST = 0.3
"""A number nearer to 0 than this is moved as if it were this large, so that it can leave 0 and change its sign."""

_TOKEN = re.compile(
    r'''"""[\s\S]*?(?:"""|\Z)|'{3}[\s\S]*?(?:'{3}|\Z)|"(?:\\.|[^"\\\n])*"?|'(?:\\.|[^'\\\n])*'?|#[^\n]*'''
    r"|(?<![\w.])(?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)(?![\w.])"
)
"""Strings, comments and numbers of a text that need not parse."""

_FLIPPED: dict[type[ast.cmpop], str] = {ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">"}


@dataclass(frozen=True, kw_only=True)
class Change:
    """A new program and what was done, such as ``numbers``."""

    source: str
    kind: str


def change(source: str, others: Sequence[str], rng: Random) -> Change:
    """A program made from another one; it differs, unless there is nothing in it to change.

    What does not parse has its numbers changed as text, or gives way to another program, changed.
    """
    dice = rng.random()
    if parsed(source) is None:
        return _torn(source, others, rng, gives_way=0 <= dice - BROKEN - STATEMENT < BORROWED)
    if dice < BROKEN:
        return Change(source=_broken(source, rng), kind="broken")
    ways: list[tuple[str, Callable[[], str]]] = []
    if dice < BROKEN + STATEMENT:
        ways.append(("statement", lambda: _statement(source, rng)))
    elif dice < BROKEN + STATEMENT + BORROWED and others:
        ways.append(("borrowed", lambda: _borrowed(source, rng.choice(others), rng)))
    ways.append(("numbers", lambda: numbers(source, rng)))
    for kind, way in ways:
        for _ in range(5):
            new = way()
            if new != source:
                return Change(source=new, kind=kind)
    return Change(source=source, kind="none")


# -- numbers ---------------------------------------------------------------------------------------


def numbers(source: str, rng: Random) -> str:
    """Change one to three numbers; those in named constants four times in five, where there are any."""
    tree = ast.parse(source)
    named = [node for statement in tree.body if _is_constant(statement) for node in _numbers_in(statement)]
    inner = [
        node for statement in tree.body if isinstance(statement, ast.FunctionDef) for node in _numbers_in(statement)
    ]
    chosen = {(each.node.lineno, each.node.col_offset): each for each in _drawn(named, inner, rng)}
    edits = [(_span(source, each.node), _other_number(each.value, rng)) for each in chosen.values()]
    return _edited(source, edits)


def _drawn(named: Sequence[T], inner: Sequence[T], rng: Random) -> list[T]:
    drawn: list[T] = []
    for _ in range(rng.choices((1, 2, 3), (5, 3, 2))[0]):
        pool = named if named and (not inner or rng.random() < 0.8) else inner
        if pool:
            drawn.append(rng.choice(pool))
    return drawn


def _torn(source: str, others: Sequence[str], rng: Random, *, gives_way: bool) -> Change:
    """A change of a text that does not parse."""
    if not (gives_way and others):
        for _ in range(5):
            new = _numbers_of_text(source, rng)
            if new != source:
                return Change(source=new, kind="numbers")
    if others:
        return Change(source=numbers(rng.choice(others), rng), kind="borrowed")
    return Change(source=source, kind="none")


def _numbers_of_text(source: str, rng: Random) -> str:
    """As `numbers`, without a syntax tree: a named constant is what a line without indent assigns."""
    named: list[re.Match[str]] = []
    inner: list[re.Match[str]] = []
    for token in _TOKEN.finditer(source):
        if token["number"]:
            line = source[source.rfind("\n", 0, token.start()) + 1 : token.start()]
            (named if re.match(r"[A-Za-z_][\w: ]*=", line) else inner).append(token)
    chosen = {token.start(): token for token in _drawn(named, inner, rng)}
    edits = []
    for token in chosen.values():
        text = token["number"]
        value = int(text) if text.isdecimal() else float(text)
        edits.append((token.span(), _other_number(value, rng)))
    return _edited(source, edits)


def _other_number(value: float, rng: Random) -> str:
    scale = rng.choice(_SCALES)
    if isinstance(value, int):
        if abs(value) <= 4 or rng.random() < 0.5:
            new = value + rng.choice((-2, -1, 1, 2))
        else:
            new = round(value * math.exp(rng.gauss(0.0, scale)))
        return str(max(0, new))
    if rng.random() < 0.6:
        value *= math.exp(rng.gauss(0.0, scale))
    else:
        value += rng.gauss(0.0, scale * max(_LEAST, abs(value)))
    text = f"{value:.6g}"
    return text if any(mark in text for mark in ".en") else f"{text}.0"


def _is_constant(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None


@dataclass(frozen=True, kw_only=True)
class _Number:
    """A literal with its sign."""

    node: ast.expr
    value: float


def _numbers_in(statement: ast.stmt) -> list[_Number]:
    found: dict[int, _Number] = {}
    for node in ast.walk(statement):  # outer nodes come first
        sign, inner = (
            (-1, node.operand) if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) else (1, node)
        )
        value = inner.value if isinstance(inner, ast.Constant) else None
        if isinstance(node, ast.expr) and type(value) in (int, float) and id(inner) not in found:
            assert isinstance(value, int | float)
            found[id(inner)] = _Number(node=node, value=sign * value)
    return list(found.values())


# -- parts of other programs -----------------------------------------------------------------------


def _borrowed(source: str, other: str, rng: Random) -> str:
    """Take a function or some constants of the same names from another program."""
    mine, theirs = _named(source), _named(other)
    differing = [name for name in mine if name in theirs and mine[name][1] != theirs[name][1]]
    functions = [name for name in differing if mine[name][2]]
    constants = [name for name in differing if not mine[name][2]]
    if functions and (not constants or rng.random() < 0.4):
        taken = [rng.choice(functions)]
    else:
        taken = [name for name in constants if rng.random() < 0.5] or rng.sample(constants, min(1, len(constants)))
    return _edited(source, [(mine[name][0], theirs[name][1]) for name in taken])


def _named(source: str) -> dict[str, tuple[tuple[int, int], str, bool]]:
    """Top-level functions and constants: place, text, and whether it is a function."""
    found = {}
    for statement in ast.parse(source).body:
        is_function = isinstance(statement, ast.FunctionDef)
        name = ""
        if isinstance(statement, ast.FunctionDef):
            name = statement.name
        elif isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            name = statement.targets[0].id
        if name:
            span = _span(source, statement)
            found[name] = (span, source[span[0] : span[1]], is_function)
    return found


# -- statements ------------------------------------------------------------------------------------


def _statement(source: str, rng: Random) -> str:
    """Delete or double a statement inside a function, or move the edge of a comparison."""
    inner = [
        node
        for function in ast.parse(source).body
        if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Assign | ast.AugAssign | ast.Expr) and not isinstance(node.value, ast.Constant)
    ]
    compared = [
        node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Compare) and type(node.ops[0]) in _FLIPPED
    ]
    way = rng.choice(("delete", "double", "flip"))
    if way == "flip" and compared:
        node = rng.choice(compared)
        start, end = _span(source, node.left)[1], _span(source, node.comparators[0])[0]
        return _edited(source, [((start, end), f" {_FLIPPED[type(node.ops[0])]} ")])
    if not inner:
        return source
    statement = rng.choice(inner)
    span = _span(source, statement)
    text = source[span[0] : span[1]]
    if way == "delete":
        return _edited(source, [(span, "pass")])
    return _edited(source, [(span, f"{text}\n{' ' * statement.col_offset}{text}")])


def _broken(source: str, rng: Random) -> str:
    """A program that does not run: cut off, a name that nobody defined, or a bracket too few."""
    way = rng.choice(("cut", "name", "bracket"))
    returns = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Return) and node.value]
    lines = source.rstrip("\n").split("\n")
    if way == "cut" or not returns or ")" not in source:
        return "\n".join(lines[: max(3, int(len(lines) * rng.uniform(0.4, 0.9)))]) + "\n"
    if way == "bracket":
        places = [index for index, character in enumerate(source) if character == ")"]
        place = rng.choice(places)
        return source[:place] + source[place + 1 :]
    node = rng.choice(returns)
    assert node.value is not None
    span = _span(source, node.value)
    return _edited(source, [(span, f"improved({source[span[0] : span[1]]})")])


# -- text ------------------------------------------------------------------------------------------


def _span(source: str, node: ast.expr | ast.stmt) -> tuple[int, int]:
    """Where a node's text begins and ends, in characters; columns of the syntax tree count bytes."""
    lines = source.split("\n")

    def place(line: int, column: int) -> int:
        before = sum(len(each) + 1 for each in lines[: line - 1])
        return before + len(lines[line - 1].encode()[:column].decode())

    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    return place(node.lineno, node.col_offset), place(node.end_lineno, node.end_col_offset)


def _edited(source: str, edits: Sequence[tuple[tuple[int, int], str]]) -> str:
    for (start, end), text in sorted(edits, reverse=True):
        source = source[:start] + text + source[end:]
    return source
