"""Least loaded: the instance with the fewest requests, waiting, being read or decoding.

Source: least outstanding requests, as in nginx (least_conn), Envoy and vLLM's own data-parallel router. What was sent
since the view was taken is added to it; without that, all requests between two views go to one instance.
"""

import numpy as np


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
    """Name the instance with the fewest requests: int32 (1,)."""
    _, waiting, _, running, *_ = view
    SENT.renew(now_seconds - age_seconds, view.shape[1])
    chosen = int(np.argmin(waiting + running + SENT.requests))
    SENT.note(chosen)
    return np.array([chosen], dtype=np.int32)
