"""Raw figures: for each step its parts, one for each set of problems that it was run on, and how parts come together.

{"steps": {STEP: [{"status", "error", "seconds", "allotted_seconds", "date", "facts", "problems", "result"}, ...]}}
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

Part = dict[str, Any]
Steps = dict[str, list[Part]]

WHOLE, NOT_BEGUN = "whole", "not begun"


def read(files: Iterable[Path]) -> Steps:
    """Figures of several files put together, later ones first in rank."""
    steps: Steps = {}
    for file in files:
        for name, parts in json.loads(file.read_text(encoding="utf-8"))["steps"].items():
            for part in parts:
                add(steps, name, part)
    return steps


def write(file: Path, steps: Steps) -> None:
    """Write JSON as a whole or not at all."""
    draft = file.with_name(file.name + ".new")
    draft.write_text(json.dumps({"steps": steps}, indent=1), encoding="utf-8")
    draft.replace(file)


def add(steps: Steps, name: str, part: Part) -> None:
    """Add a part; it takes the place of what earlier ones say of its problems, but for what is better than it.

    What was not begun is worse than anything, and nothing is better than what is whole.
    """
    earlier = steps.get(name, [])
    better = {
        problem
        for one in earlier
        if part["status"] == NOT_BEGUN or (one["status"] == WHOLE and part["status"] != WHOLE)
        for problem in one["problems"]
    }
    new = [problem for problem in part["problems"] if problem not in better]
    kept = [only(one, [problem for problem in one["problems"] if problem not in new]) for one in earlier]
    steps[name] = [one for one in (*kept, only(part, new)) if one["problems"]]


def only(part: Part, problems: Sequence[str]) -> Part:
    """What a part says of some of its problems; the part itself for all of them."""
    if list(problems) == list(part["problems"]):
        return part
    result = part["result"]
    found = {name: value for name, value in result.get("problems", {}).items() if name in problems}
    return {**part, "problems": list(problems), "result": {**result, "problems": found} if result else {}}


def missing(steps: Steps, name: str, problems: Sequence[str]) -> tuple[str, ...]:
    """The problems of which a step is not whole."""
    whole = {problem for part in steps.get(name, []) if part["status"] == WHOLE for problem in part["problems"]}
    return tuple(problem for problem in problems if problem not in whole)


def together(parts: Sequence[Part], order: Sequence[str] = ()) -> Mapping[str, Any]:
    """The result of a step over all its problems; what it says beside them is the last part's.

    Args:
        parts: of one step.
        order: in which problems come; others follow.
    """
    result: dict[str, Any] = {}
    problems: dict[str, Any] = {}
    for part in parts:
        problems |= part["result"].get("problems", {})
        result |= part["result"]
    notes = [note for part in parts for note in part["result"].get("notes", [])]
    names = [name for name in order if name in problems]
    names += [name for name in problems if name not in names]
    return {**result, "problems": {name: problems[name] for name in names}, "notes": notes} if result else {}
