"""What a program is apart from how it is written: which of its parts are alive, and a digest of its meaning.

The digest tells a search that it has met a program before. It errs towards "different": two programs that it
calls the same behave the same, unless they look at their own names or source.
"""

from __future__ import annotations

import ast
import hashlib
import threading
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set

from evaluators.scopes import (
    Definition,
    Function,
    Site,
    imported_names,
    parameters_of,
    sites_of,
    top_level_bindings,
)

LONG_INTEGER_BITS = 1024
_PARSING = threading.Lock()
"""CPython builds trees with one depth counter for all threads, and `warnings.catch_warnings` is for one thread alone:
two that parse at a time can fail with a SystemError. Desks for models parse in threads of their own."""

_IGNORED_FIELDS = frozenset({"ctx", "type_comment", "kind", "annotation", "returns"})


class ProgramError(ValueError):
    """The text is not a program; the message says why and on which line."""


def parse_program(source: str) -> ast.Module:
    """Parse a program's text.

    Raises:
        ProgramError: it is not valid Python, or nested too deeply for the parser.
    """
    try:
        with _PARSING, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(source)
    except SyntaxError as error:
        raise ProgramError(f"line {error.lineno or 0}: {error.msg}") from error
    except ValueError as error:
        raise ProgramError(str(error)) from error
    except (RecursionError, MemoryError) as error:
        raise ProgramError("nested too deeply to be parsed") from error


def global_references(statement: ast.stmt) -> Iterator[ast.Name]:
    """Yield the name nodes below a top-level statement that mean a module-level name or a builtin."""
    for site in sites_of(statement):
        if site.scope is None and isinstance(site.node, ast.Name):
            yield site.node


def live_statements(tree: ast.Module, entry: str | None) -> list[ast.stmt]:
    """Leave out what the entry never reaches: functions, classes, imports, plain constants; and docstrings.

    Statements that could have an effect when the module is loaded stay. Without an entry (None or empty) every
    definition counts as reached.
    """
    return [statement for statement, _ in _live(tree, entry)]


def _live(tree: ast.Module, entry: str | None) -> list[tuple[ast.stmt, list[Site]]]:
    """Find the live statements, each with the places in it that spell a name."""
    binders: dict[str, list[int]] = {}
    queue: list[int] = []
    for index, statement in enumerate(tree.body):
        if _is_inert(statement):
            continue
        names = top_level_bindings(statement)
        for name in names:
            binders.setdefault(name, []).append(index)
        is_root = entry in names or (not entry and isinstance(statement, Definition))
        if is_root or not _is_droppable(statement):
            queue.append(index)
    live: dict[int, list[Site]] = {}
    while queue:
        index = queue.pop()
        if index not in live:
            live[index] = sites_of(tree.body[index])
            for site in live[index]:
                if site.scope is None:
                    queue.extend(binders.get(site.name, ()))
    return [(tree.body[index], live[index]) for index in sorted(live)]


def normalised_digest(source: str, *, entry: str | None = None) -> str:
    """Digest a program's syntax tree without what does not matter to its behaviour.

    Comments, docstrings, annotations, formatting, import aliases, the names of local variables, and the order
    of function definitions never count. Given the name of the entry, definitions that it never reaches, and
    the names of its helpers, of their parameters and of its constants do not count either; the entry's own
    parameter names always do. Without an entry any function may be called from outside, so all of them count.

    Returns:
        SHA-256 as 64 hexadecimal digits.

    Raises:
        ProgramError: the text is not a program.
    """
    tree = parse_program(source)
    try:
        text = "\n".join(_canonical_statements(tree, entry))
    except RecursionError as error:
        raise ProgramError("nested too deeply to be digested") from error
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _canonical_statements(tree: ast.Module, entry: str | None) -> list[str]:
    """Write the live statements canonically: definitions sorted, the rest in order, imports folded in."""
    resolved = _live(tree, entry)
    live = [statement for statement, _ in resolved]
    sites = {id(statement): found for statement, found in resolved}
    counts = Counter(name for statement in live for name in top_level_bindings(statement))
    unique = {name for name, count in counts.items() if count == 1}
    renames = _import_names(live, unique)
    if entry:
        renames |= _helper_names(live, sites, entry, unique)
    keywords = {node.arg for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg}
    definitions: list[str] = []
    others: list[str] = []
    for statement in live:
        if isinstance(statement, ast.Import | ast.ImportFrom) and imported_names(statement).keys() <= renames.keys():
            continue
        pinned = set(keywords)
        if isinstance(statement, Function) and (not entry or entry == statement.name):
            pinned.update(argument.arg for argument in parameters_of(statement.args))
        _rename(sites[id(statement)], renames, pinned)
        (definitions if isinstance(statement, Definition) else others).append(_write(statement))
    if all(counts[statement.name] <= 1 for statement in live if isinstance(statement, Definition)):
        definitions.sort()
    return [*others, *definitions]


def _rename(sites: Sequence[Site], renames: Mapping[str, str], pinned: Set[str]) -> None:
    """Spell local names by number in order of appearance, and module-level names as told.

    A parameter that some call may pass by keyword is pinned: it keeps its name.
    """
    numbers: dict[tuple[int, str], str] = {}
    for site in sites:
        if site.scope is None:
            site.spell(renames.get(site.name, site.name))
        elif not site.scope.is_class and not (site.name in pinned and site.name in site.scope.parameters):
            key = (site.scope.number, site.name)
            site.spell(numbers.setdefault(key, f"local {len(numbers)}"))


def _import_names(live: Iterable[ast.stmt], unique: Set[str]) -> dict[str, str]:
    """Map each imported name to what it stands for, so that an alias does not count."""
    return {
        bound: f"import {meaning}"
        for statement in live
        if isinstance(statement, ast.Import | ast.ImportFrom)
        for bound, meaning in imported_names(statement).items()
        if bound in unique and bound != "*"
    }


def _helper_names(
    live: Sequence[ast.stmt], sites: Mapping[int, Sequence[Site]], entry: str, unique: Set[str]
) -> dict[str, str]:
    """Number helpers and constants in the order in which they are met from the entry."""
    binder = {
        name: statement
        for statement in live
        if not isinstance(statement, ast.Import | ast.ImportFrom)
        for name in top_level_bindings(statement)
        if name in unique
    }
    renames: dict[str, str] = {}
    stack = [entry]
    while stack:
        statement = binder.get(stack.pop())
        if statement is None:
            continue
        fresh = []
        for site in sites[id(statement)]:
            if site.scope is None and site.name in binder and site.name not in renames and site.name != entry:
                renames[site.name] = f"helper {len(renames)}"
                fresh.append(site.name)
        stack.extend(reversed(fresh))
    return renames


def _is_inert(statement: ast.stmt) -> bool:
    """Say whether a statement does nothing: a docstring, a bare constant, `pass`."""
    return isinstance(statement, ast.Pass) or (
        isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    )


def _is_droppable(statement: ast.stmt) -> bool:
    """Say whether a top-level statement can go once nothing refers to the names that it binds."""
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return "*" not in imported_names(statement)
    if isinstance(statement, Definition):
        return True
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, ast.AnnAssign):
        targets = [statement.target]
    else:
        return False
    return all(isinstance(target, ast.Name) for target in targets) and not any(
        isinstance(node, ast.Call | ast.NamedExpr) for node in ast.walk(statement)
    )


def _write(node: object) -> str:
    """Write a syntax tree as text; unlike `ast.dump` the same in every version of Python."""
    if isinstance(node, list):
        kept = (item for item in node if not (isinstance(item, ast.stmt) and _is_inert(item)))
        return f"[{','.join(map(_write, kept))}]"
    if not isinstance(node, ast.AST):
        # Python refuses to write integers of thousands of digits in decimal.
        return hex(node) if type(node) is int and node.bit_length() > LONG_INTEGER_BITS else repr(node)
    if isinstance(node, ast.AnnAssign):
        if node.value is None:
            return "Declaration()"
        return f"Assign(targets=[{_write(node.target)}],value={_write(node.value)})"
    parts = [
        f"{name}={_write(value)}"
        for name, value in ast.iter_fields(node)
        if name not in _IGNORED_FIELDS and (isinstance(node, ast.Constant) or (value is not None and value != []))
    ]
    return f"{type(node).__name__}({','.join(parts)})"
