"""A program's text together with its tree, and edits by position."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import TypeVar, cast

from evaluators.program import live_statements, parse_program
from evaluators.region import MARKER, frozen_lines, has_regions
from evaluators.scopes import top_level_bindings
from evolve.proposal import ProposalError
from evolve.proposers.operators.dataflow import Flow

_T = TypeVar("_T")

MOST_NODES = 5_000
"""Programs of more syntax nodes are left alone: some questions take time that grows faster than the program. People's
and models' programs have about a tenth to a third of that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """Replace the bytes from `start` to `end` (UTF-8 offsets into the program) by a text."""

    start: int
    end: int
    text: str


class Program:
    """A parsed program; tree positions are UTF-8 byte offsets within lines, as `ast` counts them.

    Raises:
        ProgramError: the text is not a program.
    """

    def __init__(self, source: str) -> None:
        self.source = source.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n") + "\n"
        self.tree = parse_program(self.source)
        self.flow = Flow()
        self._known: dict[str, object] = {}
        self._data = self.source.encode("utf-8")
        self._starts = [0, *(match.end() for match in re.finditer(rb"\n", self._data))]

    @cached_property
    def is_large(self) -> bool:
        """Whether it has more than `MOST_NODES` syntax nodes."""
        return next(islice(ast.walk(self.tree), MOST_NODES, None), None) is not None

    @cached_property
    def functions(self) -> dict[str, ast.FunctionDef]:
        """Top-level functions by name, in the order of the text."""
        return {node.name: node for node in self.tree.body if isinstance(node, ast.FunctionDef)}

    @cached_property
    def bindings(self) -> dict[str, ast.stmt]:
        """Top-level statement that binds each module-level name (the last one, if several do)."""
        return {name: node for node in self.tree.body for name in sorted(top_level_bindings(node))}

    def live(self, entry: str) -> Sequence[ast.stmt]:
        """See `evaluators.program.live_statements`."""
        return self.once(f"live {entry}", lambda: live_statements(self.tree, entry))

    def once(self, question: str, answer: Callable[[], _T]) -> _T:
        """Work something out about the program the first time that it is asked."""
        if question not in self._known:
            self._known[question] = answer()
        return cast(_T, self._known[question])

    def module_alias(self, module: str) -> str | None:
        """Find the top-level name under which a module is imported."""
        for node in self.tree.body:
            for alias in node.names if isinstance(node, ast.Import) else ():
                if alias.name == module and (alias.asname or "." not in module):
                    return alias.asname or alias.name
        return None

    def span(self, node: ast.expr | ast.stmt | ast.arg) -> tuple[int, int]:
        """Locate a node: first byte and the byte after its last."""
        end_line, end_column = node.end_lineno, node.end_col_offset
        assert end_line is not None
        assert end_column is not None
        return self._starts[node.lineno - 1] + node.col_offset, self._starts[end_line - 1] + end_column

    def text(self, node: ast.expr | ast.stmt) -> str:
        """Read a node as it is written."""
        start, end = self.span(node)
        return self.slice(start, end)

    def slice(self, start: int, end: int) -> str:
        """Read the text between two byte offsets."""
        return self._data[start:end].decode("utf-8")

    def lines(self, statement: ast.stmt) -> tuple[int, int]:
        """Locate the whole lines of a statement, with its decorators and the comments right above it.

        A marker of a region that may change belongs to no statement.

        Raises:
            ProposalError: it shares a line with another statement.
        """
        decorators = getattr(statement, "decorator_list", [])
        first = min([statement.lineno, *(node.lineno for node in decorators)])
        last = statement.end_lineno
        assert last is not None
        start, end = self.span(statement)
        before = self.slice(self._starts[statement.lineno - 1], start)
        line_end = self._starts[last] if last < len(self._starts) else len(self._data)
        after = self.slice(end, line_end).strip()
        if before.strip() or (after and not after.startswith("#")):
            raise ProposalError(f"line {statement.lineno} holds more than one statement")
        while first > 1 and self._line(first - 1).startswith(before + "#"):
            if MARKER.fullmatch(self._line(first - 1).rstrip("\n")):
                break
            first -= 1
        return self._starts[first - 1], line_end

    def must_stay(self, statement: ast.stmt) -> bool:
        """Whether a statement begins outside of the regions that may change, where the text marks any."""
        return statement.lineno in self._frozen

    @cached_property
    def _frozen(self) -> set[int]:
        return frozen_lines(self.source) if has_regions(self.source) else set()

    def indent(self, statement: ast.stmt) -> str:
        """Read the white space in front of a statement."""
        start, _ = self.span(statement)
        return self.slice(self._starts[statement.lineno - 1], start)

    def _line(self, number: int) -> str:
        return self.slice(self._starts[number - 1], self._starts[number])

    def replace(self, node: ast.expr | ast.stmt, text: str) -> Edit:
        """Make the edit that writes a text in place of a node."""
        start, end = self.span(node)
        return Edit(start=start, end=end, text=text)

    def edited(self, edits: Iterable[Edit]) -> str:
        """Apply edits that do not overlap.

        Raises:
            ProposalError: two of them overlap.
        """
        pieces: list[bytes] = []
        position = 0
        for edit in sorted(edits, key=lambda edit: (edit.start, edit.end)):
            if edit.start < position:
                raise ProposalError("two edits overlap")
            pieces += [self._data[position : edit.start], edit.text.encode("utf-8")]
            position = edit.end
        return b"".join([*pieces, self._data[position:]]).decode("utf-8")

    def removal(self, statement: ast.stmt) -> Edit:
        """Make the edit that removes the lines of a statement."""
        start, end = self.lines(statement)
        return Edit(start=start, end=end, text="")


def indented(text: str, old: str, new: str) -> str:
    """Move whole lines from one indentation to another; strings over several lines must not depend on it.

    Raises:
        ProposalError: some line does not begin with the old indentation.
    """
    lines = text.splitlines(keepends=True)
    if any(line.strip() and not line.startswith(old) for line in lines):
        raise ProposalError("the statement cannot be indented anew")
    return "".join(new + line[len(old) :] if line.strip() else line for line in lines)


def prune(source: str, entry: str) -> str:
    """Remove the top-level definitions, imports and constants that the entry does not reach.

    Nothing goes that stands outside of the regions that may change, or where no entry is known.

    Raises:
        ProgramError: the text is not a program.
        ProposalError: what is to go shares a line with something else.
    """
    if not entry:
        return source
    program = Program(source)
    live = {id(statement) for statement in live_statements(program.tree, entry)}
    dead = [
        statement
        for index, statement in enumerate(program.tree.body)
        if id(statement) not in live
        and not (index == 0 and isinstance(statement, ast.Expr))
        and not program.must_stay(statement)
    ]
    return _tidy(program.edited(program.removal(statement) for statement in dead))


def _tidy(text: str) -> str:
    """Leave at most two blank lines in a row, unless that would change a string."""
    tidied = re.sub(r"\n{4,}", "\n\n\n", text).strip("\n") + "\n"
    if tidied == text:
        return text
    return tidied if ast.dump(parse_program(tidied)) == ast.dump(parse_program(text)) else text


def fresh_name(wanted: str, taken: Sequence[str] | frozenset[str] | set[str]) -> str:
    """Find a name like the one wanted that is not taken."""
    if wanted not in taken:
        return wanted
    stem = re.sub(r"_\d+$", "", wanted)
    number = 2
    while f"{stem}_{number}" in taken:
        number += 1
    return f"{stem}_{number}"


def all_names(program: Program) -> set[str]:
    """Collect every name that a program spells anywhere, as variable, parameter or definition."""
    return set(program.once("names", lambda: _spelled(program)))


def _spelled(program: Program) -> frozenset[str]:
    names: set[str] = set()
    for node in program.flow.walk(program.tree):
        if isinstance(node, ast.Name):
            names.add(node.id)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
    return frozenset(names | set(program.bindings))
