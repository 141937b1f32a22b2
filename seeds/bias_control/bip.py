"""Balance as a binary program: a few dual sweeps on the batch that was, from the prices that were.

Source: Sun, Binary-Integer-Programming Based Algorithm for Expert Load Balancing in Mixture-of-Experts Models,
arXiv:2502.15451, algorithm 1. There the prices are those of the batch that is routed; here they come one batch late.
"""

import numpy as np

SWEEPS = 4  # tune: int 1 8


def token_prices(affinity: np.ndarray, prices: np.ndarray, top_k: int) -> np.ndarray:
    """What a token must at least gain from a visit: its (top_k + 1)-th largest affinity minus price (tokens,)."""
    place = len(prices) - top_k - 1
    return np.maximum(np.partition(affinity - prices, place, axis=1)[:, place], 0)


def expert_prices(affinity: np.ndarray, tokens: np.ndarray, room: int) -> np.ndarray:
    """The price at which an expert has no more than `room` visits left that gain (experts,)."""
    gain = np.ascontiguousarray((affinity - tokens[:, None]).T)
    place = gain.shape[1] - room - 1
    return np.maximum(np.partition(gain, place, axis=1)[:, place], 0)


def update(affinity: np.ndarray, load: np.ndarray, bias: np.ndarray, top_k: int) -> np.ndarray:
    """Bias of each expert for the next batch: float32 (experts,)."""
    tokens, experts = affinity.shape
    room = tokens * top_k // experts
    prices = -bias
    for _ in range(SWEEPS):
        prices = expert_prices(affinity, token_prices(affinity, prices, top_k), room)
    return (-prices).astype(np.float32)
