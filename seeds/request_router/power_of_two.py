"""Power of two choices: the less loaded of two instances drawn at random.

Source: Mitzenmacher, IEEE Transactions on Parallel and Distributed Systems 12, 2001. Two choices spread load nearly as
well as looking at all, and stale views do less harm: not everybody goes to the one that looked best.
"""

import numpy as np

RNG = np.random.default_rng(2001)


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


def route(
    now_seconds: float,
    age_seconds: float,
    input_tokens: int,
    blocks: np.ndarray,
    view: np.ndarray,
    costs: np.ndarray,
    objective_seconds: float,
) -> np.ndarray:
    """Name the less loaded of two: int32 (1,)."""
    _, waiting, _, running, *_ = view
    SENT.renew(now_seconds - age_seconds, view.shape[1])
    load = waiting + running + SENT.requests
    first, second = RNG.choice(len(load), size=2, replace=len(load) < 2).tolist()
    chosen = first if load[first] <= load[second] else second
    SENT.note(chosen)
    return np.array([chosen], dtype=np.int32)
