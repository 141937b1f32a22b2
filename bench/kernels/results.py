"""The page of all tables, and what a caller sees last."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import raws
from drawing import Section, Target, table
from figures import section
from stages import STAGES

SHOWN_CHARACTERS = 11_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """One step with everything that it found.

    Args:
        name: of the step.
        parts: of it.
        found: its section.
    """

    name: str
    parts: Sequence[raws.Part]
    found: Section


def drawn_steps(steps: raws.Steps) -> list[Drawn]:
    """Everything that was begun, in the order of the steps."""
    return [
        Drawn(name=stage.name, parts=parts, found=section(stage.name, raws.together(parts)))
        for stage in STAGES
        if (parts := steps.get(stage.name))
    ]


def write_results(out: Path, steps: raws.Steps) -> None:
    """Write all tables."""
    drawn = drawn_steps(steps)
    sections = ["# Kernels on a GPU: results", *machines(drawn), "## How to repeat", "```\n" + commands() + "\n```"]
    targets = [target for one in drawn for target in one.found.targets]
    if targets:
        sections += ["## Targets", target_table(targets)]
    rows = [
        (one.name, ", ".join(part["problems"]), part["status"], part["seconds"], part.get("allotted_seconds"))
        for one in drawn
        for part in one.parts
    ]
    sections += ["## Steps", table(("<step", "<problems", "<ended", "s", "s given"), rows)]
    for one in drawn:
        sections += [f"## {one.found.title}", one.found.text]
        notes = [note for part in one.parts for note in part["result"].get("notes", [])]
        if notes:
            told = "\n".join(f"- {' '.join(note.split())}" for note in notes)
            sections.append(f"Not measured, or failed:\n\n{told}")
        for part in one.parts:
            if part["status"] != raws.WHOLE:
                log = part["error"].replace("```", "")
                sections.append(f"This step was {part['status']} ({', '.join(part['problems'])}).\n\n```\n{log}\n```")
    (out / "results.md").write_text("\n\n".join(sections) + "\n", encoding="utf-8")


def machines(drawn: Sequence[Drawn]) -> list[str]:
    """What was measured on what, when; one table for each machine."""
    facts: dict[str, dict[str, str]] = {}
    for one in drawn:
        for part in one.parts:
            told = part.get("facts", {})
            entry = facts.setdefault(json.dumps(told, sort_keys=True), {"steps": "", **told})
            step = f"{one.name} ({part.get('date', '')})"
            entry["steps"] = ", ".join(dict.fromkeys(filter(None, [*entry["steps"].split(", "), step])))
    return [table(("<what", "<measured with"), told.items()) for told in facts.values()]


def commands() -> str:
    """How to get these tables."""
    return "\n".join(
        [
            "pip install 'evolve-adrs[kernels]'   # or the checkout on PYTHONPATH",
            "python bench/kernels/run.py --minutes 12 --out DIR",
            "python bench/kernels/run.py --minutes 9 --out DIR --only cheats search   # with more time for these",
        ]
    )


def target_table(targets: Sequence[Target]) -> str:
    """What was aimed at."""
    return table(("<target", "<figure", "<"), [(one.text, one.figure, one.verdict) for one in targets])


def summary(steps: raws.Steps) -> str:
    """What a caller sees last: steps, targets, and the ends of the logs of steps that broke."""
    drawn = drawn_steps(steps)
    pairs = [(one.name, part) for one in drawn for part in one.parts]
    lines = ["", "== steps =="]
    lines += [
        f"{name:9} {part['status']:10} {part['seconds']:6.1f} s  {', '.join(part['problems'])}" for name, part in pairs
    ]
    lines.append("== targets ==")
    for one in drawn:
        lines += [f"{target.verdict.strip('*'):12} {target.text}: {target.figure}" for target in one.found.targets]
    for name, part in pairs:
        lines += [f"{name}: {note}"[:300] for note in part["result"].get("notes", [])[:8]]
        if part["status"] != raws.WHOLE:
            lines += [f"== {name} was {part['status']} ==", part["error"][-1200:]]
    return "\n".join(lines)[-SHOWN_CHARACTERS:]
