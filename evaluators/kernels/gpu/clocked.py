"""Times graphs: fresh contents, new poison, a cache emptied by reading, two events around one replay.

A sample costs about 0.25 ms beside the call itself: the flush reads `FLUSH_FACTOR` times the L2 cache (0.11 ms on an
H200), which also hides that the host takes some microseconds to launch; copies and poisons come before it, so that it
evicts what they left in the cache.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from evaluators.kernels.forms import Call
from evaluators.kernels.gpu.correct import Bound
from evaluators.kernels.gpu.memory import NAN_BYTE, Arguments
from evaluators.kernels.task import Tensors
from evaluators.model import EvaluatorError
from evaluators.timing import Plan

FLUSH_FACTOR = 8
"""How many times the L2 cache a flush reads. Replacement is not strictly oldest first, so once is not enough."""

SET_FACTOR, FEWEST_SETS, MOST_SETS, MEMORY_SHARE = 3, 2, 8, 4
"""All buffer sets together hold so many L2 caches of inputs, in so many sets, in one of so many parts of the memory."""

SHORT_SECONDS = 20e-6
"""Below this the clock's own noise counts, and rounds are cheap."""

SHORT_ROUNDS = 2
"""How many times the rounds such short calls get."""

BATCH, BATCHES = 10, 3
CLOCK_FACTOR, CLOCK_SLACK_SECONDS = 2.0, 20e-6
"""A warm call in a batch may take at most so many times the events' figure for a cold one, and so much more for its
launch, by the wall clock; else the events do not cover the work."""

LEAST_SECONDS = 1e-9


class Flush:
    """Empties the L2 cache by reading something else; writing would leave dirty lines for the next kernel to evict.

    Args:
        l2_bytes: size of the cache.
    """

    def __init__(self, l2_bytes: int) -> None:
        self._buffer = torch.ones(FLUSH_FACTOR * l2_bytes // 4, dtype=torch.float32, device="cuda")
        self._sink = torch.zeros((), dtype=torch.float32, device="cuda")

    def read(self) -> None:
        """Queue the reading."""
        torch.sum(self._buffer, dim=0, out=self._sink)


class Sampler:
    """Clocks single replays on the current stream.

    Args:
        flush: empties the cache first.
    """

    def __init__(self, flush: Flush) -> None:
        self._flush = flush
        self._start = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        self._stop = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]

    def seconds(self, replay: Callable[[], None]) -> float:
        """Time of one replay with a cold cache, by the device's clock.

        Raises:
            EvaluatorError: it claims more time than passed.
        """
        started = time.perf_counter()
        self._flush.read()
        self._start.record()
        replay()
        self._stop.record()
        self._stop.synchronize()
        wall = time.perf_counter() - started
        seconds: float = self._start.elapsed_time(self._stop) / 1e3
        if seconds > wall:
            raise EvaluatorError(f"the device's events claim {seconds:.6f} s within {wall:.6f} s; its clock is off")
        return max(seconds, LEAST_SECONDS)


def warm_seconds(replay: Callable[[], None], seconds: float) -> float:
    """Time of one of several replays back to back, by the wall clock, at the quickest of a few tries.

    Args:
        replay: launches once.
        seconds: what it takes about, so that slow calls are tried less often.
    """
    batch = max(2, min(BATCH, int(0.02 / seconds)))
    tries = []
    for _ in range(BATCHES):
        torch.cuda.synchronize()
        started = time.perf_counter()
        for _ in range(batch):
            replay()
        torch.cuda.synchronize()
        tries.append((time.perf_counter() - started) / batch)
    return min(tries)


def clocks_disagree(event_seconds: float, wall_seconds: float) -> bool:
    """Whether warm calls take longer by the wall clock than any cold one may by the events."""
    return wall_seconds > CLOCK_FACTOR * event_seconds + CLOCK_SLACK_SECONDS


def set_count(input_bytes: int, l2_bytes: int, memory_bytes: int) -> int:
    """How many sets of argument buffers a timed call rotates through."""
    wanted = -(-SET_FACTOR * l2_bytes // max(1, input_bytes))
    room = memory_bytes // MEMORY_SHARE // max(1, input_bytes)
    return max(1, min(max(FEWEST_SETS, min(MOST_SETS, wanted)), room))


def make_sets(call: Call, count: int, poison: int, device: str) -> list[Arguments]:
    """Buffers for the arguments, so many times."""
    sets = [Arguments(call, device) for _ in range(count)]
    for arguments in sets:
        arguments.slab.poison(poison)
    return sets


def plan_for(plan: Plan, seconds: float) -> Plan:
    """The plan, with more rounds for a call so short that the clock's noise counts."""
    if seconds >= SHORT_SECONDS:
        return plan
    return replace(plan, fewest_rounds=SHORT_ROUNDS * plan.fewest_rounds, most_rounds=SHORT_ROUNDS * plan.most_rounds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """Contents for one set of buffers.

    Args:
        place: which set.
        number: of the draw, by which the task makes the same contents again.
        contents: the arguments.
    """

    place: int
    number: int
    contents: Tensors


@dataclass(frozen=True, slots=True)
class Seat:
    """A program captured on every buffer set, and the sampler that clocks it.

    Args:
        bounds: the program on each set.
        sampler: clocks it.
        stream: handle of the stream.
        rng: draws poisons.
    """

    bounds: Sequence[Bound]
    sampler: Sampler
    stream: int
    rng: np.random.Generator

    def sample(self, draw: Draw) -> float:
        """Seconds of one call on fresh contents, its own buffers poisoned anew, with a cold cache."""
        bound = self.bounds[draw.place]
        bound.arguments.refresh(draw.contents)
        poison = NAN_BYTE if self.rng.integers(2) else int(self.rng.integers(1, NAN_BYTE))
        bound.program.slab.poison(poison)
        return self.sampler.seconds(lambda: bound.graph.replay(self.stream))
