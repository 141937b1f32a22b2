"""What a pull costs: its share of whichever limit of the run it uses most of."""

from __future__ import annotations

from dataclasses import dataclass

from evolve.budget import Budget

FLOOR = 1e-6
"""Share of a pull that used nothing that is counted; costs divide, so they must be above zero."""

NOMINAL_EVALUATIONS = 1000
"""Where a run has no limit at all, an evaluation counts as one of so many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What there is to be used up; None means no limit of that kind.

    Args:
        candidates: beside the starting programs.
        evaluations: in all.
        worker_seconds: wall seconds of the search times its workers.
        tokens: of language models.
        usd: of language models, in US dollars.
    """

    candidates: int | None = None
    evaluations: int | None = None
    worker_seconds: float | None = None
    tokens: int | None = None
    usd: float | None = None

    @classmethod
    def of(cls, budget: Budget, workers: int) -> Limits:
        """The limits of a run that judges ``workers`` candidates at a time."""
        seconds = None if budget.seconds is None else budget.seconds * max(1, workers)
        return cls(
            candidates=budget.candidates,
            evaluations=budget.evaluations,
            worker_seconds=seconds,
            tokens=budget.tokens,
            usd=budget.cost,
        )


def cost_share(
    seconds: float = 0.0, tokens: int = 0, usd: float = 0.0, *, limits: Limits, evaluations: float = 1.0
) -> float:
    """The largest share of any limit that a pull used, at least `FLOOR`.

    Args:
        seconds: of one worker.
        tokens: read and written by language models.
        usd: their cost in US dollars.
        limits: of the run.
        evaluations: 1 for a candidate, 0 for a pull in vain.
    """
    used: tuple[tuple[float, float | None], ...] = (
        (evaluations, limits.candidates),
        (evaluations, limits.evaluations),
        (seconds, limits.worker_seconds),
        (tokens, limits.tokens),
        (usd, limits.usd),
    )
    if all(limit is None for _, limit in used):
        used = ((evaluations, NOMINAL_EVALUATIONS),)
    # What is left of a limit of zero cannot be shared out: every use of it is all of it.
    shares = (amount / limit if limit else float(amount > 0) for amount, limit in used if limit is not None)
    return max(FLOOR, *shares)
