"""The tools as a model sees them: names, descriptions and JSON schemas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evolve.proposers.llm.wire import ToolSpec

EVALUATE, PROFILE, INSPECT, TOP, DIFF, HYPOTHESIS, SUBMIT = (
    "evaluate",
    "profile",
    "inspect",
    "top",
    "diff",
    "hypothesis",
    "submit",
)
TAKES_PROGRAM = frozenset({EVALUATE, PROFILE, SUBMIT})
MOST_LISTED = 20

_PROGRAM = {"type": "string", "description": "The whole program, as plain Python."}
_EDITS = {
    "type": "string",
    "description": "In place of program: SEARCH/REPLACE blocks on the program that you were asked to change.",
}


def _candidate(words: str) -> dict[str, Any]:
    return {"type": "integer", "minimum": 0, "description": words}


def _spec(name: str, description: str, required: tuple[str, ...] = (), **properties: Mapping[str, Any]) -> ToolSpec:
    return ToolSpec(
        name=name,
        description=description,
        parameters={"type": "object", "properties": properties, "required": list(required)},
    )


TOOLS: tuple[ToolSpec, ...] = (
    _spec(
        EVALUATE,
        "Judge a program on one smoke workload: outcome, score with interval, reason of a failure, metrics beside the "
        "parent's. Costs one evaluation; a program that the static check refuses costs none.",
        program=_PROGRAM,
        edits=_EDITS,
    ),
    _spec(
        PROFILE,
        "The same run in detail: each workload's objective, metrics and time beside the parent's, and which limit is "
        "near. Costs one evaluation, and none for a program that was evaluated before.",
        program=_PROGRAM,
        edits=_EDITS,
    ),
    _spec(
        INSPECT,
        "Show a candidate of this search: program, scores with intervals on train and validation workloads, outcome, "
        "note, parents.",
        ("candidate",),
        candidate=_candidate("Its number, such as 12 for #0012."),
    ),
    _spec(
        TOP,
        "List the best candidates of this search so far, without their programs.",
        count={"type": "integer", "minimum": 1, "maximum": MOST_LISTED, "description": "How many; 5 if left out."},
    ),
    _spec(
        DIFF,
        "Show what differs between the programs of two candidates, as a unified diff.",
        ("a", "b"),
        a=_candidate("Number of the older one."),
        b=_candidate("Number of the newer one."),
    ),
    _spec(
        HYPOTHESIS,
        "Leave a note for later authors, who read it in their prompts: what you believe about this problem and why, in "
        "one or two sentences. Kept even if no program comes of this conversation.",
        ("text",),
        text={"type": "string", "description": "The note, at most 300 characters."},
    ),
    _spec(
        SUBMIT,
        "Hand in a program and end. Leave program and edits out to hand in the best program that you evaluated.",
        ("summary",),
        program=_PROGRAM,
        edits=_EDITS,
        summary={
            "type": "string",
            "description": "What you changed and why it should help, at most 150 characters.",
        },
    ),
)
NAMES = frozenset(tool.name for tool in TOOLS)
CLOSING_TOOLS: tuple[ToolSpec, ...] = tuple(tool for tool in TOOLS if tool.name == SUBMIT)
