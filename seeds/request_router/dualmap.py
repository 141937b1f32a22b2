"""DualMap: two candidates by two hashes of the prefix; the one with more of it cached, unless it would be late.

Source: Yuan et al., DualMap: Enabling Both Cache Affinity and Load Balancing for Distributed LLM Serving, ICLR 2026.
Equal prefixes share two candidates, different ones spread like two random choices; cache affinity decides between the
two until the time to first token would miss its objective, then load does. (Its migration of requests that already
wait has no counterpart here.)
"""

import numpy as np

BLOCK_TOKENS = 512
KEY_BLOCKS = 2  # tune: int 1 8
# Seconds of a queued token over its linear cost: attention and fixed costs come on top.
QUEUE_FACTOR = 1.15  # tune: float 0.8 2.0
# The affine candidate is left once its first token would take more than this share of the time limit.
PATIENCE = 1.0  # tune: float 0.05 2.0
MASK = 2**64 - 1


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


def mixed(value: int) -> int:
    """Scramble 64 bits, so that near numbers give far ones (SplitMix64's finaliser)."""
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & MASK
    return value ^ (value >> 31)


def candidates(blocks: np.ndarray, instances: int) -> tuple[int, int]:
    """Two different instances for a prefix, by two hashes."""
    if instances == 1:
        return 0, 0
    key = int(blocks[min(KEY_BLOCKS, len(blocks)) - 1])
    first = mixed(key ^ 0x9E3779B97F4A7C15) % instances
    second = mixed(key ^ 0xD1B54A32D192ED03) % (instances - 1)
    return first, second + (second >= first)


def route(
    now_seconds: float,
    age_seconds: float,
    input_tokens: int,
    blocks: np.ndarray,
    view: np.ndarray,
    costs: np.ndarray,
    objective_seconds: float,
) -> np.ndarray:
    """Name one of the prefix's two instances: int32 (1,)."""
    cached_blocks, _, queued_tokens, running, *_ = view
    SENT.renew(now_seconds - age_seconds, view.shape[1])
    new = uncached(input_tokens, cached_blocks)
    seconds = first_token_seconds(input_tokens, new, queued_tokens + SENT.tokens, running, costs)
    pair = candidates(blocks, view.shape[1])
    chosen = min(pair, key=lambda instance: (new[instance], seconds[instance]))
    if seconds[chosen] > PATIENCE * objective_seconds:
        chosen = min(pair, key=lambda instance: seconds[instance])
    SENT.note(chosen, float(new[chosen]))
    return np.array([chosen], dtype=np.int32)
