"""Inserts one statement of another program's function into the parent's function of the same name."""

from __future__ import annotations

import ast
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random

from evolve.proposal import Material, ProposalError
from evolve.proposers.operators.dataflow import BUILTINS, is_docstring
from evolve.proposers.operators.schedule import is_kernel
from evolve.proposers.operators.source import Edit, Program, all_names, indented
from evolve.proposers.operators.task import Change, Task, one_line
from evolve.proposers.operators.transplant import (
    accepts_same_calls,
    clearing,
    pack_luggage,
    survivors,
    unpack,
    written,
)

_ENTRY_SHARE = 0.8
_DONORS = 5
_REPEAT_WEIGHT = 0.1
_OVERWRITE_WEIGHT = 0.15


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """A statement of the donor, and the parent's statement in front of which it fits."""

    function: str
    statement: ast.stmt
    references: tuple[ast.Name, ...]
    before: ast.stmt


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fit:
    """A statement of the donor, and all places of the parent's function where it fits.

    `places` is a set of positions in the function's body, one bit each; `weight` counts for each of them.
    """

    function: str
    statement: ast.stmt
    references: tuple[ast.Name, ...]
    places: int
    weight: float

    def draw(self, parent: Program, share: float) -> _Place:
        """The place that lies a share of the way, from 0 to 1, along all of them."""
        count = self.places.bit_count()
        nth = min(count - 1, max(0, int(share * count)))
        position = [at for at in range(self.places.bit_length()) if self.places >> at & 1][nth]
        before = parent.functions[self.function].body[position]
        return _Place(function=self.function, statement=self.statement, references=self.references, before=before)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rooms:
    """What is known in front of each statement of a function's body; sets of positions, one bit each.

    `bound` says from which position on each name is bound, `alive` where the rest of the function reads a name
    before it binds it anew, `free` are all positions but the docstrings.
    """

    bound: dict[str, int]
    alive: dict[str, int]
    free: int


def graft(task: Task) -> Change:
    """Insert a statement where all that it reads is defined and something that it sets is read later.

    Not into a Triton module: there another program's step overwrites ours, or does the same work once more.
    """
    if is_kernel(task.parent):
        raise ProposalError("a kernel takes no single step of another one")
    material, donor, place = _draw_place(task)
    present = survivors(task.parent, task.entry, frozenset(), frozenset())
    renames = {}
    for name in sorted({node.id for node in place.references}):
        ours, theirs = task.parent.bindings.get(name), donor.bindings.get(name)
        if ours is not None and theirs is not None and accepts_same_calls(ours, theirs) and task.rng.random() < 0.5:
            renames[name] = name
    taken = all_names(task.parent)
    luggage = pack_luggage(donor, (node.id for node in place.references), present, renames, taken)
    body = written(donor, place.statement, luggage.renames, place.references)
    start, _ = task.parent.lines(place.before)
    text = indented(body, donor.indent(place.statement), task.parent.indent(place.before))
    anchor = task.parent.functions[place.function]
    edits = [Edit(start=start, end=start, text=text), *unpack(task.parent, donor, luggage, anchor)]
    edits += clearing(task.parent, present, anchor)
    code = one_line(text.splitlines()[-1] if isinstance(place.statement, ast.Assign) else ast.unparse(place.statement))
    return Change(
        source=task.parent.edited(edits),
        operator=f"graft:{place.function}",
        note=f"{code} from {material.title}",
        donors=(material.number,),
    )


def _draw_place(task: Task) -> tuple[Material, Program, _Place]:
    """Look for a place in the entry, where whole steps can be added, and in its components now and then.

    Raises:
        ProposalError: the donors looked at have no statement that fits.
    """
    in_entry = task.rng.random() < _ENTRY_SHARE
    for _ in range(_DONORS):
        material, donor = task.draw_donor()
        names = [name for name in task.parent.functions if (name == task.entry) == in_entry]
        fits = list(_fits(task.parent, donor, names))
        if fits:
            return material, donor, _drawn(task.parent, fits, task.rng)
    raise ProposalError("no statement of the donors fits")


def _drawn(parent: Program, fits: list[_Fit], rng: Random) -> _Place:
    """Draw one of all pairs of a statement and a place by weight, without listing them: they may be a million."""
    share = rng.random() * sum(fit.weight * fit.places.bit_count() for fit in fits)
    for fit in fits[:-1]:
        whole = fit.weight * fit.places.bit_count()
        if share < whole:
            return fit.draw(parent, share / whole)
        share -= whole
    return fits[-1].draw(parent, share / (fits[-1].weight * fits[-1].places.bit_count()))


def _fits(parent: Program, donor: Program, names: Sequence[str]) -> Iterator[_Fit]:
    for name in names:
        function, source = parent.functions[name], donor.functions.get(name)
        if source is None:
            continue
        theirs = donor.flow
        ours = parent.flow.dump(function)
        order = {id(node): at for at, node in enumerate(theirs.references(source))}
        rooms = parent.once(f"rooms {name}", partial(_rooms, parent, function))
        for statement in source.body:
            # A step builds on what it changes; anything else throws away what the parent has computed.
            is_step = bool(theirs.changes(statement) & theirs.reads(statement))
            if not _is_movable(statement):
                continue
            repeated = theirs.dump(getattr(statement, "value", statement)) in ours
            if repeated and not is_step:
                continue
            met = {order[id(node)]: node for node in theirs.walk(statement) if id(node) in order}
            references = tuple(node for _, node in sorted(met.items()) if isinstance(node, ast.Name))
            places = _where(statement, rooms, donor, references)
            if places:
                weight = (_REPEAT_WEIGHT if repeated else 1.0) * (1.0 if is_step else _OVERWRITE_WEIGHT)
                yield _Fit(function=name, statement=statement, references=references, places=places, weight=weight)


def _is_movable(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Assign | ast.AugAssign):
        return True
    return isinstance(statement, ast.If | ast.For) and not any(
        isinstance(node, ast.Return) for node in ast.walk(statement)
    )


def _where(statement: ast.stmt, rooms: _Rooms, donor: Program, references: tuple[ast.Name, ...]) -> int:
    """In front of which statements all that a statement reads is bound, and something that it changes is read later."""
    globals_read = {node.id for node in references}
    if globals_read & rooms.bound.keys() or not globals_read <= donor.bindings.keys() | BUILTINS:
        return 0
    own = donor.flow.binds(statement) if isinstance(statement, ast.If | ast.For) else frozenset()
    fitting = rooms.free
    for name in donor.flow.reads(statement) - globals_read - own:
        fitting &= rooms.bound.get(name, 0)
    wanted = 0
    for name in donor.flow.changes(statement):
        wanted |= rooms.alive.get(name, 0)
    return fitting & wanted


def _rooms(parent: Program, function: ast.FunctionDef) -> _Rooms:
    """Work out once, from the last statement backwards, what holds in front of every statement of a function."""
    body = function.body
    lines = [statement.lineno for statement in body]
    everywhere = (1 << len(body)) - 1
    # The first statement that starts on a later line than the binding.
    bound = {
        name: everywhere >> (at := bisect_right(lines, first)) << at
        for name, first in parent.flow.stored(function).items()
    }
    alive: dict[str, int] = {}
    until: dict[str, int] = {}
    free = 0
    for at in reversed(range(len(body))):
        statement = body[at]
        reads = parent.flow.reads(statement)
        free |= 0 if is_docstring(statement) else 1 << at
        if isinstance(statement, ast.Assign | ast.AnnAssign):
            # In front of this one what later statements read does not count: it is bound anew.
            for name in parent.flow.binds(statement) - reads:
                if name in until:
                    alive[name] = alive.get(name, 0) | _between(at + 1, until.pop(name))
        for name in reads:
            until.setdefault(name, at)
    for name, last in until.items():
        alive[name] = alive.get(name, 0) | _between(0, last)
    return _Rooms(bound=bound, alive=alive, free=free)


def _between(first: int, last: int) -> int:
    """The positions from one to another, both included."""
    return (1 << last + 1) - (1 << first)
