"""Deletes, repeats and reorders statements where every name stays defined."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from evolve.proposers.operators.dataflow import Flow, bodies, is_docstring
from evolve.proposers.operators.numerics import BOOL, FLOAT
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
_RISKY = 0.03
_MOVABLE = (ast.Assign, ast.AugAssign, ast.For, ast.If, ast.Expr)


def delete_statement(task: Task) -> Change:
    """Delete a statement whose names are bound before it anyway."""
    flow = task.parent.flow
    options = [
        Option(
            weight=1.0 if _is_loose(task, function, statement) else _RISKY,
            edits=(task.parent.removal(statement),),
            note=f"in {function.name}: without {_shown(statement)}",
        )
        for function, body, statement in _statements(task.parent)
        if len(body) > 1 + is_docstring(body[0])
        and not isinstance(statement, _KEPT)
        and not _is_guard(statement)
        and flow.binds(statement) <= flow.bound_before(function, statement.lineno) | _unread(flow, function, statement)
        and not _keeps_a_loop_going(flow, function, statement)
    ]
    return _change(task, options, "delete")


def duplicate_statement(task: Task) -> Change:
    """Repeat a statement that builds on what it changes."""
    options = []
    flow = task.parent.flow
    for function, _, statement in _statements(task.parent):
        again = isinstance(statement, ast.AugAssign | ast.For) or flow.changes(statement) & flow.reads(statement)
        if again and isinstance(statement, _MOVABLE) and not _is_simple_copy(statement):
            start, end = task.parent.lines(statement)
            edit = Edit(start=end, end=end, text=task.parent.slice(start, end))
            weight = 1.0 if _is_loose(task, function, statement) else _RISKY
            note = f"in {function.name}: twice {_shown(statement)}"
            options.append(Option(weight=weight, edits=(edit,), note=note))
    return _change(task, options, "duplicate")


def swap_statements(task: Task) -> Change:
    """Swap two neighbours of which one changes what the other reads, if both still find their names bound."""
    options = []
    flow = task.parent.flow
    for function, body, second in _statements(task.parent):
        index = body.index(second)
        first = body[index - 1] if index else second
        if not isinstance(first, _MOVABLE) or not isinstance(second, _MOVABLE) or is_docstring(first):
            continue
        late = flow.binds(first) - flow.bound_before(function, first.lineno)
        ours, theirs = flow.changes(first), flow.changes(second)
        touching = ours & (flow.reads(second) | theirs) or theirs & flow.reads(first)
        if first is not second and touching and not late & flow.reads(second):
            text = [task.parent.slice(*task.parent.lines(statement)) for statement in (second, first)]
            start, end = task.parent.lines(first)[0], task.parent.lines(second)[1]
            edit = Edit(start=start, end=end, text="".join(text))
            loose = all(_is_loose(task, function, statement) for statement in (first, second))
            note = f"in {function.name}: {_shown(second)} before {_shown(first)}"
            options.append(Option(weight=1.0 if loose else _RISKY, edits=(edit,), note=note))
    return _change(task, options, "swap")


def _is_loose(task: Task, function: ast.FunctionDef, statement: ast.stmt) -> bool:
    """Say whether the program probably runs without a statement, or with two of it.

    So it is where the statement leaves every name as it was in kind, and what it changes are no counts: those must
    add up. A whole step, such as ``slots = refine(slots, load)``, may change anything.
    """
    for name in task.parent.flow.changes(statement):
        kind = task.kinds.of_name(function.name, name)
        if kind.dtype in (FLOAT, BOOL) and kind.shape is not None:
            continue
        match statement:
            case ast.Assign(targets=[ast.Name(id=target)], value=ast.Call(func=ast.Name(), args=arguments)) if any(
                isinstance(argument, ast.Name) and argument.id == target for argument in arguments
            ):
                continue
        return False
    return True


def _is_guard(statement: ast.stmt) -> bool:
    """Say whether a statement deals with something that may be None, or leaves the function early."""
    if not isinstance(statement, ast.If):
        return False
    nones = any(isinstance(node, ast.Constant) and node.value is None for node in ast.walk(statement.test))
    return nones or any(isinstance(node, ast.Return | ast.Raise) for node in ast.walk(statement))


def _is_simple_copy(statement: ast.stmt) -> bool:
    """Say whether a statement is ``x = x.copy()`` or the like: doing it twice changes nothing."""
    match statement:
        case ast.Assign(value=ast.Call(func=ast.Attribute(attr="copy" | "astype" | "clip"))):
            return True
    return False


def _keeps_a_loop_going(flow: Flow, function: ast.FunctionDef, statement: ast.stmt) -> bool:
    """Say whether a statement stands in a while loop, which might not end without it."""
    return any(
        isinstance(node, ast.While) and statement is not node and statement in flow.walk(node)
        for node in flow.walk(function)
    )


def _statements(program: Program) -> Iterator[tuple[ast.FunctionDef, list[ast.stmt], ast.stmt]]:
    for function in program.functions.values():
        for body in bodies(function):
            for statement in body:
                if not is_docstring(statement):
                    yield function, body, statement


def _unread(flow: Flow, function: ast.FunctionDef, statement: ast.stmt) -> frozenset[str]:
    """Name what no other statement of the function reads."""
    bound = flow.binds(statement)
    inside = {id(node) for node in flow.walk(statement)}
    read = {
        node.id
        for node in flow.walk(function)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and id(node) not in inside
    }
    return bound - read


def _shown(statement: ast.stmt) -> str:
    return one_line(ast.unparse(statement), 40)


def _change(task: Task, options: list[Option], kind: str) -> Change:
    chosen = draw(task.rng, options, f"statement to {kind}")
    return Change(source=task.parent.edited(chosen.edits), operator=f"mutate:{kind}", note=chosen.note)
