"""Times MODULE and compares what its choices keep with those by frequency and by votes. Needs numpy only.

The routes are public and simple; scores of the problem itself come from secret workloads (see provenance.json).
"""

import time

import numpy as np
from MODULE import select

# tokens, experts, k
SHAPES = [(32, 64, 6), (64, 128, 4), (16, 256, 8), (32, 384, 8)]
SHARES = [0.30, 0.45, 0.60]
BLOCKS = 8


def draw(tokens, experts, k, rng):
    """Experts with skewed popularity, and gate weights that sum to 1."""
    score = rng.gumbel(size=(tokens, experts)) + rng.normal(size=experts)
    ids = np.argsort(-score, axis=1)[:, :k].astype(np.int32)
    weights = np.exp(np.take_along_axis(score, ids, axis=1))
    return ids, (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def kept(ids, weights, chosen):
    """Mean over tokens of the mass kept, and its 5th percentile."""
    held = np.where(np.isin(ids, chosen), weights, 0).sum(axis=1) / weights.sum(axis=1)
    return np.array([held.mean(), np.sort(held)[-(-len(held) // 20) - 1]])


def main():
    """Print one line for each shape and share: mean and 5th percentile by frequency, by votes and by MODULE."""
    print(f"{'shape':>12} {'share':>6} {'frequency':>11} {'votes':>11} {'MODULE':>11} {'ms/choice':>10}")
    for tokens, experts, k in SHAPES:
        for share in SHARES:
            rng = np.random.default_rng(0)
            seconds, found = [], np.zeros((3, 2))
            for _ in range(BLOCKS):
                ids, weights = draw(tokens, experts, k, rng)
                votes = np.bincount(ids.ravel(), weights=weights.ravel(), minlength=experts)
                counts = np.bincount(ids.ravel(), minlength=experts)
                budget = max(1, round(share * (counts > 0).sum()))
                started = time.perf_counter()
                ours = select(ids=ids, weights=weights, budget=budget)
                seconds.append(time.perf_counter() - started)
                choices = np.argsort(-counts)[:budget], np.argsort(-votes)[:budget], ours
                found += [kept(ids, weights, chosen) / BLOCKS for chosen in choices]
            cells = " ".join(f"{mean:5.3f} {low:5.3f}" for mean, low in found)
            print(f"{tokens:>4}x{experts}top{k} {share:6.2f} {cells} {1000 * np.median(seconds):10.2f}")


if __name__ == "__main__":
    main()
