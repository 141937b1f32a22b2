"""Least work left: the instance with the fewest uncached tokens in its queue.

Source: join the queue with the least work (Harchol-Balter, Crovella and Murta, J. Parallel and Distributed Computing
59, 1999), with tokens for work, as routers do that know prompts' lengths. Blind to what is cached for the request.
"""

import numpy as np

BLOCK_TOKENS = 512
# A decoding request counts for so many tokens in a queue.
RUNNING_TOKENS = 50.0  # tune: float 1.0 2000.0 log


class Ledger:
    """What was sent since the view was taken, which the view cannot show."""

    def __init__(self) -> None:
        self.seen_at = -1.0
        self.requests = np.zeros(0)
        self.tokens = np.zeros(0)

    def renew(self, seen_at: float, instances: int) -> None:
        """Forget what a newer view shows; moments within a microsecond are one."""
        if seen_at > self.seen_at + 1e-6:
            self.seen_at = seen_at
            self.requests = np.zeros(instances)
            self.tokens = np.zeros(instances)

    def note(self, instance: int, tokens: float = 0.0) -> None:
        """Remember a request, with its uncached tokens where they matter."""
        self.requests[instance] += 1
        self.tokens[instance] += tokens


SENT = Ledger()


def uncached(input_tokens: int, cached_blocks: np.ndarray) -> np.ndarray:
    """Tokens that each instance would have to read: (instances,)."""
    cached: np.ndarray = np.minimum(cached_blocks * BLOCK_TOKENS, input_tokens - 1)
    return input_tokens - cached


def route(
    now_seconds: float,
    age_seconds: float,
    input_tokens: int,
    blocks: np.ndarray,
    view: np.ndarray,
    costs: np.ndarray,
    objective_seconds: float,
) -> np.ndarray:
    """Name the instance with the least work in its queue: int32 (1,)."""
    cached_blocks, _, queued_tokens, running, *_ = view
    SENT.renew(now_seconds - age_seconds, view.shape[1])
    left = queued_tokens + SENT.tokens + RUNNING_TOKENS * running
    chosen = int(np.argmin(left))
    SENT.note(chosen, float(uncached(input_tokens, cached_blocks)[chosen]))
    return np.array([chosen], dtype=np.int32)
