"""Constants that a program marks for tuning, and their values written back.

A mark is a comment on the line of an assignment of a literal, at module level or inside a function or class::

    DECAY = 0.9  # tune: float 0.5 0.999
    RATE = 1e-3  # tune: float 1e-5 0.1 log
    ROUNDS = 4  # tune: int 1 16
    MODE = "fast"  # tune: choice fast exact

To a program it means nothing, so what is written back is a plain program.
"""

from __future__ import annotations

import ast
import bisect
import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate

from evaluators.program import live_statements, normalised_digest, parse_program
from evolve.proposers.tuner.space import Kind, MarkError, Space, Value, literal, parse_space, same

__all__ = ["Kind", "Mark", "Space", "Value", "faults", "in_range", "read_marks", "skeleton", "written"]

MOST_MARKS = 64
"""So many marks of a program are read, the first ones in its text: sampling more at once would learn nothing."""

_MARK = re.compile(rb"#\s*tune\s*:([^#\r\n]*)")
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A constant that may be tuned.

    Args:
        name: the name that it is assigned to.
        where: the function or class around, dotted; empty at module level.
        nth: how many marked assignments to that name stand before it in the same place.
        space: the values that it may take.
        value: the value that it has now.
        line: its line, counted from 1.
        start: UTF-8 offset of its literal in the program.
        end: UTF-8 offset of what follows the literal.
    """

    name: str
    where: str
    nth: int
    space: Space
    value: Value
    line: int
    start: int
    end: int

    @property
    def key(self) -> str:
        """What names it within a program: ``DECAY``, ``plan.rounds``, and ``plan.rounds#1`` for a second one."""
        place = f"{self.where}.{self.name}" if self.where else self.name
        return f"{place}#{self.nth}" if self.nth else place


def read_marks(source: str, entry: str | None = None) -> tuple[Mark, ...]:
    """List the marked constants in the order of the text; malformed marks are left out, see `faults`.

    Args:
        source: the program.
        entry: the function that a problem calls; given it, marks in parts that it never reaches are left out.

    Raises:
        ProgramError: the text is not a program.
    """
    return tuple(found for found in _read(source, entry) if isinstance(found, Mark))


def faults(source: str) -> list[str]:
    """Say of each malformed mark, in one sentence, on which line it stands, what is wrong and how to mend it.

    Raises:
        ProgramError: the text is not a program.
    """
    return [found for found in _read(source, None) if isinstance(found, str)]


def written(source: str, values: Mapping[str, Value]) -> str:
    """Write values into a program: the literals of these marks change, and not a character beside them.

    Args:
        source: the program.
        values: by the mark's `key`; numbers are clamped into the range and written with six digits, unknown keys and
            values that are no choice change nothing.

    Raises:
        ProgramError: the text is not a program.
    """
    data = source.encode("utf-8")
    pieces: list[bytes] = []
    position = 0
    for mark in read_marks(source):
        value = in_range(mark, values.get(mark.key, mark.value))
        if not same(value, mark.value):
            pieces += [data[position : mark.start], literal(value).encode("utf-8")]
            position = mark.end
    return b"".join([*pieces, data[position:]]).decode("utf-8")


def in_range(mark: Mark, value: Value) -> Value:
    """Clamp a number into a mark's range (an integer onto a step); what is no choice becomes the present value."""
    if same(value, mark.value):
        return mark.value
    return mark.space.nearest(value, mark.value)


def skeleton(source: str, entry: str) -> str:
    """Digest a program with its marked literals left blank: programs that differ only in these have one skeleton.

    Names, places and ranges of the marks count; names of other things, comments and dead parts do not.

    Returns:
        SHA-256 as 64 hexadecimal digits; empty where the entry reaches no mark.

    Raises:
        ProgramError: the text is not a program.
    """
    marks = read_marks(source, entry)
    if not marks:
        return ""
    data = source.encode("utf-8")
    pieces: list[bytes] = []
    position = 0
    for number, mark in enumerate(sorted(marks, key=lambda mark: mark.start)):
        pieces += [data[position : mark.start], f"'tuned {number}'".encode()]
        position = mark.end
    blank = b"".join([*pieces, data[position:]]).decode("utf-8")
    told = [normalised_digest(blank, entry=entry), *(f"{mark.key} {mark.space.text}" for mark in marks)]
    return hashlib.sha256("\n".join(told).encode("utf-8", "surrogatepass")).hexdigest()


def _read(source: str, entry: str | None) -> list[Mark | str]:
    """Every mark in the order of the text, or what is wrong with it."""
    tree = parse_program(source)
    data = source.encode("utf-8")
    comments = _comments(data, tree) if b"tune" in data else {}
    if not comments:
        return []
    live = None if entry is None else {id(statement) for statement in live_statements(tree, entry)}
    lines = _line_starts(data)
    by_line: dict[int, list[tuple[str, ast.stmt, bool]]] = {}
    for top in tree.body:
        for where, statement in _statements(top):
            if isinstance(statement, ast.Assign | ast.AnnAssign) and statement.end_lineno in comments:
                by_line.setdefault(statement.end_lineno, []).append((where, statement, live is None or id(top) in live))
    found: list[Mark | str] = []
    counts: Counter[tuple[str, str]] = Counter()
    for nth, (line, text) in enumerate(sorted(comments.items())):
        if nth == MOST_MARKS:
            more = len(comments) - nth
            found.append(
                f"line {line}: only the first {MOST_MARKS} marks of a program are read; this one and {more - 1} "
                "behind it are ignored; leave out the marks that matter least"
            )
            break
        statements = by_line.get(line, [])
        if not all(alive for _, _, alive in statements):
            continue
        try:
            if len(statements) != 1:
                raise MarkError("the mark stands beside no assignment, or beside several; give each a line of its own")
            where, statement, _ = statements[0]
            name, node, value = _assigned(statement)
            space = parse_space(text)
            _check(space, value)
        except MarkError as error:
            found.append(f"line {line}: {error}")
            continue
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        found.append(
            Mark(
                name=name,
                where=where,
                nth=counts[where, name],
                space=space,
                value=float(value) if space.kind is Kind.FLOAT and isinstance(value, int) else value,
                line=line,
                start=lines[node.lineno - 1] + node.col_offset,
                end=lines[node.end_lineno - 1] + node.end_col_offset,
            )
        )
        counts[where, name] += 1
    return found


def _line_starts(data: bytes) -> list[int]:
    """UTF-8 offset of each line; Python also ends a line at a lone carriage return."""
    return [0, *(match.end() for match in re.finditer(rb"\r\n|\r|\n", data))]


def _comments(data: bytes, tree: ast.Module) -> dict[int, str]:
    """What stands behind ``# tune:``, by line; a ``#`` outside of every text begins a comment."""
    lines = _line_starts(data)
    texts = []
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)):
            assert node.end_lineno is not None
            assert node.end_col_offset is not None
            texts.append((lines[node.lineno - 1] + node.col_offset, lines[node.end_lineno - 1] + node.end_col_offset))
    texts.sort()
    starts = [start for start, _ in texts]
    # Texts lie within each other where they are formatted, so the last one to begin need not be the last to end.
    ends = list(accumulate((end for _, end in texts), max))
    comments = {}
    for match in _MARK.finditer(data):
        before = bisect.bisect_right(starts, match.start())
        if not before or ends[before - 1] <= match.start():
            comments[bisect.bisect_right(lines, match.start())] = match[1].decode("utf-8")
    return comments


def _statements(top: ast.stmt) -> Iterator[tuple[str, ast.stmt]]:
    """Every statement below one (itself included), each with the functions and classes around it."""
    stack: list[tuple[str, ast.AST]] = [("", top)]
    while stack:
        where, node = stack.pop()
        if isinstance(node, ast.stmt):
            yield where, node
        if isinstance(node, _SCOPES):
            where = f"{where}.{node.name}" if where else node.name
        if not isinstance(node, ast.expr):
            stack.extend((where, child) for child in ast.iter_child_nodes(node))


def _assigned(statement: ast.stmt) -> tuple[str, ast.expr, Value]:
    """Name, node and value of an assignment of a literal.

    Raises:
        MarkError: it is not one.
    """
    match statement:
        case (
            ast.Assign(targets=[ast.Name(id=name)], value=node)
            | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as node)
        ):
            pass
        case _:
            raise MarkError("only `NAME = literal` can be marked")
    match node:
        case ast.Constant(value=bool() | int() | float() | str() | None as value):
            return name, node, value
        case ast.UnaryOp(op=ast.USub() | ast.UAdd() as sign, operand=ast.Constant(value=int() | float() as size)):
            if not isinstance(size, bool):
                return name, node, -size if isinstance(sign, ast.USub) else size
    raise MarkError(f"{name} is not assigned a plain number, text, True, False or None; only those can be tuned")


def _check(space: Space, value: Value) -> None:
    """Hold a present value against what the mark allows.

    Raises:
        MarkError: it is of another kind, or outside.
    """
    if space.holds(value):
        return
    if space.kind is Kind.CHOICE:
        raise MarkError(f"the present value {_short(value)} is none of the choices; add it to them")
    if isinstance(value, bool | str | None) or (space.kind is Kind.INT and not isinstance(value, int)):
        raise MarkError(f"the present value {_short(value)} is not of the kind {space.kind.value}")
    raise MarkError(
        f"the present value {_short(value)} lies outside {space.low:g} .. {space.high:g}; widen the range or change it"
    )


def _short(value: Value) -> str:
    """A value in at most 60 characters; an integer may have more digits than Python will write."""
    if isinstance(value, int) and abs(value) >= 10**40:
        return "(a huge number)"
    return literal(value)[:60]
