"""Limits on time that problems hold programs to, beside what is scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evaluators.model import Outcome
from evaluators.problem import Guest

TIME_GATE = "time gate"
"""Name of the check that calls are quick enough, for `Declaration.checks`."""


LEAST_PATIENCE_SECONDS = 5.0
"""Whatever the gate, all calls together may take so long: where there are few, one hiccup is most of their time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeGate:
    """How long the calls of one workload may take.

    Args:
        calls: how many calls the workload has.
        counted: so many of the quickest must keep the gate in the mean; machines hiccup.
        seconds: the gate.
        patience: all calls together may take so many gates each, or `LEAST_PATIENCE_SECONDS`; None where a limit on
            single calls is enough.
        doing: what a call does, such as ``"planning"``.
        unit: what a call is for, such as ``"window"``.
    """

    calls: int
    counted: int
    seconds: float
    patience: float | None = None
    doing: str
    unit: str

    def check(self, taken: Sequence[float], guest: Guest) -> None:
        """Refuse a program that is too slow, as if the calls to come took no time, so that a hopeless one ends early.

        Args:
            taken: seconds of the calls so far.
            guest: the program.

        Raises:
            RefusedError: it is.
        """
        slowest = self.calls - self.counted
        quickest = sorted(taken)[: max(0, len(taken) - slowest)]
        if sum(quickest) > self.counted * self.seconds:
            self._refuse(quickest, guest)
        elif self.patience is not None and sum(taken) > max(
            self.calls * self.patience * self.seconds, LEAST_PATIENCE_SECONDS
        ):
            self._refuse(taken, guest)

    def _refuse(self, taken: Sequence[float], guest: Guest) -> None:
        terms = f"{1000 * self.seconds:.0f} ms"
        if self.patience is not None:
            terms += f" for the quickest {self.counted} of {self.calls} calls, and {self.patience:g} times that for all"
        mean = 1000 * sum(taken) / len(taken)
        guest.refuse(
            TIME_GATE, Outcome.TIMEOUT, f"{self.doing} takes {mean:.0f} ms per {self.unit}, the gate is {terms}"
        )
