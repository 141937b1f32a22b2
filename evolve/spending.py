"""What a run may spend on language models, and what it has spent, calls under way included.

A call is held at its upper bound before it is sent and settled with its actual charge afterwards, so that what is
spent and held never passes the cap, however many calls are under way.
"""

from __future__ import annotations

import asyncio
import math
import threading
from collections import deque
from dataclasses import dataclass, field


class SpentError(RuntimeError):
    """The cap leaves no room for another call, even once all calls under way have ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """Caps of a run over all sittings; None means no cap. ``cost`` is in US dollars."""

    tokens: int | None = None
    cost: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Hold:
    """An amount set aside for one call under way; ``cost`` is 0 where the price is unknown."""

    tokens: int
    cost: float


@dataclass(slots=True, eq=False)
class _Waiter:
    """Somebody in the queue, and how to wake them in their own event loop."""

    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[None] | None = field(default=None)

    def wake(self) -> None:
        future = self.future
        if future is not None and not self.loop.is_closed():
            self.loop.call_soon_threadsafe(lambda: None if future.done() else future.set_result(None))


class Purse:
    """Counts what is spent and what is held; may be used from several threads and event loops at once.

    Calls of unknown price count as tokens alone, so that a cap on cost does not see them.
    """

    def __init__(self, allowance: Allowance, *, spent_tokens: int = 0, spent_cost: float = 0.0) -> None:
        self.allowance = allowance
        self._spent_tokens = spent_tokens
        self._spent_cost = spent_cost
        self._held: set[Hold] = set()
        self._queue: deque[_Waiter] = deque()
        self._lock = threading.Lock()

    @property
    def spent_tokens(self) -> int:
        """Tokens charged so far."""
        return self._spent_tokens

    @property
    def spent_cost(self) -> float:
        """US dollars charged so far."""
        return self._spent_cost

    @property
    def held_tokens(self) -> int:
        """Upper bound of the tokens of calls under way."""
        with self._lock:
            return sum(hold.tokens for hold in self._held)

    @property
    def held_cost(self) -> float:
        """Upper bound of the cost of calls under way, in US dollars."""
        with self._lock:
            return math.fsum(hold.cost for hold in self._held)

    @property
    def left_tokens(self) -> int | None:
        """Tokens up to the cap if nothing were held; None without a cap."""
        return None if self.allowance.tokens is None else max(0, self.allowance.tokens - self._spent_tokens)

    @property
    def left_cost(self) -> float | None:
        """US dollars up to the cap if nothing were held; None without a cap."""
        return None if self.allowance.cost is None else max(0.0, self.allowance.cost - self._spent_cost)

    @property
    def exhausted(self) -> bool:
        """Whether a cap is reached by what is spent alone."""
        return self.left_tokens == 0 or self.left_cost == 0

    async def hold(self, tokens: int, cost: float | None) -> Hold:
        """Set an amount aside, first come first served; waits while only what others hold stands in the way.

        Raises:
            SpentError: it would not fit even if nothing were held.
        """
        wanted = Hold(tokens=tokens, cost=cost or 0.0)
        waiter = _Waiter(asyncio.get_running_loop())
        with self._lock:
            self._queue.append(waiter)
        try:
            while True:
                with self._lock:
                    if not self._fits(wanted, ()):
                        raise SpentError(self._refusal(wanted))
                    # Only the first in the queue may go, or small calls would starve a large one for ever.
                    if self._queue[0] is waiter and self._fits(wanted, self._held):
                        self._held.add(wanted)
                        return wanted
                    waiter.future = waiter.loop.create_future()
                await waiter.future
        finally:
            with self._lock:
                self._queue.remove(waiter)
                self._wake_all()

    def settle(self, hold: Hold, tokens: int, cost: float | None) -> None:
        """Give a hold back and charge what the call took; ``cost`` is None where the price is unknown."""
        with self._lock:
            if hold not in self._held:
                raise ValueError("this hold was settled before, or belongs to another purse")
            self._held.remove(hold)
            self._spent_tokens += tokens
            self._spent_cost += cost or 0.0
            self._wake_all()

    def _fits(self, wanted: Hold, held: set[Hold] | tuple[()]) -> bool:
        allowance = self.allowance
        tokens = self._spent_tokens + sum(hold.tokens for hold in held) + wanted.tokens
        cost = math.fsum((self._spent_cost, *(hold.cost for hold in held), wanted.cost))
        return (allowance.tokens is None or tokens <= allowance.tokens) and (
            allowance.cost is None or cost <= allowance.cost
        )

    def _refusal(self, wanted: Hold) -> str:
        parts = []
        if self.allowance.tokens is not None:
            parts.append(f"{self._spent_tokens:,} of {self.allowance.tokens:,} tokens")
        if self.allowance.cost is not None:
            parts.append(f"${self._spent_cost:.4f} of ${self.allowance.cost:.4f}")
        needed = f"{wanted.tokens:,} tokens" + (f" and ${wanted.cost:.4f}" if wanted.cost else "")
        return f"{' and '.join(parts)} spent: no room for a call of up to {needed}"

    def _wake_all(self) -> None:
        for waiter in self._queue:
            waiter.wake()
