"""Starting programs and problem statements: text that is read and never imported.

May import: the standard library. Names: `read_seeds`, `read_statement`, `read_export`.
A problem is a folder; each ``*.py`` in it is one program whose docstring says what it is and where it
comes from; ``statement.md`` tells a proposer what is asked.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Seed:
    """A starting program.

    Args:
        name: file name without its ending.
        summary: first line of its docstring.
        source: the program.
    """

    name: str
    summary: str
    source: str


def read_seeds(folder: Path) -> tuple[Seed, ...]:
    """Read every program of a problem's folder, in the order of their names.

    Raises:
        FileNotFoundError: the folder holds no program.
    """
    seeds = []
    for path in sorted(folder.glob("*.py")):
        source = path.read_text(encoding="utf-8")
        docstring = ast.get_docstring(ast.parse(source)) or ""
        seeds.append(Seed(name=path.stem, summary=docstring.partition("\n")[0], source=source))
    if not seeds:
        raise FileNotFoundError(f"no seed programs in {folder}")
    return tuple(seeds)


def read_statement(folder: Path) -> str:
    """Read what a proposer is told about a problem."""
    return (folder / "statement.md").read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportTexts:
    """What goes beside an exported program: a usage example, a test and a benchmark, naming the module given."""

    usage: str
    test: str
    benchmark: str


def read_export(folder: Path, module: str) -> ExportTexts:
    """Read a problem's export texts with ``MODULE`` replaced by the exported module's name."""

    def text(name: str) -> str:
        return (folder / "export" / name).read_text(encoding="utf-8").replace("MODULE", module)

    return ExportTexts(usage=text("usage.md"), test=text("test.py"), benchmark=text("benchmark.py"))
