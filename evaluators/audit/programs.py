"""Cheats and honest controls: one file each, written without knowing a problem, joined here to an honest program.

A file defines ``cheat(honest, arguments)``. ``honest`` is the entry of an honest program for the problem at hand and
``arguments`` are those of one call, so ``return honest(**arguments)`` is an honest answer. Its docstring gives a title,
and lines ``key: value``:

- ``family``: outputs, replay, timing, harness, specification or honest.
- ``expect``: an outcome, for failures with a regular expression in slashes that the reason must match. The first such
  line is what must come on a problem of integer plans (`eplb`); further ones are as good elsewhere, where another check
  is the first to object. ``expect: ok`` means harmless: judged, but no better than the honest program.
- ``needs``: layers of the sandbox, any of which (separated by ``|``) stops it; several lines must all be met. The word
  ``timed`` stands for a problem whose objective is time.

A cheat that gets at something which it must not see prints `EVIDENCE`, and has then succeeded whatever the outcome.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from evaluators.model import EvaluatorError, Outcome
from evaluators.problem import Declaration
from sandbox import ENFORCED

EVIDENCE = "CHEAT SUCCEEDED"
FAMILIES = ("outputs", "replay", "timing", "harness", "specification", "honest")
TIMED = "timed"
_EXPECTATION = re.compile(r"(\w+)(?:\s+/(.*)/)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """One acceptable end of a cheat: its outcome, and for a failure what the reason must match."""

    outcome: Outcome
    reason: str = ""

    def meets(self, outcome: Outcome, reason: str) -> bool:
        """Whether an evaluation ended like this."""
        return outcome is self.outcome and re.search(self.reason, reason) is not None

    def __str__(self) -> str:
        """In words."""
        return "harmless" if self.outcome is Outcome.OK else f"{self.outcome.value} /{self.reason}/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cheat:
    """One cheat or honest control.

    Args:
        name: its file's name.
        title: what it does, in one line.
        family: heading of the list that it belongs to.
        expectations: acceptable ends, the first the strictest.
        needs: groups of sandbox layers; one of each group must be enforced, or it is not stopped here.
        source: the program text that defines ``cheat``.
    """

    name: str
    title: str
    family: str
    expectations: tuple[Expectation, ...]
    needs: tuple[frozenset[str], ...]
    source: str

    @property
    def is_honest(self) -> bool:
        """Whether it is a control that must not be rejected."""
        return self.family == "honest"

    def unmet(self, layers: Mapping[str, str]) -> list[str]:
        """Groups of layers that are all missing, as ``"landlock or mount namespace"``."""
        groups = [group for group in self.needs if TIMED not in group]
        return [
            " or ".join(sorted(group)) for group in groups if not any(layers.get(layer) == ENFORCED for layer in group)
        ]

    @property
    def needs_time(self) -> bool:
        """Whether it makes sense only where the objective is time."""
        return any(TIMED in group for group in self.needs)

    def program(self, honest: str, facts: Declaration) -> str:
        """The candidate: the honest program, the cheat, and an entry that calls the cheat."""
        pairs = ", ".join(f"{name!r}: {name}" for name in facts.parameters)
        return (
            f"{honest.rstrip()}\n\n\n_honest = {facts.entry}\n\n\n{self.source.strip()}\n\n\n"
            f"def {facts.entry}({', '.join(facts.parameters)}):\n    return cheat(_honest, {{{pairs}}})\n"
        )


def read_cheats(folder: Path) -> list[Cheat]:
    """All cheats of a folder and the honest controls in its subfolder ``honest``, by name.

    Raises:
        EvaluatorError: there is none, or a file does not say what it must.
    """
    files = sorted(folder.glob("*.py")) + sorted((folder / "honest").glob("*.py"))
    if not files:
        raise EvaluatorError(f"no cheats in {folder}; name the folder that holds them")
    return [read_cheat(file) for file in files]


def read_cheat(file: Path) -> Cheat:
    """Read one file; see the module's text for its form."""
    source = file.read_text(encoding="utf-8")
    tree = ast.parse(source, filename=str(file))
    described = ast.get_docstring(tree) or ""
    pairs = [line.partition(": ") for line in described.splitlines() if re.match(r"(family|expect|needs): ", line)]
    said: dict[str, list[str]] = {}
    for key, _, value in pairs:
        said.setdefault(key, []).append(value.strip())
    families = said.get("family", [])
    if len(families) != 1 or families[0] not in FAMILIES or not said.get("expect"):
        raise EvaluatorError(f"{file}: needs one line 'family: ...' ({', '.join(FAMILIES)}) and a line 'expect: ...'")
    if not any(isinstance(node, ast.FunctionDef) and node.name == "cheat" for node in tree.body):
        raise EvaluatorError(f"{file}: defines no function cheat(honest, arguments)")
    return Cheat(
        name=file.stem,
        title=described.splitlines()[0],
        family=families[0],
        expectations=tuple(_expectation(file, text) for text in said["expect"]),
        needs=tuple(frozenset(part.strip() for part in text.split("|")) for text in said.get("needs", [])),
        source=_without_docstring(source, tree),
    )


def _expectation(file: Path, text: str) -> Expectation:
    match = _EXPECTATION.fullmatch(text)
    if match is None or match[1] not in set(Outcome):
        raise EvaluatorError(f"{file}: 'expect: {text}' is not an outcome with /a regular expression/")
    outcome = Outcome(match[1])
    if outcome is not Outcome.OK and not match[2]:
        raise EvaluatorError(f"{file}: 'expect: {text}' must say what the reason has to match")
    return Expectation(outcome=outcome, reason=match[2] or "")


def _without_docstring(source: str, tree: ast.Module) -> str:
    """The program below its docstring, which tells a reader what a candidate need not carry."""
    first = tree.body[0]
    assert first.end_lineno is not None
    return "\n".join(source.splitlines()[first.end_lineno :])


def in_words(expectations: Sequence[Expectation]) -> str:
    """The acceptable ends, in one line."""
    return " or ".join(map(str, expectations))


def default_folder() -> Path:
    """Where the cheats are: beside the package when installed, in the tests of a checkout."""
    here = Path(__file__).parent / "cheats"
    return here if here.is_dir() else Path(__file__).parents[2] / "tests" / "cheats"
