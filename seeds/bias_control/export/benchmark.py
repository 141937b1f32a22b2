"""Times MODULE and compares its biases with two plain rules. Needs numpy only.

The tokens are public and simple; scores of the problem itself come from secret workloads (see provenance.json).
"""

import time

import numpy as np
from MODULE import update

SHAPES = [(1024, 64, 6), (1024, 128, 8)]
BATCHES = 24
PRICE = 0.1


def batches(tokens, experts, seed=0):
    """Affinities of one batch after another: two kinds of text, and half of the batches through the other comes in."""
    rng = np.random.default_rng(seed)
    liking = rng.normal(0, 0.5, (2, experts))
    for batch in range(BATCHES):
        kind = rng.random(tokens) < (0.2 if batch < BATCHES // 2 else 0.8)
        logits = liking[kind.astype(int)] + rng.normal(-3, 1.5, (tokens, experts))
        yield (1 / (1 + np.exp(-logits))).astype(np.float32)


def route(affinity, bias, top_k):
    """Loads, gate mass kept, and largest over mean load minus 1."""
    chosen = np.argpartition(-(affinity + bias), top_k - 1, axis=1)[:, :top_k]
    load = np.bincount(chosen.ravel(), minlength=affinity.shape[1]).astype(np.int32)
    kept = np.take_along_axis(affinity, chosen, axis=1).sum() / np.sort(affinity, axis=1)[:, -top_k:].sum()
    return load, float(kept), float(load.max() / load.mean() - 1)


def none(affinity, load, bias, top_k):
    """No bias."""
    return np.zeros_like(bias)


def sign(affinity, load, bias, top_k):
    """Sign updates."""
    return (bias + 0.01 * np.sign(load.mean() - load)).astype(np.float32)


def main():
    """Print one line for each shape and rule."""
    print(f"{'shape':>10} {'rule':>12} {'kept':>7} {'max_vio':>8} {'J':>7} {'ms':>7}")
    for tokens, experts, top_k in SHAPES:
        for name, function in (("MODULE", update), ("none", none), ("sign 0.01", sign)):
            bias, found, took = np.zeros(experts, dtype=np.float32), [], 0.0
            for affinity in batches(tokens, experts):
                load, kept, violation = route(affinity, bias, top_k)
                found.append((kept, violation))
                started = time.perf_counter()
                bias = function(affinity=affinity, load=load, bias=bias, top_k=top_k)
                took += time.perf_counter() - started
            kept, violation = np.mean(found[1:], axis=0)
            print(
                f"{tokens}x{experts:<5} {name:>12} {kept:7.4f} {violation:8.3f} {kept - PRICE * violation:7.4f} "
                f"{1000 * took / BATCHES:7.2f}"
            )


if __name__ == "__main__":
    main()
