"""Reads a task's folder, without running anything of it, and says at once what cannot be run."""

from __future__ import annotations

import ast
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from evaluators.foreign.config import TaskConfig, read_config
from evaluators.foreign.imports import Imports, find_imports
from evaluators.lines import printable
from evaluators.problem import ProblemError
from evaluators.program import ProgramError, parse_program
from evaluators.scopes import top_level_bindings

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
        own, above = printable(self.folder.name), printable(self.folder.parent.name)
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
        """The function of the initial program that is all that the task's other files name of it; empty if there is
        none, or more than that."""
        texts = [content.decode("utf-8", "replace") for path, content in self.files.items() if path != self.program]
        words = set("".join(c if c.isalnum() or c == "_" else " " for c in " ".join(texts)).split())
        named: dict[str, ast.stmt] = {}
        for statement in ast.parse(self.source).body:
            if not isinstance(statement, ast.Import | ast.ImportFrom):
                named |= dict.fromkeys(words.intersection(top_level_bindings(statement)), statement)
        functions = [name for name, statement in named.items() if isinstance(statement, ast.FunctionDef)]
        return functions[0] if len(named) == len(functions) == 1 else ""


def read_task(folder: Path) -> ForeignTask:
    """Read a folder.

    Raises:
        ProblemError: it is no such task, or one that cannot be run here; one sentence says why.
    """
    if not folder.is_dir():
        raise ProblemError(f"no folder at {folder}\nhint: openevolve:DIR names a folder with a task")
    files = _files_in(folder)
    program = _program_in(folder, files)
    evaluator = next((name for name in EVALUATORS if name in files), None)
    if evaluator is None:
        raise ProblemError(f"{folder} has no {' and no '.join(EVALUATORS)}\nhint: the evaluator defines evaluate(path)")
    found = [name for name in CONFIGS if name in files] or sorted(
        name for name in files if PurePosixPath(name).match("config*.y*ml") and "/" not in name
    )
    task = ForeignTask(
        folder=folder.resolve(),
        config=read_config(folder / found[0], files[found[0]]) if found else TaskConfig(),
        config_file=found[0] if found else "",
        evaluator=evaluator,
        program=program,
        files=files,
    )
    _check(task)
    return task


def _program_in(folder: Path, files: Mapping[str, bytes]) -> str:
    for stem in PROGRAMS:
        if f"{stem}.py" in files:
            return f"{stem}.py"
    stems = (*PROGRAMS, "initial_prompt")
    others = sorted(name for name in files if "/" not in name and name.partition(".")[0] in stems)
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
        if path == task.evaluator and not any("evaluate" in top_level_bindings(each) for each in tree.body):
            raise ProblemError(f"{task.folder / path} defines no function evaluate(program_path)")
    if task.imports.missing:
        told = ", ".join(f"{name!r} (imported by {path})" for name, path in sorted(task.imports.missing.items()))
        raise ProblemError(
            f"task {task.name} needs packages that are not installed here: {told}\n"
            f"hint: pip install {' '.join(sorted(task.imports.missing))}, or whatever the task's requirements call them"
        )
