"""Times MODULE and compares its hit rate and stall with least recently used. Needs numpy only.

The routes are public and simple; scores of the problem itself come from secret workloads (see provenance.json).
"""

import time

import numpy as np
from MODULE import value

LAYERS, EXPERTS, TOP_K, STEPS = 12, 64, 6, 100
CAPACITY = LAYERS * EXPERTS * 3 // 10
LOAD, COMPUTE = 2e-4, 1e-4


def draw(seed=0):
    """Routes (steps, layers, top_k) and early guesses of them, right to three quarters."""
    rng = np.random.default_rng(seed)
    popularity = rng.normal(0, 0.9, (4, LAYERS, EXPERTS))
    domain = np.repeat(rng.integers(4, size=STEPS // 25), 25)
    noise = rng.gumbel(size=(2, STEPS, LAYERS, EXPERTS))
    order = np.argsort(-(popularity[domain] + noise), axis=3)[..., :TOP_K].astype(np.int32)
    right = rng.random((STEPS, LAYERS, 1)) < 0.75
    return order[0], np.where(right, order[0], order[1])


def lru(used, layer, ids, state):
    """Least recently used, nothing fetched ahead."""
    used[layer, ids.ravel()] = used.max() + 1 + np.arange(ids.size)
    return np.where(state > 0, used, -1.0)


def play(name, routes, guesses):
    """Hit rate, share of the uncached stall that is left, and seconds a call."""
    rng = np.random.default_rng(1)
    state = np.zeros(LAYERS * EXPERTS, dtype=np.int8)
    state[rng.permutation(state.size)[:CAPACITY]] = 1
    used = np.zeros((LAYERS, EXPERTS))
    clock = busy_until = stall = 0.0
    hits, seconds = 0, []
    for step in range(STEPS):
        for layer in range(LAYERS):
            ids = routes[step, layer][None]
            guess = guesses[step, layer + 1][None] if layer + 1 < LAYERS else np.full_like(ids, -1)
            given = state.reshape(LAYERS, EXPERTS).copy()
            started = time.perf_counter()
            if name == "lru":
                worth = lru(used, layer, ids, given).ravel()
            else:
                worth = value(
                    step=step,
                    layer=layer,
                    ids=ids,
                    weights=np.full((1, TOP_K), 1 / TOP_K, dtype=np.float32),
                    guess=guess,
                    state=given,
                    load_seconds=np.full(LAYERS, LOAD, dtype=np.float32),
                    compute_seconds=COMPUTE,
                ).ravel()
            seconds.append(time.perf_counter() - started)
            needed = layer * EXPERTS + ids.ravel()
            hits += np.count_nonzero(state[needed] == 1)
            began = clock
            if (state[needed] != 1).any():
                clock = max(clock, busy_until)
                state[state == 2] = 1
            missing = needed[state[needed] == 0]
            movable = np.setdiff1d(np.flatnonzero(state == 1), needed)
            state[movable[np.argsort(worth[movable], kind="stable")][: len(missing)]] = 0
            state[missing] = 1
            clock += len(missing) * LOAD
            stall += clock - began
            until = clock + COMPUTE
            free_at = max(clock, busy_until)
            if busy_until <= until:
                state[state == 2] = 1
            victims = np.setdiff1d(np.flatnonzero(state == 1), needed)
            victims = victims[np.argsort(worth[victims], kind="stable")].tolist()
            wanted = np.flatnonzero((given.ravel() == 0) & (state == 0) & (worth > 0))
            for expert in wanted[np.argsort(-worth[wanted], kind="stable")]:
                if free_at >= until or not victims or worth[expert] <= worth[victims[0]]:
                    break
                state[victims.pop(0)] = 0
                free_at = busy_until = free_at + LOAD
                state[expert] = 1 if free_at <= until else 2
            clock = until
    needs = STEPS * LAYERS * TOP_K
    return hits / needs, stall / (needs * LOAD), np.median(seconds)


def main():
    """Print one line for each policy."""
    routes, guesses = draw()
    print(f"{'policy':>12} {'hits %':>8} {'stall %':>8} {'us/call':>8}")
    for name in ("lru", "MODULE"):
        hits, stall, seconds = play(name, routes, guesses)
        print(f"{name:>12} {100 * hits:8.1f} {100 * stall:8.1f} {1e6 * seconds:8.0f}")


if __name__ == "__main__":
    main()
