"""Cache aware (SGLang): the longest prefix sent before if it is long enough, least load if loads lie too far apart.

Source: the rule of SGLang's router (sgl-model-gateway, policy cache_aware) with its defaults. Where the most loaded
instance has more than BALANCE_ABS requests more than the least loaded one, and more than BALANCE_REL times as many,
the least loaded is taken. Otherwise the one that was sent the longest prefix of this prompt, if that is more than
CACHE_THRESHOLD of it, and else the one that was sent the least. What was sent is the router's own record; the real
one keeps a tree of text, this one a table of blocks.
"""

import numpy as np

CACHE_THRESHOLD = 0.3  # tune: float 0.02 0.95
BALANCE_ABS = 64  # tune: int 1 128
BALANCE_REL = 1.5  # tune: float 1.0 4.0


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


class Record:
    """Which instances were sent which block, and how many different blocks each one was sent."""

    def __init__(self) -> None:
        self.holders: dict[int, set[int]] = {}
        self.size: dict[int, int] = {}

    def longest(self, blocks: np.ndarray, instances: int) -> np.ndarray:
        """How many of the first blocks each instance was sent: (instances,)."""
        length = np.zeros(instances, dtype=np.int64)
        left = set(range(instances))
        for depth, block in enumerate(blocks.tolist(), start=1):
            left &= self.holders.get(block, set())
            if not left:
                break
            length[list(left)] = depth
        return length

    def add(self, blocks: np.ndarray, instance: int) -> None:
        """Note that an instance was sent these blocks."""
        for block in blocks.tolist():
            holders = self.holders.setdefault(block, set())
            if instance not in holders:
                holders.add(instance)
                self.size[instance] = self.size.get(instance, 0) + 1


TREE = Record()


def choose(load: np.ndarray, length: np.ndarray, prompt_blocks: int, size: np.ndarray) -> int:
    """The router's rule, on requests at each instance, prefix sent to each, and blocks sent to each."""
    if load.max() - load.min() > BALANCE_ABS and load.max() > BALANCE_REL * load.min():
        return int(np.argmin(load))
    if length.max() > CACHE_THRESHOLD * prompt_blocks:
        return int(np.argmax(length))
    return int(np.argmin(size))


def route(
    now_seconds: float,
    age_seconds: float,
    input_tokens: int,
    blocks: np.ndarray,
    view: np.ndarray,
    costs: np.ndarray,
    objective_seconds: float,
) -> np.ndarray:
    """Name an instance by the rule: int32 (1,)."""
    _, waiting, _, running, *_ = view
    instances = view.shape[1]
    SENT.renew(now_seconds - age_seconds, instances)
    load = waiting + running + SENT.requests
    size = np.array([TREE.size.get(instance, 0) for instance in range(instances)])
    chosen = choose(load, TREE.longest(blocks, instances), len(blocks), size)
    SENT.note(chosen)
    TREE.add(blocks, chosen)
    return np.array([chosen], dtype=np.int32)
