"""How scores are marked that no judge of ours has checked. Light: whoever shows scores imports it."""

from __future__ import annotations

from evaluators.model import Evaluation

PREFIX = "openevolve:"
"""Before the path of a folder in OpenEvolve's form."""

CLAIM = "score reported by the task, not by our judge"
MARK = "task's score"
"""The same where there is room for two words."""

HOST_FACT = "claim"
"""The fact of an evaluation's host that carries `CLAIM`: the mark is stored with every figure."""


def is_claim(problem: str) -> bool:
    """Whether scores are the task's own claim, by the problem's name, its path, or a run's setting ``problem``."""
    return PREFIX in problem


def is_claimed(evaluation: Evaluation) -> bool:
    """The same of one evaluation."""
    return HOST_FACT in evaluation.host


def reported_by(*, claimed: bool) -> str:
    """The mark for programs that read JSON."""
    return "task" if claimed else "judge"
