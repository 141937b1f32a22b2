"""What the prompts say, word for word.

After a wanted change of a template: ``UPDATE_GOLDEN=1 pytest tests/evolve/proposers/llm/prompts``, then read the diff.
"""

from __future__ import annotations

import difflib
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from inspect import signature
from pathlib import Path

import pytest

from evaluators.model import Outcome
from evaluators.screen import FORBIDDEN_NAMES, screen
from evaluators.statistics import Estimate
from evolve.brief import Brief, Plateau
from evolve.proposers.llm.prompts import (
    Kind,
    Prompt,
    insights_prompt,
    order_text,
    propose_prompt,
    retry_prompt,
    task_text,
)

GOLDEN = Path(__file__).parent / "golden"
KINDS = tuple(Kind)

TEXTS: dict[str, Callable[[Brief, Brief, Brief], str]] = {
    "system": lambda brief, stuck, marked: propose_prompt(brief, Kind.EDIT).system,
    **{
        kind.value: lambda brief, stuck, marked, kind=kind: propose_prompt(brief, kind).user  # type: ignore[misc]
        for kind in KINDS
    },
    "edit-plateau": lambda brief, stuck, marked: propose_prompt(stuck, Kind.EDIT).user,
    "rewrite-plateau": lambda brief, stuck, marked: propose_prompt(stuck, Kind.REWRITE).user,
    "edit-agentic": lambda brief, stuck, marked: propose_prompt(stuck, Kind.EDIT, agentic=True).user,
    "repair-agentic": lambda brief, stuck, marked: propose_prompt(brief, Kind.REPAIR, agentic=True).user,
    "system-template": lambda brief, stuck, marked: propose_prompt(marked, Kind.EDIT).system,
    "edit-template": lambda brief, stuck, marked: propose_prompt(marked, Kind.EDIT).user,
    "order": lambda brief, stuck, marked: order_text(brief, 17),
    "order-plateau": lambda brief, stuck, marked: order_text(stuck, 18),
    "task": lambda brief, stuck, marked: task_text(brief),
    "task-template": lambda brief, stuck, marked: task_text(marked),
    "insights": lambda brief, stuck, marked: insights_prompt(brief, brief.line).user,
    "insights-first": lambda brief, stuck, marked: insights_prompt(replace(brief, insights="", best=None), ()).user,
    "retry-edit": lambda brief, stuck, marked: retry_prompt(
        "edit 2: its SEARCH is not in the program:\n    x = 1", Kind.EDIT
    ),
    "retry-rewrite": lambda brief, stuck, marked: retry_prompt("it holds no code block", Kind.REWRITE),
}


@pytest.fixture
def stuck(brief: Brief, plateau: Plateau) -> Brief:
    return replace(brief, plateau=plateau)


@pytest.fixture
def marked(brief: Brief, template: str) -> Brief:
    return replace(brief, task=replace(brief.task, template=template), parent=replace(brief.parent, source=template))


@pytest.mark.parametrize("name", TEXTS)
def test_golden(name: str, brief: Brief, stuck: Brief, marked: Brief) -> None:
    text = TEXTS[name](brief, stuck, marked)
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    written = path.read_text(encoding="utf-8") if path.exists() else ""
    diff = difflib.unified_diff(written.splitlines(), text.splitlines(), str(path), "rendered now", lineterm="")
    assert text == written, "\n".join([*diff, "wanted? UPDATE_GOLDEN=1 pytest tests/evolve/proposers/llm/prompts"])


def test_no_golden_file_is_left_over() -> None:
    assert {path.stem for path in GOLDEN.iterdir()} == set(TEXTS)


@pytest.mark.parametrize("name", TEXTS)
def test_headings_stand_alone_and_blank_lines_single(name: str, brief: Brief, stuck: Brief, marked: Brief) -> None:
    text = TEXTS[name](brief, stuck, marked)
    outside = re.sub(r"(?ms)^(`{3,})\w*\n.*?\n\1$", "FENCE", text)
    assert "\n\n\n" not in outside
    assert not re.search(r"[^\n]\n#+ |^#+ [^\n]*\n[^\n]", outside, re.MULTILINE)
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    assert all(line == line.rstrip() for line in outside.split("\n"))


def test_the_same_brief_gives_the_same_bytes(stuck: Brief) -> None:
    assert propose_prompt(stuck, Kind.EDIT) == propose_prompt(replace(stuck), Kind.EDIT)


def test_the_system_message_depends_on_the_task_alone(brief: Brief, stuck: Brief) -> None:
    prompts = [propose_prompt(brief, kind) for kind in KINDS]
    prompts += [propose_prompt(stuck, Kind.EDIT, agentic=True), insights_prompt(stuck, stuck.line)]
    assert len({prompt.system for prompt in prompts}) == 1


def test_system_names_what_the_screen_refuses(brief: Brief) -> None:
    system = propose_prompt(brief, Kind.EDIT).system
    assert all(f"`{name}`" in system for name in FORBIDDEN_NAMES)
    assert f"{signature(screen).parameters['max_bytes'].default:,} bytes" in system
    program = "def pack(sizes, limit):\n    return {}\n"
    for name in ("__init__", "__name__"):
        assert f"`{name}`" in system
        assert screen(program.format(name), entry="pack", parameters=("sizes", "limit"), allowed_imports=()) is None


def test_programs_appear_exactly(brief: Brief) -> None:
    user = propose_prompt(brief, Kind.EDIT).user
    for portrait in (brief.parent, *brief.inspirations, brief.best):
        assert portrait is not None
        assert f"```python\n{portrait.source}```\n" in user


def test_crossover_takes_the_best_other_program(brief: Brief) -> None:
    user = propose_prompt(brief, Kind.CROSSOVER).user
    assert brief.inspirations[-1].source in user
    assert brief.inspirations[0].source not in user
    alone = replace(brief, inspirations=())
    assert brief.best is not None
    assert brief.best.source in propose_prompt(alone, Kind.CROSSOVER).user
    with pytest.raises(ValueError, match="second program"):
        propose_prompt(replace(alone, best=None), Kind.CROSSOVER)


def test_repair_needs_something_broken(brief: Brief) -> None:
    with pytest.raises(ValueError, match="no broken program"):
        propose_prompt(replace(brief, broken=None), Kind.REPAIR)


@pytest.mark.parametrize(
    ("outcome", "hint"),
    [
        (Outcome.REJECTED, "It never ran"),
        (Outcome.TIMEOUT, "It was too slow"),
        (Outcome.OUT_OF_MEMORY, "too much memory"),
        (Outcome.WRONG, "broke a rule of the statement"),
        (Outcome.CRASHED, "It broke off"),
    ],
)
def test_a_repair_says_what_to_look_for(brief: Brief, outcome: Outcome, hint: str) -> None:
    assert brief.broken is not None
    failed = replace(brief, broken=replace(brief.broken, outcome=outcome))
    assert hint in propose_prompt(failed, Kind.REPAIR).user


def test_the_smallest_brief(brief: Brief) -> None:
    bare = Brief(task=brief.task, parent=replace(brief.parent, note="", workloads=(), metrics=None, lead=None))
    user = propose_prompt(bare, Kind.EDIT).user
    headings = re.findall(r"(?m)^# .*", user)
    assert headings == [
        "# The program to build on: #0007",
        "# Your task: improve program #0007",
        "# The form of your answer",
    ]


def test_metrics_of_a_kind_stand_behind_its_score(brief: Brief) -> None:
    small, large = brief.parent.workloads
    told = (replace(small, metrics={"pack_ms": 3.0, "boxes": 17.25}), large)
    user = propose_prompt(replace(brief, parent=replace(brief.parent, workloads=told)), Kind.EDIT).user
    assert "(best of all programs: 30.0 points); `boxes` 17.25, `pack_ms` 3 ms\n" in user
    assert '"few large": 70.1 points\n' in user


def test_an_unknown_interval_is_called_so(brief: Brief) -> None:
    single = Estimate(mean=4.0, stderr=float("inf"), n=1, low=float("-inf"), high=float("inf"))
    user = propose_prompt(replace(brief, parent=replace(brief.parent, train=single, lead=single)), Kind.EDIT).user
    assert "Score: 4.0 points (interval unknown)" in user
    assert "Lead over the best seed: +4.0 points (interval unknown, so it may be noise)" in user


def test_a_statement_without_a_heading_gets_one(brief: Brief) -> None:
    text = task_text(replace(brief, task=replace(brief.task, statement="Pack items.")))
    assert text.startswith("# few boxes for many items\n\nPack items.\n\n# How a program is judged\n")


def test_the_hidden_split_is_named_once_and_has_no_figures(brief: Brief, stuck: Brief) -> None:
    def words(text: str) -> list[str]:
        return [line for line in text.splitlines() if "hidden" in line.lower()]

    prompts: list[Prompt] = [
        propose_prompt(stuck, kind, agentic=agentic) for kind in KINDS for agentic in (False, True)
    ]
    prompts.append(insights_prompt(brief, brief.line))
    for prompt in prompts:
        assert words(prompt.user) == []
    for text in (prompts[0].system, task_text(brief), order_text(brief, 1)):
        (rule,) = words(text)
        assert "In the end, hidden workloads decide." in rule
        assert not re.search(r"\d", rule)


def test_command_line_does_without_the_template_engine() -> None:
    code = "import evolve.cli, evolve.brief, sys; sys.exit('jinja2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
