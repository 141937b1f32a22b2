"""One model's share of the traffic: how many requests at a time, and none while its server wants a rest."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

from evolve.proposers.llm.dialect import Dialect

FIRST_DELAY_SECONDS = 0.5
LONGEST_DELAY_SECONDS = 30.0

Sleep = Callable[[float], Awaitable[object]]


class Lane:
    """Requests to one model on one server; belongs to one event loop."""

    def __init__(self, concurrency: int) -> None:
        self.slots = asyncio.Semaphore(concurrency)
        self.dialect = Dialect()
        self.has_answered = False
        self._warned_until = 0.0
        self._paused_until = 0.0

    def warn(self, seconds: float) -> None:
        """Hear that the server wants a request to wait so long.

        Nothing starts for that time if this is the second such word within the time that the first one asked for: one
        alone may have hit its request by chance, and to stop all others for it would waste what the server does grant.
        """
        now = asyncio.get_running_loop().time()
        if now < self._warned_until:
            self._paused_until = max(self._paused_until, now + seconds)
        self._warned_until = max(self._warned_until, now + seconds)

    async def opened(self, sleep: Sleep, rng: Random) -> None:
        """Wait until no pause is on."""
        waited_for = 0.0
        while self._paused_until > waited_for:
            waited_for = self._paused_until
            seconds = waited_for - asyncio.get_running_loop().time()
            if seconds > 0:
                # Those who wait do not all come back in the same instant.
                await sleep(seconds * (1.0 + 0.1 * rng.random()))


def backoff_seconds(failures: int, rng: Random) -> float:
    """How long to wait after so many failures in a row: exponential with full jitter.

    Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """
    return rng.uniform(0.0, min(LONGEST_DELAY_SECONDS, FIRST_DELAY_SECONDS * 2.0 ** (failures - 1)))
