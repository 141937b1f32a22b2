"""Moves parts of one program into another, with the helpers, constants and imports that they need."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from evaluators.program import global_references
from evaluators.scopes import Definition, Function, imported_names, parameters_of, top_level_bindings
from evolve.proposal import ProposalError
from evolve.proposers.operators.source import Edit, Program, all_names, fresh_name

_Import = ast.Import | ast.ImportFrom


@dataclass(frozen=True, slots=True, kw_only=True)
class Luggage:
    """What has to come along with a part of the donor.

    Args:
        renames: donor names that have another name in the parent.
        statements: the donor's top-level statements that come along, in order.
        imports: imports that the parent lacks, as text.
    """

    renames: Mapping[str, str]
    statements: tuple[ast.stmt, ...]
    imports: tuple[str, ...]


def survivors(parent: Program, entry: str, replaced: frozenset[str], kept: frozenset[str]) -> dict[str, ast.stmt]:
    """Find which of the parent's top-level names stay alive once some functions are replaced.

    Args:
        parent: the program that receives.
        entry: its entry; empty where everything may be used from outside.
        replaced: functions that go.
        kept: functions that the newcomers will call.
    """
    bindings = parent.bindings
    rooted = [
        node
        for node in parent.live(entry)
        if not (top_level_bindings(node) & replaced) and not isinstance(node, Definition | _Import | ast.Assign)
    ]
    roots = kept | ({entry} if entry else set(bindings))
    stack = [*rooted, *(bindings[name] for name in sorted(roots) if name in bindings and name not in replaced)]
    alive: dict[int, ast.stmt] = {}
    while stack:
        statement = stack.pop()
        if id(statement) in alive:
            continue
        alive[id(statement)] = statement
        stack += [
            bindings[name.id]
            for name in parent.flow.references(statement)
            if name.id in bindings and name.id not in replaced
        ]
    return {name: node for name, node in bindings.items() if id(node) in alive}


def pack_luggage(
    donor: Program,
    references: Iterable[str],
    present: Mapping[str, ast.stmt],
    renames: Mapping[str, str],
    taken: set[str],
) -> Luggage:
    """Work out what must come along so that `references` mean the same in the parent.

    Args:
        donor: the program that gives.
        references: module-level names that the part reads.
        present: the parent's surviving top-level names.
        renames: donor names that are already settled (kept as the parent's, or renamed) and need nothing.
        taken: names that a newcomer must not take.
    """
    bindings = donor.bindings
    needed: dict[str, ast.stmt] = {}
    stack = [name for name in references if name in bindings and name not in renames]
    while stack:
        name = stack.pop()
        if name in needed:
            continue
        needed[name] = bindings[name]
        stack += [
            node.id for node in donor.flow.references(bindings[name]) if node.id in bindings and node.id not in renames
        ]
    shared = _shared(needed, present)
    settled = dict(renames)
    occupied = taken | set(settled.values())
    donor_names = all_names(donor)
    for name in sorted(needed):
        if name not in shared and (name in present or name in occupied):
            settled[name] = fresh_name(name, occupied | set(present) | donor_names)
            occupied.add(settled[name])
    coming = {id(node): node for name, node in needed.items() if name not in shared}
    ordered = [node for node in donor.tree.body if id(node) in coming]
    for node in ordered:
        if not isinstance(node, _Import) and len(top_level_bindings(node)) != 1:
            raise ProposalError(f"line {node.lineno} of the donor binds more than one name")
    imports = tuple(
        _import_text(node, name, settled.get(name, name))
        for node in ordered
        if isinstance(node, _Import)
        for name in imported_names(node)
        if name in needed and name not in shared
    )
    statements = tuple(node for node in ordered if not isinstance(node, _Import))
    return Luggage(renames=settled, statements=statements, imports=imports)


def _shared(needed: Mapping[str, ast.stmt], present: Mapping[str, ast.stmt]) -> set[str]:
    """Find the names whose definition, and all that it refers to, is the same in both programs."""
    shared = {name for name, node in needed.items() if name in present and _same(name, node, present[name])}
    while True:
        broken = {
            name
            for name in shared
            for node in global_references(needed[name])
            if node.id in needed and node.id not in shared
        }
        if not broken:
            return shared
        shared -= broken


def _same(name: str, ours: ast.stmt, theirs: ast.stmt) -> bool:
    if isinstance(ours, _Import) and isinstance(theirs, _Import):
        return imported_names(ours)[name] == imported_names(theirs)[name]
    return ast.dump(ours) == ast.dump(theirs)


def _import_text(node: _Import, bound: str, name: str) -> str:
    meaning = imported_names(node)[bound]
    if isinstance(node, ast.Import):
        plain = meaning == name or (meaning.partition(".")[0] == name and bound == name and "." in meaning)
        return f"import {meaning}" + ("" if plain else f" as {name}")
    module, _, member = meaning.partition(":")
    return f"from {module} import {member}" + ("" if member == name else f" as {name}")


def written(donor: Program, statement: ast.stmt, renames: Mapping[str, str], references: Sequence[ast.Name]) -> str:
    """Write a donor's statement with its module-level names as the parent calls them: whole lines."""
    start, end = donor.lines(statement)
    edits = []
    for node in references:
        node_start, node_end = donor.span(node)
        if renames.get(node.id, node.id) != node.id and start <= node_start < end:
            edits.append((node_start - start, node_end - start, renames[node.id]))
    if isinstance(statement, Definition) and statement.name in renames:
        keyword = "class" if isinstance(statement, ast.ClassDef) else "def"
        at, _ = donor.span(statement)
        match = re.search(rf"\b{keyword}\s+{re.escape(statement.name)}\b", donor.slice(at, end))
        assert match is not None
        stop = at + len(donor.slice(at, end)[: match.end()].encode()) - start
        edits.append((stop - len(statement.name.encode()), stop, renames[statement.name]))
    data = donor.slice(start, end).encode()
    for first, last, text in sorted(edits, reverse=True):
        data = data[:first] + text.encode() + data[last:]
    return data.decode()


def unpack(parent: Program, donor: Program, luggage: Luggage, anchor: ast.stmt) -> list[Edit]:
    """Put luggage into the parent: imports on top, constants below them, helpers in front of the anchor."""
    texts = {
        id(node): written(donor, node, luggage.renames, donor.flow.references(node)) for node in luggage.statements
    }
    # A constant computed by a helper has to stand after it, so it travels with the functions.
    constants = [node for node in luggage.statements if _is_plain(node)]
    helpers = [node for node in luggage.statements if not _is_plain(node)]
    top = _end_of_imports(parent)
    below = _end_of_constants(parent)
    edits = []
    if luggage.imports:
        edits.append(Edit(start=top, end=top, text="".join(f"{line}\n" for line in luggage.imports)))
    if constants:
        text = "".join(texts[id(node)] for node in constants)
        edits.append(Edit(start=below, end=below, text=f"\n{text}" if top == below else text))
    if helpers:
        start, _ = parent.lines(anchor)
        edits.append(Edit(start=start, end=start, text="".join(f"{texts[id(node)]}\n\n" for node in helpers)))
    return edits


def _is_plain(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign | ast.AnnAssign) and not any(
        isinstance(item, ast.Call) and isinstance(item.func, ast.Name) for item in ast.walk(node)
    )


def _end_of_imports(program: Program) -> int:
    end = 0
    for index, node in enumerate(program.tree.body):
        is_docstring = index == 0 and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if isinstance(node, _Import) or is_docstring:
            _, end = program.lines(node)
    return end


def _end_of_constants(program: Program) -> int:
    end = _end_of_imports(program)
    for node in program.tree.body:
        if isinstance(node, Definition):
            break
        _, end = program.lines(node)
    return max(end, _end_of_imports(program)) if end else 0


def replace_function(
    parent: Program,
    donor: Program,
    name: str,
    entry: str,
    *,
    kept: frozenset[str] = frozenset(),
    theirs: str = "",
    edits: Sequence[Edit] = (),
) -> str:
    """Put the donor's function in place of the parent's.

    Args:
        parent: the program that receives.
        donor: the program that gives.
        name: the parent's function.
        entry: the entry of both.
        kept: functions of the parent that the newcomer shall call instead of the donor's.
        theirs: what the donor calls its function, where that is something else; it is renamed.
        edits: further edits to the parent, such as to calls.
    """
    old, new = parent.functions[name], donor.functions[theirs or name]
    present = survivors(parent, entry, frozenset({name}), kept)
    references = donor.flow.references(new)
    settled = {theirs or name: name} | {function: function for function in kept}
    luggage = pack_luggage(donor, (node.id for node in references), present, settled, set(present) | {entry, name})
    start, end = parent.lines(old)
    changes = [Edit(start=start, end=end, text=written(donor, new, luggage.renames, references)), *edits]
    changes += unpack(parent, donor, luggage, old)
    changes += clearing(parent, present, old)
    return parent.edited(changes)


def clearing(parent: Program, present: Mapping[str, ast.stmt], old: ast.stmt) -> list[Edit]:
    """Remove what only the replaced function needed, so that newcomers find their names free."""
    alive = {id(node) for node in present.values()} | {id(old)}
    return [
        parent.removal(node)
        for node in parent.tree.body
        if id(node) not in alive
        and not parent.must_stay(node)
        and isinstance(node, Definition | ast.Assign | ast.AnnAssign)
        and len(top_level_bindings(node)) == 1
    ]


def accepts_same_calls(first: ast.stmt, second: ast.stmt) -> bool:
    """Say whether two functions take the same parameters, so that a call of one fits the other."""
    if not isinstance(first, Function) or not isinstance(second, Function):
        return False
    names = [[argument.arg for argument in parameters_of(function.args)] for function in (first, second)]
    optional = [len(function.args.defaults) for function in (first, second)]
    return names[0] == names[1] and optional[0] == optional[1]
