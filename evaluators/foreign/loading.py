"""Reads a task's folder, without running anything of it, and says at once what cannot be run."""

from __future__ import annotations

import ast
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from evaluators.foreign.config import TaskConfig, read_config
from evaluators.foreign.imports import Imports, find_imports
from evaluators.problem import ProblemError
from evaluators.program import ProgramError, parse_program

PROGRAMS = ("initial_program", "initial", "program")
EVALUATORS = ("evaluator.py", "evaluator/evaluator.py")
CONFIGS = ("config.yaml", "config.yml")
LEFT_OUT = frozenset({"__pycache__", "node_modules", "openevolve_output", "outputs", "checkpoints", "venv"})
"""Folders that are no part of a task: caches, and what earlier runs have left."""

MOST_BYTES = 64 << 20
MOST_FILES = 2000


@dataclass(frozen=True, kw_only=True)
class ForeignTask:
    """A task as it lies on disk.

    Args:
        folder: where.
        config: its settings.
        config_file: where these stand, within the folder; empty without a file.
        evaluator: its evaluator, within the folder.
        program: its initial program, within the folder.
        files: contents of all its files by path within the folder.
    """

    folder: Path
    config: TaskConfig
    config_file: str
    evaluator: str
    program: str
    files: Mapping[str, bytes]

    @property
    def name(self) -> str:
        """The folder's name; with the one above where that is a number, as in ``hexagon_packing-11``."""
        own, above = self.folder.name, self.folder.parent.name
        return f"{above}-{own}" if own.isdecimal() and above else own

    @cached_property
    def source(self) -> str:
        """Text of the initial program."""
        return self.files[self.program].decode("utf-8")

    @cached_property
    def imports(self) -> Imports:
        """What evaluator and initial program import."""
        folders = dict.fromkeys(("", os.path.dirname(self.evaluator)))  # noqa: PTH120 - a path within the folder
        return find_imports(self.files, (self.evaluator, self.program), folders)

    @cached_property
    def digest(self) -> str:
        """Digest of every file."""
        whole = hashlib.sha256()
        for path, content in sorted(self.files.items()):
            whole.update(f"{path}\0{len(content)}\0".encode())
            whole.update(content)
        return whole.hexdigest()

    @cached_property
    def entry(self) -> str:
        """The one function of the initial program that the evaluator's text names; empty for none or several."""
        texts = [content.decode("utf-8", "replace") for path, content in self.files.items() if path == self.evaluator]
        names = [node.name for node in ast.parse(self.source).body if isinstance(node, ast.FunctionDef)]
        words = set("".join(c if c.isalnum() or c == "_" else " " for c in " ".join(texts)).split())
        named = [name for name in dict.fromkeys(names) if name in words]
        return named[0] if len(named) == 1 else ""


def read_task(folder: Path) -> ForeignTask:
    """Read a folder.

    Raises:
        ProblemError: it is no such task, or one that cannot be run here; one sentence says why.
    """
    if not folder.is_dir():
        raise ProblemError(f"no folder at {folder}\nhint: openevolve:DIR names a folder with a task")
    program = _program_in(folder)
    evaluator = next((name for name in EVALUATORS if (folder / name).is_file()), None)
    if evaluator is None:
        raise ProblemError(f"{folder} has no {' and no '.join(EVALUATORS)}\nhint: the evaluator defines evaluate(path)")
    found = [name for name in CONFIGS if (folder / name).is_file()] or sorted(
        path.name for path in folder.glob("config*.y*ml")
    )
    task = ForeignTask(
        folder=folder.resolve(),
        config=read_config(folder / found[0] if found else None),
        config_file=found[0] if found else "",
        evaluator=evaluator,
        program=program,
        files=_files_in(folder),
    )
    _check(task)
    return task


def _program_in(folder: Path) -> str:
    for stem in PROGRAMS:
        if (folder / f"{stem}.py").is_file():
            return f"{stem}.py"
    others = sorted(path.name for stem in (*PROGRAMS, "initial_prompt") for path in folder.glob(f"{stem}.*"))
    if others:
        raise ProblemError(f"{folder} starts from {others[0]}, and only tasks whose programs are Python are run")
    raise ProblemError(f"{folder} has no initial_program.py\nhint: a task has an initial program to start from")


def _files_in(folder: Path) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    size = 0
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in LEFT_OUT and not name.startswith("."))
        for name in sorted(names):
            path = Path(place) / name
            if name.startswith(".") or path.is_symlink() or not path.is_file():
                continue
            size += path.stat().st_size
            if size > MOST_BYTES or len(files) >= MOST_FILES:
                raise ProblemError(
                    f"{folder} holds more than {MOST_BYTES >> 20} MiB or {MOST_FILES} files, and all are written anew "
                    "for every evaluation\nhint: name the task's own folder, without results of earlier runs"
                )
            files[path.relative_to(folder).as_posix()] = path.read_bytes()
    return files


def _check(task: ForeignTask) -> None:
    """Refuse what is sure to fail, with its reason.

    Raises:
        ProblemError: something is.
    """
    for path in (task.evaluator, task.program):
        try:
            tree = parse_program(task.files[path].decode("utf-8"))
        except (ProgramError, UnicodeDecodeError) as error:
            raise ProblemError(f"{task.folder / path} is no Python: {error}") from error
        if path == task.evaluator and "evaluate" not in _defined(tree):
            raise ProblemError(f"{task.folder / path} defines no function evaluate(program_path)")
    if task.imports.missing:
        told = ", ".join(f"{name!r} (imported by {path})" for name, path in sorted(task.imports.missing.items()))
        raise ProblemError(
            f"task {task.name} needs packages that are not installed here: {told}\n"
            f"hint: pip install {' '.join(sorted(task.imports.missing))}, or whatever the task's requirements call them"
        )


def _defined(tree: ast.Module) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.ImportFrom):
            names.update(alias.asname or alias.name for alias in node.names)
    return names
