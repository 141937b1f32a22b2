"""Deletes, repeats and reorders statements where every name stays defined."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from evolve.proposers.operators.dataflow import binds, bodies, bound_before, changes, is_docstring, reads
from evolve.proposers.operators.source import Edit, Program
from evolve.proposers.operators.task import Change, Option, Task, draw, one_line

_KEPT = (
    ast.Return,
    ast.FunctionDef,
    ast.ClassDef,
    ast.Import,
    ast.ImportFrom,
    ast.Break,
    ast.Continue,
    ast.Raise,
)
_MOVABLE = (ast.Assign, ast.AugAssign, ast.For, ast.If, ast.Expr)


def delete_statement(task: Task) -> Change:
    """Delete a statement whose names are bound before it anyway."""
    options = [
        Option(
            weight=1.0,
            edits=(task.parent.removal(statement),),
            note=f"in {function.name}: without {_shown(statement)}",
        )
        for function, body, statement in _statements(task.parent)
        if len(body) > 1 + is_docstring(body[0])
        and not isinstance(statement, _KEPT)
        and binds(statement) <= bound_before(function, statement.lineno) | _unread(function, statement)
    ]
    return _change(task, options, "delete")


def duplicate_statement(task: Task) -> Change:
    """Repeat a statement that builds on what it changes."""
    options = []
    for function, _, statement in _statements(task.parent):
        again = isinstance(statement, ast.AugAssign | ast.For) or bool(changes(statement) & reads(statement))
        if again and isinstance(statement, _MOVABLE):
            start, end = task.parent.lines(statement)
            edit = Edit(start=end, end=end, text=task.parent.slice(start, end))
            options.append(Option(weight=1.0, edits=(edit,), note=f"in {function.name}: twice {_shown(statement)}"))
    return _change(task, options, "duplicate")


def swap_statements(task: Task) -> Change:
    """Swap two neighbours of which one changes what the other reads, if both still find their names bound."""
    options = []
    for function, body, second in _statements(task.parent):
        index = body.index(second)
        first = body[index - 1] if index else second
        if not isinstance(first, _MOVABLE) or not isinstance(second, _MOVABLE) or is_docstring(first):
            continue
        known = bound_before(function, first.lineno)
        late = binds(first) - known
        touching = changes(first) & (reads(second) | changes(second)) or changes(second) & reads(first)
        if first is not second and touching and not late & reads(second):
            text = [task.parent.slice(*task.parent.lines(statement)) for statement in (second, first)]
            start, end = task.parent.lines(first)[0], task.parent.lines(second)[1]
            edit = Edit(start=start, end=end, text="".join(text))
            note = f"in {function.name}: {_shown(second)} before {_shown(first)}"
            options.append(Option(weight=1.0, edits=(edit,), note=note))
    return _change(task, options, "swap")


def _statements(program: Program) -> Iterator[tuple[ast.FunctionDef, list[ast.stmt], ast.stmt]]:
    for function in program.functions.values():
        for body in bodies(function):
            for statement in body:
                if not is_docstring(statement):
                    yield function, body, statement


def _unread(function: ast.FunctionDef, statement: ast.stmt) -> set[str]:
    """Name what no other statement of the function reads."""
    inside = {id(node) for node in ast.walk(statement)}
    read = {
        node.id
        for node in ast.walk(function)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and id(node) not in inside
    }
    return binds(statement) - read


def _shown(statement: ast.stmt) -> str:
    return one_line(ast.unparse(statement), 40)


def _change(task: Task, options: list[Option], kind: str) -> Change:
    chosen = draw(task.rng, options, f"statement to {kind}")
    return Change(source=task.parent.edited(chosen.edits), operator=f"mutate:{kind}", note=chosen.note)
