"""Times MODULE and compares what its visits are worth with those of plain top-k. Needs numpy only.

The affinities are public and simple; scores of the problem itself come from secret workloads (see provenance.json).
"""

import time

import numpy as np
from MODULE import select

# tokens, experts, top_k, GPUs, budget
SHAPES = [(16, 64, 6, 8, 2.4), (16, 64, 6, 8, 3.6), (32, 128, 8, 8, 4.0)]
STEPS, LAYERS = 16, 3


def draw(tokens, experts, layer, rng):
    """Affinities of a flat first layer and of steeper ones."""
    return (1 / (1 + np.exp(3 * layer - (0.5 + layer) * rng.normal(size=(tokens, experts))))).astype(np.float32)


def value(scores, mask, top_k, gpus, budget):
    """Mean squared mass lost, and load of the busiest GPU over an even one."""
    mass = scores / np.sort(scores, axis=1)[:, -top_k:].sum(axis=1, keepdims=True)
    lost = np.maximum(0, 1 - np.where(mask > 0, mass, 0).sum(axis=1))
    load = mask.sum(axis=0).reshape(gpus, -1).sum(axis=1)
    return np.array([(lost**2).mean(), load.max() * gpus / (budget * len(mask))])


def main():
    """Print one line for each shape: squared mass lost, load of the busiest GPU and J, plain and by MODULE."""
    print(f"{'shape':>16} {'lost':>7} {'peak':>6} {'J':>8} | {'lost':>7} {'peak':>6} {'J':>8} {'spent':>7} {'ms':>7}")
    for tokens, experts, top_k, gpus, budget in SHAPES:
        rng = np.random.default_rng(0)
        places = STEPS * LAYERS * tokens
        visits = total = round(budget * places)
        found, seconds = np.zeros((2, 2)), []
        for call in range(STEPS * LAYERS):
            scores = draw(tokens, experts, call % LAYERS, rng)
            most = min(int(1.4 * budget * tokens), visits - (places - tokens))
            started = time.perf_counter()
            mask = select(
                scores=scores,
                layer=call % LAYERS,
                num_layers=LAYERS,
                top_k=top_k,
                num_gpus=gpus,
                budget=budget,
                visits_left=visits,
                places_left=places,
                most=most,
            )
            seconds.append(time.perf_counter() - started)
            visits, places = visits - int(mask.sum()), places - tokens
            counts = np.diff(np.floor(budget * np.arange(tokens + 1)))
            plain = np.argsort(np.argsort(-scores, axis=1), axis=1) < counts[:, None]
            found += [value(scores, each, top_k, gpus, budget) / (STEPS * LAYERS) for each in (plain, mask)]
        cells = [f"{lost:7.4f} {peak:6.2f} {-lost - 0.05 * (peak - 1):8.4f}" for lost, peak in found]
        print(
            f"{tokens:>4}x{experts}top{top_k}/{budget:<4} {cells[0]} | {cells[1]} {1 - visits / total:7.1%} "
            f"{1000 * np.median(seconds):7.2f}"
        )


if __name__ == "__main__":
    main()
