"""Which packages a task's files import, and whether they are here; nothing of them is run."""

from __future__ import annotations

import ast
import importlib.util
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from evaluators.program import ProgramError, parse_program

SHIMMED = frozenset({"openevolve"})
"""What we stand in for; see `evaluators.foreign.inside.driver`."""

NEVER_ASKED = SHIMMED | sys.stdlib_module_names | {"__main__"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Imports:
    """What files import beside the standard library and the task's own files.

    Args:
        modules: dotted names that are installed here, to be loaded ahead.
        missing: packages that are imported when a file is loaded and are not installed, each with the file.
    """

    modules: tuple[str, ...]
    missing: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Import:
    module: str
    required: bool


def find_imports(files: Mapping[str, bytes], roots: Iterable[str], folders: Iterable[str]) -> Imports:
    """Follow imports from some files through the task's own.

    An import inside a function, a ``try``, or below ``if __name__ == "__main__"`` may never happen: it is not required.

    Args:
        files: contents by path within the task's folder.
        roots: where to begin.
        folders: within the task's folder, where its own modules are looked for; empty for the folder itself.
    """
    places = tuple(folders)
    waiting, seen = list(roots), set()
    modules: dict[str, None] = {}
    missing: dict[str, str] = {}
    while waiting:
        path = waiting.pop(0)
        if path in seen:
            continue
        seen.add(path)
        for each in _imports_of(files[path]):
            top = each.module.partition(".")[0]
            own = _own_file(each.module, files, places)
            if own:
                waiting.append(own)
            elif top in NEVER_ASKED or _is_own(top, files, places):
                continue
            elif _installed(top):
                modules[each.module if _exists(each.module) and "__" not in each.module else top] = None
            elif each.required:
                missing.setdefault(top, path)
    return Imports(modules=tuple(sorted(modules)), missing=missing)


def _imports_of(content: bytes) -> list[_Import]:
    try:
        tree = parse_program(content.decode("utf-8"))
    except (ProgramError, UnicodeDecodeError):
        return []
    return list(_walk(tree.body, required=True))


def _walk(statements: Iterable[ast.AST], *, required: bool) -> Iterator[_Import]:
    for node in statements:
        if isinstance(node, ast.Import):
            yield from (_Import(module=alias.name, required=required) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.module and not node.level:
                yield _Import(module=node.module, required=required)
        elif isinstance(node, ast.stmt | ast.ExceptHandler):
            inner = required and isinstance(node, ast.With | ast.ClassDef)
            yield from _walk(ast.iter_child_nodes(node), required=inner)


def _own_file(module: str, files: Mapping[str, bytes], folders: Iterable[str]) -> str | None:
    stem = module.replace(".", "/")
    for folder in folders:
        for path in (f"{stem}.py", f"{stem}/__init__.py"):
            found = str(PurePosixPath(folder) / path)
            if found in files:
                return found
    return None


def _is_own(top: str, files: Mapping[str, bytes], folders: Iterable[str]) -> bool:
    return any(path.startswith(f"{PurePosixPath(folder) / top}/") for folder in folders for path in files)


def _installed(top: str) -> bool:
    """Whether it lies among the installed packages: what is loaded ahead runs before the sandbox closes, and whatever
    else the import path may hold (the folder one works in) is as foreign as the task."""
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return False
    places = [spec.origin] if spec and spec.origin else list(spec.submodule_search_locations or []) if spec else []
    sites = {Path(sysconfig.get_path(name)).resolve() for name in ("purelib", "platlib")}
    return any(Path(place).resolve().is_relative_to(site) for place in places for site in sites)


def _exists(module: str) -> bool:
    """Whether a dotted name is a module by its files; finding its specification would run the package."""
    top, *rest = module.split(".")
    spec = importlib.util.find_spec(top)
    for place in (spec.submodule_search_locations or []) if spec else []:
        path = Path(place, *rest)
        if path.with_suffix(".py").is_file() or (path / "__init__.py").is_file():
            return True
    return not rest
