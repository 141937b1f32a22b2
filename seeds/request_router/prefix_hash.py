"""Consistent hashing of the prompt's first blocks with bounded loads.

Source: Mirrokni, Thorup and Zadimoghaddam, Consistent Hashing with Bounded Loads, SODA 2018: an instance takes no more
than FACTOR times its share of all requests, further ones go on to the next on the ring. KubeAI's prefix hash routes
prompts like that, with a factor of 1.25. Of the order on the ring, which differs from key to key here (rendezvous
hashing; Thaler and Ravishankar, IEEE/ACM Transactions on Networking 6, 1998), nothing moves when instances come or go.
"""

import math

import numpy as np

KEY_BLOCKS = 1  # tune: int 1 8
FACTOR = 1.25  # tune: float 1.05 3.0
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


def mixed(value: int) -> int:
    """Scramble 64 bits, so that near numbers give far ones (SplitMix64's finaliser)."""
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & MASK
    return value ^ (value >> 31)


def preference(blocks: np.ndarray, instances: int) -> list[int]:
    """Instances in the order in which a prompt with this prefix likes them."""
    key = int(blocks[min(KEY_BLOCKS, len(blocks)) - 1])
    return sorted(range(instances), key=lambda instance: mixed(key ^ mixed(instance + 1)))


def route(
    now_seconds: float,
    age_seconds: float,
    input_tokens: int,
    blocks: np.ndarray,
    view: np.ndarray,
    costs: np.ndarray,
    objective_seconds: float,
) -> np.ndarray:
    """Name the first instance in the prefix's order that has room: int32 (1,)."""
    _, waiting, _, running, *_ = view
    SENT.renew(now_seconds - age_seconds, view.shape[1])
    load = waiting + running + SENT.requests
    bound = math.ceil(FACTOR * (float(load.sum()) + 1) / len(load))
    order = preference(blocks, len(load))
    chosen = next((instance for instance in order if load[instance] + 1 <= bound), order[0])
    SENT.note(chosen)
    return np.array([chosen], dtype=np.int32)
