"""Cheats and honest controls for Triton modules: one file each, which makes a module of an honest one.

A file defines ``cheat(source, subject)``. ``source`` is the honest module of the problem at hand and ``subject`` what
`kernels_text.Subject` says of it; what comes back is the module to be judged, or None where there is none for this
problem. The docstring gives a title, and lines ``key: value``:

- ``family``: outputs, replay, timing, harness, specification or honest.
- ``expect``: an outcome that is acceptable, with a regular expression in slashes that the reason must match; or
  ``harmless``: judged right, and worth no more than the honest module. ``cpu`` and ``gpu`` are the same for one tier.
- ``tier``: cpu, gpu or both, where it makes sense.
- ``screen``: caught or passes, what the static screen says of it.

A cheat that gets at something which it must not see raises an error with the words of `programs.EVIDENCE`, and has then
succeeded.
"""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from evaluators.audit.kernels_text import Subject
from evaluators.audit.programs import FAMILIES, Expectation
from evaluators.model import EvaluatorError, Outcome

HARMLESS = "harmless"
_EXPECTATION = re.compile(r"(\w+)\s+/(.*)/")
_LINE = re.compile(r"(family|expect|cpu|gpu|tier|screen): (.*)")

Change = Callable[[str, Subject], str | None]


class Tier(StrEnum):
    """Where a module is tried."""

    CPU = "cpu"
    GPU = "gpu"


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelCheat:
    """One cheat or honest control.

    Args:
        name: its file's name.
        title: what it does, in one line.
        family: heading of the list that it belongs to.
        expectations: acceptable ends, by tier.
        tiers: where it makes sense.
        is_caught: whether the static screen objects.
        change: makes the module.
    """

    name: str
    title: str
    family: str
    expectations: dict[Tier, tuple[Expectation, ...]]
    tiers: frozenset[Tier]
    is_caught: bool
    change: Change

    @property
    def is_honest(self) -> bool:
        """Whether it is a control that must not be refused."""
        return self.family == "honest"

    def meets(self, tier: Tier, outcome: Outcome, reason: str) -> bool:
        """Whether it ended as it must."""
        return any(end.meets(outcome, reason) for end in self.expectations[tier])

    def expected(self, tier: Tier) -> str:
        """The acceptable ends, in words."""
        right = (Outcome.OK, Outcome.CORRECT)
        ends = dict.fromkeys(HARMLESS if end.outcome in right else str(end) for end in self.expectations[tier])
        return " or ".join(ends)


def read_kernel_cheats(folder: Path) -> list[KernelCheat]:
    """All cheats of a folder and the honest controls in its subfolder ``honest``, by name.

    Raises:
        EvaluatorError: there is none, or a file does not say what it must.
    """
    files = sorted(folder.glob("*.py")) + sorted((folder / "honest").glob("*.py"))
    if not files:
        raise EvaluatorError(f"no cheats for kernels in {folder}; name the folder that holds them")
    return [read_kernel_cheat(file) for file in files]


def read_kernel_cheat(file: Path) -> KernelCheat:
    """Read one file; see the module's text for its form.

    Raises:
        EvaluatorError: it does not say what it must.
    """
    described = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"), filename=str(file))) or ""
    said: dict[str, list[str]] = {}
    for match in filter(None, map(_LINE.fullmatch, described.splitlines())):
        said.setdefault(match[1], []).append(match[2].strip())
    family, tier, screen = (said.get(key, [""])[-1] for key in ("family", "tier", "screen"))
    tiers = frozenset(Tier) if tier == "both" else frozenset(each for each in Tier if each == tier)
    ends = {
        each: tuple(end for text in (*said.get("expect", []), *said.get(each, [])) for end in _ends(file, text))
        for each in Tier
    }
    if (
        family not in FAMILIES
        or not tiers
        or screen not in ("caught", "passes")
        or not all(ends[each] for each in tiers)
    ):
        raise EvaluatorError(
            f"{file}: needs 'family: ...' ({', '.join(FAMILIES)}), 'tier: cpu|gpu|both', 'screen: caught|passes' and "
            "'expect: ...' for each tier"
        )
    return KernelCheat(
        name=file.stem,
        title=described.splitlines()[0],
        family=family,
        expectations=ends,
        tiers=tiers,
        is_caught=screen == "caught",
        change=_change(file),
    )


def _ends(file: Path, text: str) -> tuple[Expectation, ...]:
    if text == HARMLESS:
        return (Expectation(outcome=Outcome.OK), Expectation(outcome=Outcome.CORRECT))
    match = _EXPECTATION.fullmatch(text)
    if match is None or match[1] not in set(Outcome) or not match[2]:
        raise EvaluatorError(f"{file}: {text!r} is neither 'harmless' nor an outcome with /a regular expression/")
    return (Expectation(outcome=Outcome(match[1]), reason=match[2]),)


def _change(file: Path) -> Change:
    spec = importlib.util.spec_from_file_location(f"kernel_cheat_{file.stem}", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    change: Change | None = getattr(module, "cheat", None)
    if change is None:
        raise EvaluatorError(f"{file}: defines no function cheat(source, subject)")
    return change
