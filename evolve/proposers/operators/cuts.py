"""Parts of a program that can be cut out so that what is left still is a program, the biggest first.

A cut is likely where the part probably does nothing: a result that nobody reads, ``* 1.0``, a loop over ``range(0)``,
a branch on a constant, a step done twice. All cuts are syntactic; whether a score survives one is for a judge to say.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from evolve.proposal import ProposalError
from evolve.proposers.operators import idle
from evolve.proposers.operators.dataflow import bodies, is_docstring
from evolve.proposers.operators.idle import weight_of
from evolve.proposers.operators.source import Edit, Program, indented
from evolve.proposers.operators.task import one_line

_ATOMS = (ast.Name, ast.Call, ast.Attribute, ast.Subscript, ast.Tuple, ast.List)
_SMALLEST = 3
_LARGE = 300
_KEPT = (ast.Return, ast.Raise, ast.Import, ast.ImportFrom, ast.Global, ast.Nonlocal)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """One way to make a program smaller.

    Args:
        edits: to the program.
        saved: how many nodes of its tree go, definitions included that nothing else refers to; an estimate.
        likely: whether the part probably does nothing.
        note: what goes, in one line; tells this cut from all others while the part is in the program.
    """

    edits: tuple[Edit, ...]
    saved: int
    likely: bool
    note: str


def cuts(program: Program, entry: str) -> list[Cut]:
    """List every cut: the likely ones, then the others, the biggest first."""
    found = list(_Cutter(program, entry).cuts())
    found.sort(key=lambda cut: (not cut.likely, -cut.saved))
    return found


def combined(program: Program, chosen: Sequence[Cut]) -> tuple[str, list[Cut]]:
    """Apply as many of these cuts at once as do not overlap, the first ones first; returns the text and which."""
    edits: list[Edit] = []
    applied = []
    for cut in chosen:
        if all(new.end <= old.start or old.end <= new.start for new in cut.edits for old in edits):
            edits += cut.edits
            applied.append(cut)
    return program.edited(edits), applied


class _Cutter:
    """Finds cuts in one program."""

    def __init__(self, program: Program, entry: str) -> None:
        self._program = program
        self._entry = entry
        self._references = Counter(
            name.id for statement in program.tree.body for name in program.flow.references(statement)
        )

    def cuts(self) -> Iterator[Cut]:
        """Yield all of them, in no order."""
        for function in self._program.functions.values():
            for block in bodies(function):
                for position in range(len(block)):
                    yield from self._statement(function, block, position)
                yield from self._runs(function, block)
            guarding = self._guarding(function)
            for statement in function.body:
                for node in self._program.flow.walk(statement):
                    if id(node) in guarding:
                        continue
                    if isinstance(node, ast.expr) and not isinstance(node, ast.Constant | ast.Name):
                        yield from self._operands(function, node)
            yield from self._parameters(function)

    def _guarding(self, function: ast.FunctionDef) -> set[int]:
        """The nodes of conditions that are precautions; without a part they would let through what they hold back."""
        walk = self._program.flow.walk
        return {
            id(part)
            for node in walk(function)
            if isinstance(node, ast.If)
            and idle.is_guard(node)
            and idle.constant_truth(self._program, node.test) is None
            for part in walk(node.test)
        }

    def _statement(self, function: ast.FunctionDef, block: list[ast.stmt], position: int) -> Iterator[Cut]:
        statement = block[position]
        likely = idle.does_nothing(self._program, function, block, position)
        kept = self._is_kept(statement)
        lone = len(list(islice((each for each in block if not is_docstring(each)), 2))) == 1
        if not lone and not is_docstring(statement) and (likely or not kept):
            yield from self._removal(function, [statement], likely=likely)
        if isinstance(statement, ast.If) and not self._program.text(statement).startswith("elif"):
            settled = idle.constant_truth(self._program, statement.test)
            for branch, wanted in ((statement.body, True), (statement.orelse, False)):
                if branch and (settled is wanted or not kept):
                    yield from self._branch(function, statement, branch, likely=settled is wanted)

    def _is_kept(self, statement: ast.stmt) -> bool:
        if isinstance(statement, _KEPT) or idle.is_guard(statement):
            return True
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                # `x = np.maximum(x, EPS)`
                return idle.is_bound(self._program, value) and name in self._program.flow.reads(value)
        return False

    def _shown(self, statement: ast.stmt | ast.expr, limit: int) -> str:
        """A part in one line; as it stands in the text where writing a large one out would take long."""
        large = len(self._program.flow.walk(statement)) > _LARGE
        return one_line(self._program.text(statement) if large else ast.unparse(statement), limit)

    def _runs(self, function: ast.FunctionDef, block: list[ast.stmt]) -> Iterator[Cut]:
        """Halves and quarters of a block, as delta debugging tries them."""
        free = [each for each in block if not is_docstring(each) and not self._is_kept(each)]
        length = len(free) // 2
        while length >= 2:
            for start in range(0, len(free) - length + 1, length):
                if length < len(block):
                    yield from self._removal(function, free[start : start + length], likely=False)
            length //= 2

    def _removal(self, function: ast.FunctionDef, statements: list[ast.stmt], *, likely: bool) -> Iterator[Cut]:
        if idle.leaves_unbound(self._program, function, statements):
            return
        try:
            edits = tuple(self._program.removal(statement) for statement in statements)
        except ProposalError:
            return
        shown = "; ".join(self._shown(statement, 60) for statement in statements[:3])
        more = f" and {len(statements) - 3} more" if len(statements) > 3 else ""
        yield Cut(
            edits=edits,
            saved=sum(map(self._weight, statements)),
            likely=likely,
            note=f"in {function.name}: without {shown}{more}",
        )

    def _branch(
        self, function: ast.FunctionDef, statement: ast.If, branch: list[ast.stmt], *, likely: bool
    ) -> Iterator[Cut]:
        program = self._program
        try:
            start, end = program.lines(branch[0])[0], program.lines(branch[-1])[1]
            text = indented(program.slice(start, end), program.indent(branch[0]), program.indent(statement))
            first, last = program.lines(statement)
        except ProposalError:
            return
        if program.text(branch[0]).startswith("elif"):
            text = re.sub(r"^(\s*)elif\b", r"\1if", text, count=1, flags=re.MULTILINE)
        yield Cut(
            edits=(Edit(start=first, end=last, text=text),),
            saved=self._weight(statement) - sum(weight_of(program, each) for each in branch),
            likely=likely,
            note=f"in {function.name}: {self._shown(branch[0], 40)} whether or not {self._shown(statement.test, 40)}",
        )

    def _operands(self, function: ast.FunctionDef, node: ast.expr) -> Iterator[Cut]:
        """Put one operand in the place of the whole, or drop one of several."""
        program = self._program
        neutral = idle.neutral_operand(program, node)
        for operand in idle.operands(program, node):
            text = program.text(operand)
            if not isinstance(operand, _ATOMS) and not (isinstance(operand, ast.Constant) and text[0] not in "+-"):
                text = f"({text})"
            saved = self._weight(node) - weight_of(program, operand)
            if saved < _SMALLEST and operand is not neutral:
                continue
            yield Cut(
                edits=(program.replace(node, text),),
                saved=saved,
                likely=operand is neutral,
                note=f"in {function.name}: {one_line(program.text(node))} -> {one_line(text)}",
            )

    def _parameters(self, function: ast.FunctionDef) -> Iterator[Cut]:
        """Parameters of a helper that it does not read, in its definition and in every call."""
        arguments = function.args.args
        if function.name == self._entry or function.args.posonlyargs or function.args.defaults:
            return
        calls = idle.calls_of(self._program, function.name)
        if len(calls) != self._references[function.name] or any(
            len(call.args) != len(arguments) or call.keywords or any(isinstance(a, ast.Starred) for a in call.args)
            for call in calls
        ):
            return
        read = self._program.flow.reads(function)
        for position, argument in enumerate(arguments):
            if argument.arg in read:
                continue
            lists: list[Sequence[ast.arg | ast.expr]] = [arguments, *(call.args for call in calls)]
            yield Cut(
                edits=tuple(_without(self._program, items, position) for items in lists),
                saved=len(lists),
                likely=True,
                note=f"in {function.name}: without the parameter {argument.arg}",
            )

    def _weight(self, node: ast.AST) -> int:
        """The nodes of a part, and of the definitions that only this part refers to."""
        total = weight_of(self._program, node)
        names = Counter(each.id for each in self._program.flow.walk(node) if isinstance(each, ast.Name))
        for name, count in names.items():
            bound = self._program.bindings.get(name)
            if bound is not None and count >= self._references[name]:
                total += weight_of(self._program, bound)
        return total


def _without(program: Program, items: Sequence[ast.arg | ast.expr], position: int) -> Edit:
    """Take one item out of a list with commas."""
    start, end = program.span(items[position])
    if position:
        start = program.span(items[position - 1])[1]
    elif len(items) > 1:
        end = program.span(items[1])[0]
    return Edit(start=start, end=end, text="")
