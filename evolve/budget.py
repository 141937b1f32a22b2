"""How much a run may spend, and how much it has."""

from __future__ import annotations

import re
from dataclasses import dataclass

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?[smh])+")


def parse_duration(text: str) -> float:
    """Seconds in a duration such as ``90``, ``90s``, ``3m`` or ``1h30m``.

    Raises:
        ValueError: not a duration, or not longer than zero.
    """
    cleaned = text.strip().lower()
    if re.fullmatch(r"\d+(\.\d+)?", cleaned):
        seconds = float(cleaned)
    elif _DURATION.fullmatch(cleaned):
        parts = re.findall(r"(\d+(?:\.\d+)?)([smh])", cleaned)
        seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    else:
        raise ValueError(f"{text!r} is not a duration; write 90s, 3m or 1h30m")
    if seconds <= 0:
        raise ValueError(f"a duration must be longer than zero, not {text!r}")
    return seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Limits of the search; None means no limit of that kind.

    Args:
        candidates: how many programs beside the starting ones, whoever writes them.
        evaluations: how many evaluations, confirmations and carried ones included, finals not.
        seconds: wall time of the search over all sittings, finals not included.
        tokens: what language models may read and write; kept where they are called (`evolve.spending`).
        cost: what they may cost, in US dollars; likewise.
    """

    candidates: int | None = None
    evaluations: int | None = None
    seconds: float | None = None
    tokens: int | None = None
    cost: float | None = None

    def allows_another(self, *, evaluations: int, seconds: float) -> bool:
        """Whether one more evaluation may start, given what has been spent or is in flight.

        Tokens and cost do not count: what is paid for is judged.
        """
        if self.evaluations is not None and evaluations >= self.evaluations:
            return False
        return self.seconds is None or seconds < self.seconds

    def allows_another_candidate(self, candidates: int) -> bool:
        """Whether one more program may be written, given how many have been or are being."""
        return self.candidates is None or candidates < self.candidates
