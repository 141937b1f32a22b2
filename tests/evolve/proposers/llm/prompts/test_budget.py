"""What is left out of prompts that are too long, and in which order."""

from __future__ import annotations

from dataclasses import replace

import pytest

from evolve.brief import Brief
from evolve.proposers.llm.prompts import Kind, Prompt, order_text, propose_prompt
from evolve.proposers.llm.prompts.cuts import Cuts, steps

LARGE = 10**9


def size(prompt: Prompt) -> int:
    return len(prompt.system.encode()) + len(prompt.user.encode())


@pytest.fixture
def long(brief: Brief) -> Brief:
    """Parts so long that the order in which they go shows, each with a word of its own."""

    def padded(word: str) -> str:
        return f"# {word}\n" + "# é\n" * 200

    assert brief.best is not None
    return replace(
        brief,
        inspirations=tuple(
            replace(portrait, source=padded(word))
            for portrait, word in zip(brief.inspirations, ("WORST", "BETTER"), strict=True)
        ),
        best=replace(brief.best, source=padded("BEST")),
        line=tuple(replace(attempt, note=f"LINE{attempt.number} {'x' * 150}") for attempt in brief.line),
        failures=tuple(replace(attempt, note=f"FAILED{attempt.number} {'x' * 150}") for attempt in brief.failures),
    )


def test_parts_go_in_order_and_the_parent_never(long: Brief) -> None:
    words = ["# WORST", "# BETTER", "LINE4", "LINE7", "LINE8", "LINE10", "FAILED6", "FAILED11", "# BEST"]
    gone: list[str] = []
    whole = size(propose_prompt(long, Kind.EDIT, budget_bytes=LARGE))
    smallest = size(propose_prompt(long, Kind.EDIT, budget_bytes=0))
    for budget in range(whole, smallest - 1, -25):
        prompt = propose_prompt(long, Kind.EDIT, budget_bytes=budget)
        assert size(prompt) <= budget
        assert long.parent.source in prompt.user
        missing = [word for word in words if word not in prompt.user]
        assert missing[: len(gone)] == gone
        gone = missing
    last = propose_prompt(long, Kind.EDIT, budget_bytes=0)
    assert [word for word in words if word not in last.user] == words
    assert long.task.statement.strip() in last.system
    assert long.parent.source in last.user
    assert "Score: 38.0 points" in last.user
    assert "4 older attempts on this line left out." in last.user


def test_the_largest_prompt_that_fits_is_taken(long: Brief) -> None:
    whole = size(propose_prompt(long, Kind.EDIT, budget_bytes=LARGE))
    assert size(propose_prompt(long, Kind.EDIT, budget_bytes=whole)) == whole
    less = propose_prompt(long, Kind.EDIT, budget_bytes=whole - 1)
    assert "# WORST" not in less.user
    assert "# BETTER" in less.user


def test_a_repair_loses_its_log_first_and_its_program_never(brief: Brief) -> None:
    whole = propose_prompt(brief, Kind.REPAIR, budget_bytes=LARGE)
    cut = propose_prompt(brief, Kind.REPAIR, budget_bytes=0)
    assert "| Traceback" in whole.user
    assert "| Traceback" not in cut.user
    assert brief.broken is not None
    assert brief.broken.source in cut.user
    assert brief.broken.reason in cut.user


def test_a_crossover_keeps_both_parents(brief: Brief) -> None:
    cut = propose_prompt(brief, Kind.CROSSOVER, budget_bytes=0)
    assert brief.parent.source in cut.user
    assert brief.inspirations[-1].source in cut.user


def test_orders_keep_to_a_budget_too(long: Brief) -> None:
    whole = len(order_text(long, 1).encode())
    assert len(order_text(long, 1, budget_bytes=whole - 1).encode()) < whole


def test_steps_leave_out_more_and_more(brief: Brief) -> None:
    taken = list(steps(brief, brief.failures))
    assert taken[0] == Cuts()
    assert taken[1] == Cuts(logs=True)
    assert taken[-1] == Cuts(logs=True, inspirations=2, attempts=4, failures=3, best=True)
    assert len(taken) == 1 + 1 + 2 + 4 + 3 + 1
