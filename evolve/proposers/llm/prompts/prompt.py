"""Fills the templates: which parts of a brief each kind of prompt gets, and what is left out of one too long."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from evaluators.screen import FORBIDDEN_NAMES
from evolve.brief import Attempt, Brief, Portrait
from evolve.proposers.llm.prompts.cuts import Cuts, steps
from evolve.proposers.llm.prompts.environment import environment


class Kind(StrEnum):
    """How the next program is asked for."""

    EDIT = "edit"
    REWRITE = "rewrite"
    CROSSOVER = "crossover"
    REPAIR = "repair"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """Two messages to a model. ``system`` depends on the task alone, so that a server can keep it between calls."""

    system: str
    user: str


BUDGET_BYTES = 60_000
"""Size of a prompt, both messages together in UTF-8; some 15,000 tokens."""


def propose_prompt(brief: Brief, kind: Kind, *, agentic: bool = False, budget_bytes: int = BUDGET_BYTES) -> Prompt:
    """Ask for the next program. The same brief gives the same bytes.

    Args:
        brief: what may be told of the search.
        kind: how the program is to be made; decides what is shown and the form of the answer.
        agentic: whether the author works with tools and hands in by ``submit``.
        budget_bytes: what both messages may take in UTF-8. Above it parts are left out in a fixed order, see `steps`;
            the statement, the parents and a program to be repaired stay even if they alone are larger.

    Raises:
        ValueError: the brief has no second program for a crossover, or none to repair.
    """
    system = _render("system.md.j2", task=brief.task, forbidden_names=_forbidden_names())
    view = _view(brief, kind)

    def user(cuts: Cuts) -> str:
        return _render("propose.md.j2", kind=kind.value, agentic=agentic, **view.values(cuts))

    return Prompt(system=system, user=_fitted(view, user, budget_bytes - _size(system)))


def retry_prompt(reason: str, kind: Kind) -> str:
    """Say why an answer could not be used, and ask for another; a message in the same conversation.

    Args:
        reason: in one line or several; may quote the answer.
        kind: that of the prompt before.
    """
    return _render("retry.md.j2", reason=reason, kind=kind.value, number=None)


def insights_prompt(brief: Brief, attempts: Sequence[Attempt]) -> Prompt:
    """Ask a model to bring the conclusions drawn so far up to date.

    Args:
        brief: what may be told of the search; its insights are the present ones.
        attempts: what was tried since they were written, oldest first.
    """
    return Prompt(
        system=_render("system.md.j2", task=brief.task, forbidden_names=_forbidden_names()),
        user=_render(
            "insights.md.j2", task=brief.task, brief=brief, attempts=tuple(attempts), leader=brief.best or brief.parent
        ),
    )


def task_text(brief: Brief) -> str:
    """Statement, rules and interface, without any candidate."""
    return _render("task.md.j2", task=brief.task, forbidden_names=_forbidden_names())


def order_text(brief: Brief, ticket: int, *, budget_bytes: int = BUDGET_BYTES) -> str:
    """Everything that an agent or a person needs to write one program and hand it in.

    Args:
        brief: what may be told of the search.
        ticket: number of the order.
        budget_bytes: as for `propose_prompt`.
    """
    view = _view(brief, Kind.EDIT)

    def order(cuts: Cuts) -> str:
        return _render("order.md.j2", ticket=ticket, forbidden_names=_forbidden_names(), **view.values(cuts))

    return _fitted(view, order, budget_bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class _View:
    """The parts of a brief that one kind of prompt shows.

    Args:
        brief: without the parts that this kind leaves out.
        failures: those that are not on the line anyway.
        partner: the second parent of a crossover.
        broken_note: what the program to be repaired was meant to do.
    """

    brief: Brief
    failures: tuple[Attempt, ...]
    partner: Portrait | None
    broken_note: str

    def values(self, cuts: Cuts) -> dict[str, object]:
        """What the templates read."""
        line = self.brief.line[cuts.attempts :]
        return {
            "task": self.brief.task,
            "brief": self.brief,
            "number": self.brief.parent.number,
            "partner": self.partner,
            "broken": self.brief.broken,
            "broken_note": self.broken_note,
            "ancestry": [attempt for attempt in line if attempt.parent != self.brief.parent.number],
            "children": [attempt for attempt in line if attempt.parent == self.brief.parent.number],
            "attempts_left_out": cuts.attempts,
            "failures": self.failures[cuts.failures :],
            "cuts": cuts,
        }


def _view(brief: Brief, kind: Kind) -> _View:
    known = {attempt.number for attempt in brief.line}
    failures = tuple(attempt for attempt in brief.failures if attempt.number not in known)
    if kind is Kind.REPAIR:
        if brief.broken is None:
            raise ValueError("the brief has no broken program to repair; ask for another kind")
        notes = {attempt.number: attempt.note for attempt in (*brief.failures, *brief.line)}
        return _View(
            brief=replace(brief, inspirations=(), best=None, line=(), plateau=None, hypotheses=()),
            failures=(),
            partner=None,
            broken_note=notes.get(brief.broken.number, ""),
        )
    partner = None
    brief = replace(brief, broken=None)
    if kind is Kind.CROSSOVER:
        partner = brief.inspirations[-1] if brief.inspirations else brief.best
        if partner is None:
            raise ValueError("the brief has no second program for a crossover; ask for another kind")
        brief = replace(brief, inspirations=(), best=None)
    return _View(brief=brief, failures=failures, partner=partner, broken_note="")


def _fitted(view: _View, render: Callable[[Cuts], str], budget_bytes: int) -> str:
    """The text with as little left out as fits, or with everything left out that may be."""
    whole, *choices = steps(view.brief, view.failures)
    text = render(whole)
    if _size(text) <= budget_bytes or not choices:
        return text
    first = bisect_left(choices, True, key=lambda cuts: _size(render(cuts)) <= budget_bytes)
    return render(choices[min(first, len(choices) - 1)])


def _size(text: str) -> int:
    return len(text.encode("utf-8"))


def _forbidden_names() -> tuple[str, ...]:
    return tuple(sorted(FORBIDDEN_NAMES))


def _render(template: str, **values: object) -> str:
    return environment().get_template(template).render(values).strip("\n") + "\n"
