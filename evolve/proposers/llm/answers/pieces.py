"""The top-level statements of a program as pieces of text, each with the names that it binds."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property

from evaluators.program import global_references
from evaluators.scopes import Definition, top_level_bindings

_BUILTINS = frozenset(dir(builtins)) | {"__name__", "__file__", "__doc__"}


@dataclass(frozen=True, kw_only=True)  # without slots, for the cached property
class Piece:
    """One top-level statement.

    Args:
        node: its tree.
        names: the module-level names that it binds.
        lines: its lines as written, with decorators and the comments right above it.
        start: number of its first line, counted from 0.
        end: number after its last line.
        shares: whether it shares a line with another statement.
    """

    node: ast.stmt
    names: frozenset[str]
    lines: tuple[str, ...]
    start: int
    end: int
    shares: bool = False

    @property
    def is_import(self) -> bool:
        """Whether it imports."""
        return isinstance(self.node, ast.Import | ast.ImportFrom)

    @property
    def is_definition(self) -> bool:
        """Whether it defines a function or class."""
        return isinstance(self.node, Definition)

    @property
    def is_assignment(self) -> bool:
        """Whether it binds a constant."""
        return isinstance(self.node, ast.Assign | ast.AnnAssign) and bool(self.names)

    @property
    def is_elision(self) -> bool:
        """Whether it is the statement `...`."""
        return (
            isinstance(self.node, ast.Expr)
            and isinstance(self.node.value, ast.Constant)
            and self.node.value.value is ...
        )

    @cached_property
    def tree(self) -> str:
        """What it says, apart from how it is written."""
        return ast.dump(self.node)


def pieces_of(code: str, tree: ast.Module) -> list[Piece]:
    """Cut a program into its top-level statements."""
    lines = code.split("\n")
    pieces: list[Piece] = []
    for number, node in enumerate(tree.body):
        decorators = getattr(node, "decorator_list", [])
        start = min([node.lineno, *(decorator.lineno for decorator in decorators)]) - 1
        end = node.end_lineno or node.lineno
        shares = bool(pieces and start < pieces[-1].end)
        following = tree.body[number + 1].lineno if number + 1 < len(tree.body) else 0
        low = pieces[-1].end if pieces else 0
        while start > low and lines[start - 1].startswith("#") and "EVOLVE-BLOCK" not in lines[start - 1]:
            start -= 1
        pieces.append(
            Piece(
                node=node,
                names=top_level_bindings(node),
                lines=tuple(lines[start:end]),
                start=start,
                end=end,
                shares=shares or following == end,
            )
        )
    return pieces


def missing_names(statements: Sequence[ast.stmt]) -> set[str]:
    """Name what some top-level statements use and neither they nor Python define."""
    bound: set[str] = set()
    used: set[str] = set()
    for statement in statements:
        bound |= top_level_bindings(statement)
        used |= {node.id for node in global_references(statement) if isinstance(node.ctx, ast.Load)}
    return set() if "*" in bound else used - bound - _BUILTINS


def binds(tree: ast.Module, name: str) -> bool:
    """Say whether a program defines a function at top level."""
    return any(isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name for node in tree.body)


def used_by(pieces: Sequence[Piece]) -> Collection[str]:
    """Name every module-level name that some pieces use."""
    return {node.id for piece in pieces for node in global_references(piece.node)}


def dead_additions(new: ast.Module, old: ast.Module) -> set[str]:
    """Name what a program adds to another one that stays as it is and never uses it; empty if it does more."""
    if len(new.body) <= len(old.body):
        return set()
    before = [ast.dump(node) for node in old.body]
    after = [(node, ast.dump(node)) for node in new.body]
    if [text for _, text in after if text in before] != before:
        return set()
    added = [node for node, text in after if text not in before]
    if not all(isinstance(node, Definition | ast.Import | ast.ImportFrom) for node in added):
        return set()
    if any(getattr(node, "decorator_list", []) for node in added):
        return set()
    names = {name for node in added for name in top_level_bindings(node)}
    used = {node.id for statement in old.body for node in global_references(statement)}
    bound = {name for node in old.body for name in top_level_bindings(node)}
    return set() if "*" in names or names & (used | bound) else names
