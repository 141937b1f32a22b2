"""Earliest first token (Mooncake): waiting time and prefill, with what is cached, estimated for every instance.

Source: Qin et al., Mooncake: Trading More Storage for Less Computation, FAST 2025, cache-aware prefill scheduling: for
each instance the time to first token is the queue's prefill time plus the prefill of the uncached part; the smallest
is taken. (Its transfer of cached blocks between instances has no counterpart here.)
"""

import numpy as np

BLOCK_TOKENS = 512
# Seconds of a queued token over its linear cost: attention and fixed costs come on top.
QUEUE_FACTOR = 1.15  # tune: float 0.8 2.0


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


def prefill_seconds(input_tokens: int, new: np.ndarray, costs: np.ndarray) -> np.ndarray:
    """Seconds to read so many new tokens of a prompt on an idle instance of speed 1: (instances,)."""
    fixed, linear, quadratic, _ = costs
    seconds: np.ndarray = fixed + linear * new + quadratic * new * (input_tokens - new / 2)
    return seconds


def first_token_seconds(
    input_tokens: int, new: np.ndarray, queued_tokens: np.ndarray, running: np.ndarray, costs: np.ndarray
) -> np.ndarray:
    """Seconds until the first token if each instance reads its queue and then this prompt: (instances,)."""
    _, linear, _, interference = costs
    seconds: np.ndarray = QUEUE_FACTOR * linear * queued_tokens + prefill_seconds(input_tokens, new, costs)
    seconds *= 1 + interference * running
    return seconds


def route(
    now_seconds: float,
    age_seconds: float,
    input_tokens: int,
    blocks: np.ndarray,
    view: np.ndarray,
    costs: np.ndarray,
    objective_seconds: float,
) -> np.ndarray:
    """Name the instance whose first token is expected soonest: int32 (1,)."""
    cached_blocks, _, queued_tokens, running, *_ = view
    SENT.renew(now_seconds - age_seconds, view.shape[1])
    new = uncached(input_tokens, cached_blocks)
    seconds = first_token_seconds(input_tokens, new, queued_tokens + SENT.tokens, running, costs)
    chosen = int(np.argmin(seconds))
    SENT.note(chosen, float(new[chosen]))
    return np.array([chosen], dtype=np.int32)
