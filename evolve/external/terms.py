"""How a desk does business, and how much may wait there."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock

from evolve.external.model import Fault, HandIn, Refused

EXPIRES = timedelta(minutes=30)

MAX_TOLD = 64
MAX_TOLD_EACH = 8
MAX_NOTES = 64
MAX_ASKED = 256
"""Programs in all and of one asker, notes, and askers that may wait for the driver at the same time."""

NOTES_AN_HOUR = 60

OVER = Refused(
    fault=Fault.OVER,
    what="nothing more is judged in this sitting, which is over",
    hint="open orders stay valid; hand in again once the run is served again",
)
DONE = "what was asked for is done"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How a desk does business.

    Args:
        expires: how long an order is its asker's alone.
        judges: how many programs may be judged at the same time; more wait here, so that what the search itself wants
            to measure gets its turn.
        once: whether there is nothing to wait for once all requests are answered.
    """

    judges: int
    expires: timedelta = EXPIRES
    once: bool = False


def crowd(waiting: Iterable[HandIn], asker: str) -> Refused | None:
    """Why one more program cannot wait; None while it can."""
    askers = [hand_in.asker for hand_in in waiting]
    if askers.count(asker) >= MAX_TOLD_EACH:
        return busy(f"{asker} has {MAX_TOLD_EACH} programs waiting already")
    return busy(f"{MAX_TOLD} programs wait already") if len(askers) >= MAX_TOLD else None


def busy(what: str) -> Refused:
    """A refusal that time will mend."""
    return Refused(fault=Fault.BUSY, what=what, hint="come back in a minute: send the same again")


class NoteQuota:
    """Counts the notes of an hour, by asker; any thread may ask.

    Args:
        now: the clock.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._lock = Lock()
        self._kept: deque[tuple[datetime, str]] = deque()

    def objection(self, asker: str) -> Refused | None:
        """Why an asker may leave no note now; None where it may, and then this is counted as one."""
        with self._lock:
            now = self._now()
            while self._kept and self._kept[0][0] <= now - timedelta(hours=1):
                self._kept.popleft()
            if sum(name == asker for _, name in self._kept) >= NOTES_AN_HOUR:
                return Refused(
                    fault=Fault.TOO_MANY,
                    what=f"{asker} left {NOTES_AN_HOUR} notes within an hour",
                    hint="come back later, and say more in fewer notes",
                )
            self._kept.append((now, asker))
        return None
