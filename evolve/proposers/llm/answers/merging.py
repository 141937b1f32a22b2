"""Putting functions, constants and imports of an answer into the parent, by name."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass

from evaluators.region import MARKER
from evaluators.scopes import Definition, imported_names
from evolve.proposers.llm.answers.elision import elided_lines, fill
from evolve.proposers.llm.answers.model import AnswerError
from evolve.proposers.llm.answers.pieces import Piece, missing_names, pieces_of, used_by


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """The parent with pieces put in, the names that changed, and what was tolerated."""

    source: str
    changed: tuple[str, ...]
    tolerated: tuple[str, ...]


class _Merger:
    """Collects replacements by line of the parent, and what is new."""

    def __init__(self, parent: str, tree: ast.Module, entry: str) -> None:
        self.lines = parent.split("\n")
        self.known = {line.strip() for line in self.lines}
        self.pieces = pieces_of(parent, tree)
        self.entry = entry
        self.homes = {name: piece for piece in self.pieces for name in sorted(piece.names)}
        self.replaced: dict[int, tuple[Piece, list[str]]] = {}
        self.imports: list[str] = []
        self.added: list[list[str]] = []
        self.changed: list[str] = []
        self.tolerated: list[str] = []

    def take(self, pieces: Sequence[Piece]) -> None:
        """Sort the pieces of an answer into replacements, additions and what means nothing here."""
        wanted = used_by([piece for piece in pieces if piece.is_definition])
        for number, piece in enumerate(pieces):
            docstring = not number and isinstance(piece.node, ast.Expr)
            if piece.is_elision or docstring:
                continue
            if piece.is_import:
                self._import(piece)
            elif piece.is_definition or piece.is_assignment:
                home = next((self.homes[name] for name in sorted(piece.names) if name in self.homes), None)
                if home is not None:
                    self._replace(home, piece)
                elif piece.is_definition or piece.names & set(wanted):
                    self._refuse_gaps(piece)
                    self.added.append(list(piece.lines))
                    self.changed += sorted(piece.names)
                else:
                    self._tolerate("statements left out")
            else:
                self._tolerate("statements left out")

    def _replace(self, home: Piece, piece: Piece) -> None:
        lines, gapped = self._filled(home, piece)
        if not gapped and home.tree == piece.tree:
            return
        if home.shares or home.names != piece.names:
            name = ", ".join(sorted(piece.names & home.names))
            raise AnswerError(
                f"Line {home.node.lineno} of the program binds {name} together with other things, so that the new "
                f"{name} cannot be put in its place. Send the whole program."
            )
        if isinstance(home.node, Definition) != isinstance(piece.node, Definition):
            self._tolerate("definition of another kind")
        comments = next((n for n, line in enumerate(home.lines) if not line.startswith("#")), 0)
        above = home.lines[: 0 if piece.lines[0].startswith("#") else comments]
        self.replaced[home.start] = (home, [*above, *lines])
        self.changed += sorted(piece.names)

    def _filled(self, home: Piece, piece: Piece) -> tuple[list[str], bool]:
        """Fill the gaps in a piece from the statement of the parent that it replaces."""
        numbers = {line - 1 - piece.start for line in self._gaps(piece)}
        if not numbers:
            return list(piece.lines), False
        self._tolerate("elision filled")
        what = f"{', '.join(sorted(piece.names))}"
        return fill(piece.lines, numbers, list(home.lines), what), True

    def _gaps(self, piece: Piece) -> set[int]:
        return elided_lines(piece.node, self.known)

    def _refuse_gaps(self, piece: Piece) -> None:
        if self._gaps(piece):
            name = ", ".join(sorted(piece.names))
            raise AnswerError(
                f"The body of {name} is left out, and the program has no {name} to take it from. Write it out."
            )

    def _import(self, piece: Piece) -> None:
        """Add what the parent does not import yet under the same name."""
        assert isinstance(piece.node, ast.Import | ast.ImportFrom)
        meanings = imported_names(piece.node)
        ours: dict[str, str] = {}
        for home in self.pieces:
            if isinstance(home.node, ast.Import | ast.ImportFrom):
                ours |= imported_names(home.node)
        text = " ".join(line.strip() for line in piece.lines if not line.startswith("#"))
        if any(ours.get(name) != meaning for name, meaning in meanings.items()) and text not in self.imports:
            self.imports.append(ast.unparse(piece.node))
            self.changed += sorted(meanings)

    def source(self) -> str:
        """Write the program."""
        lines = list(self.lines)
        place = self._place()
        spots: list[tuple[int, int, list[str]]] = [(home.start, home.end, new) for home, new in self.replaced.values()]
        if self.added:
            text = [line for new in self.added for line in [*new, "", ""]]
            spots.append((place, place, text))
        if self.imports:
            futures = [text for text in self.imports if text.startswith("from __future__")]
            others = [text for text in self.imports if text not in futures]
            after = self._after_imports()
            head = self._head()
            if futures:
                spots.append((head, head, futures))
            if others:
                spots.append((after, after, others))
        for start, end, new in sorted(spots, key=lambda spot: (spot[0], spot[1]), reverse=True):
            lines[start:end] = new
        return "\n".join(lines)

    def _place(self) -> int:
        """Choose the line before which new definitions go: before the first function that changes, or the entry."""
        low, high = self._region()
        starts = [home.start for home, _ in self.replaced.values() if home.is_definition]
        starts += [piece.start for piece in self.pieces if self.entry in piece.names]
        inside = [start for start in starts if low <= start < high]
        return min(inside, default=low if low else len(self.lines))

    def _region(self) -> tuple[int, int]:
        """Find the lines of the first region that may change; all lines in a program without regions."""
        low = 0
        for number, line in enumerate(self.lines):
            marker = MARKER.fullmatch(line)
            if marker and marker[1] == "START" and not low:
                low = number + 1
            elif marker and low:
                return low, number
        return low, len(self.lines)

    def _head(self) -> int:
        """Find the line after the module's docstring."""
        low, _ = self._region()
        first = self.pieces[0] if self.pieces else None
        is_text = first is not None and isinstance(first.node, ast.Expr) and isinstance(first.node.value, ast.Constant)
        return max(low, first.end if first is not None and is_text else 0)

    def _after_imports(self) -> int:
        """Find the line after the last import that comes before any definition."""
        low, high = self._region()
        place = self._head()
        for piece in self.pieces:
            if piece.is_definition:
                break
            if piece.is_import and low <= piece.start < high:
                place = max(place, piece.end)
        return place

    def _tolerate(self, name: str) -> None:
        if name not in self.tolerated:
            self.tolerated.append(name)


def merge(parent: str, tree: ast.Module, pieces: Sequence[Piece], entry: str) -> Merged:
    """Replace by name what the parent has, and add what it lacks.

    Pieces that equal the parent's own are left alone, so that its text stays as it is.

    Raises:
        AnswerError: a gap cannot be filled, or a name cannot be replaced on its own.
    """
    merger = _Merger(parent, tree, entry)
    merger.take(pieces)
    source = merger.source()
    return Merged(source=source, changed=tuple(merger.changed), tolerated=tuple(merger.tolerated))


def gaps_in(pieces: Sequence[Piece], known: set[str]) -> bool:
    """Say whether any piece leaves code out."""
    return any(elided_lines(piece.node, known) for piece in pieces)


def resolved(pieces: Sequence[Piece]) -> bool:
    """Say whether pieces define all that they use."""
    return not missing_names([piece.node for piece in pieces])
