"""A serving instance: a queue, a prefix cache, and what it costs to read prompts and to generate.

Prompts are read one at a time in the order of their arrival, before anything else (prefill first, as in vLLM's
default schedule without chunks). What has been read stays in the prefix cache until the least recently used
blocks make room. Generation goes on beside it: each request that decodes while a prefill begins slows that prefill
down, and the number of them decides how long one token takes.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict, deque
from dataclasses import dataclass

from evaluators.request_router.traffic import BLOCK_TOKENS, Blocks, Costs, Request, Speeds


class PrefixCache:
    """Blocks of prompts, the least recently used thrown out first.

    A block is of use only with all blocks before it. Of one prompt the first block counts as used last, so that a
    prefix always outlives what follows it, and what is cached of a prompt is a prefix of it.

    Args:
        capacity: blocks that it holds.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._used: OrderedDict[int, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._used)

    def match(self, blocks: Blocks) -> int:
        """How many of the first blocks are cached, by bisection."""
        used = self._used
        if not blocks or blocks[0] not in used:
            return 0
        low, high = 1, len(blocks)
        while low < high:
            middle = (low + high + 1) // 2
            if blocks[middle - 1] in used:
                low = middle
            else:
                high = middle - 1
        return low

    def insert(self, blocks: Blocks) -> None:
        """Use or add all blocks of a prompt, as far as it has room for them."""
        used = self._used
        for block in reversed(blocks[: self._capacity]):
            used[block] = None
            used.move_to_end(block)
        while len(used) > self._capacity:
            used.popitem(last=False)

    def clear(self) -> None:
        """Throw everything out."""
        self._used.clear()


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What came of a request: seconds from arrival to first token, seconds per further token, blocks found cached."""

    ttft_seconds: float
    tpot_seconds: float
    cached_blocks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What an instance reports: requests and uncached tokens that wait or are being read, requests that decode.

    ``done_tokens`` and ``busy_seconds`` are counters since the start: uncached tokens read, and time spent on that.
    """

    waiting: int
    queued_tokens: int
    running: int
    done_tokens: int
    busy_seconds: float


@dataclass(slots=True)
class _Prefill:
    """A prompt that is being read."""

    number: int
    request: Request
    queued_tokens: int
    start_seconds: float
    end_seconds: float
    running: int
    cached_blocks: int
    new_tokens: int


class Instance:
    """One instance; `advance` lets time pass.

    Args:
        speeds: how fast it works.
        cache_blocks: capacity of its prefix cache.
        costs: what serving costs.
        served: where it notes what came of each request, by the request's number.
    """

    def __init__(self, speeds: Speeds, cache_blocks: int, costs: Costs, served: dict[int, Served]) -> None:
        self.cache = PrefixCache(cache_blocks)
        self._speeds = speeds
        self._costs = costs
        self._served = served
        self._restarts = list(speeds.restarts)
        self._queue: deque[tuple[int, Request, int]] = deque()
        self._prefill: _Prefill | None = None
        self._free_at = 0.0
        self._decoding: list[float] = []
        self._queued_tokens = 0
        self._done_tokens = 0
        self._busy_seconds = 0.0

    def accept(self, number: int, request: Request) -> None:
        """Queue a request at its arrival; time must have advanced to it."""
        cached = min(self.cache.match(request.blocks) * BLOCK_TOKENS, request.input_tokens - 1)
        tokens = request.input_tokens - cached
        self._queue.append((number, request, tokens))
        self._queued_tokens += tokens
        if self._prefill is None:
            self._begin(max(self._free_at, request.arrival_seconds))

    def advance(self, seconds: float) -> None:
        """Let time pass up to and including this moment."""
        while self._prefill is not None and self._prefill.end_seconds <= seconds:
            self._end(self._prefill)
            self._prefill = None
            if self._queue:
                self._begin(self._free_at)
        self._restart(seconds)

    def load(self, seconds: float) -> Load:
        """What it reports at this moment, to which time must have advanced."""
        self._decoded(seconds)
        reading = self._prefill
        return Load(
            waiting=len(self._queue) + (reading is not None),
            queued_tokens=self._queued_tokens,
            running=len(self._decoding),
            done_tokens=self._done_tokens,
            busy_seconds=self._busy_seconds + (max(0.0, seconds - reading.start_seconds) if reading else 0.0),
        )

    def _begin(self, seconds: float) -> None:
        number, request, queued_tokens = self._queue.popleft()
        seconds = self._speeds.up_from(seconds)
        self._restart(seconds)
        self._decoded(seconds)
        cached, running = self.cache.match(request.blocks), len(self._decoding)
        work = self._costs.prefill_seconds(request.input_tokens, cached) * (1 + self._costs.interference * running)
        self._prefill = _Prefill(
            number=number,
            request=request,
            queued_tokens=queued_tokens,
            start_seconds=seconds,
            end_seconds=self._speeds.finish(seconds, work),
            running=running,
            cached_blocks=cached,
            new_tokens=request.input_tokens - min(cached * BLOCK_TOKENS, request.input_tokens - 1),
        )

    def _end(self, prefill: _Prefill) -> None:
        end, request = prefill.end_seconds, prefill.request
        self._restart(end)
        self._decoded(end)
        per_token = self._costs.step + self._costs.step_request * (len(self._decoding) + 1)
        last = self._speeds.finish(end, per_token * request.output_tokens)
        heapq.heappush(self._decoding, last)
        self.cache.insert(request.blocks)
        self._free_at = end
        self._queued_tokens -= prefill.queued_tokens
        self._done_tokens += prefill.new_tokens
        self._busy_seconds += end - prefill.start_seconds
        self._served[prefill.number] = Served(
            ttft_seconds=end - request.arrival_seconds,
            tpot_seconds=(last - end) / max(1, request.output_tokens),
            cached_blocks=prefill.cached_blocks,
        )

    def _restart(self, seconds: float) -> None:
        while self._restarts and self._restarts[0] <= seconds:
            self._restarts.pop(0)
            self.cache.clear()

    def _decoded(self, seconds: float) -> None:
        while self._decoding and self._decoding[0] <= seconds:
            heapq.heappop(self._decoding)
