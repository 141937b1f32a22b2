"""Times MODULE and compares its steps with plain expert parallelism on random loads. Needs numpy only.

The loads are public and simple; scores of the problem itself come from secret workloads (see provenance.json).
"""

import time

import numpy as np
from MODULE import dispatch

# experts, GPUs, nodes
SHAPES = [(64, 8, 1), (128, 16, 2), (256, 32, 4)]
TOKENS = [8_000, 64_000, 256_000]
STEPS = 8
TOP_K = 8
# token, setup, near token, far token, near expert, far expert, collective, rearrange (us); expert, token (MiB)
COSTS = [0.03, 10.5, 0.011, 0.1, 48.0, 430.0, 20.0, 150.0, 16.5, 0.016]


def draw(experts, gpus, tokens, rng):
    """Tokens (experts, gpus) with log-normal popularity, owners, and costs with room for four foreign experts."""
    share = np.exp(rng.normal(0, 1, experts))
    load = rng.multinomial(tokens * TOP_K // gpus, share / share.sum(), size=gpus).T.astype(np.int32)
    owner = (np.arange(experts) * gpus // experts).astype(np.int32)
    plain = np.bincount(owner, weights=load.sum(axis=1), minlength=gpus)
    memory = max(COSTS[9] * plain.max(), 2 * COSTS[9] * plain.mean() + 4 * COSTS[8])
    return load, owner, np.array([*COSTS, memory])


def step_time(plan, load, owner, nodes, hardware):
    """Microseconds of a step: exchange, compute and combine, each as long as its slowest GPU or link."""
    token, setup, near, far, near_expert, far_expert, collective, rearrange = hardware[:8]
    gpus = plan.shape[1]
    node = np.arange(gpus) // (gpus // nodes)
    near_in, near_out, far_in, far_out = np.zeros((4, gpus))
    got_near, got_far, gave_near, gave_far = np.zeros((4, gpus))
    for expert, home in enumerate(owner):
        stay = np.minimum(load[expert], plan[expert])
        out, into = load[expert] - stay, plan[expert] - stay
        for n in range(nodes):
            here = node == n
            met = min(out[here].sum(), into[here].sum())
            for tokens, near_sum, far_sum in ((out, near_out, far_out), (into, near_in, far_in)):
                part = met / max(tokens[here].sum(), 1)
                near_sum[here] += part * tokens[here]
                far_sum[here] += (1 - part) * tokens[here]
        for gpu in np.flatnonzero(plan[expert]):
            if gpu != home:
                got, gave = (got_near, gave_near) if node[gpu] == node[home] else (got_far, gave_far)
                got[gpu] += 1
                gave[home] += 1
    links = [(near, near_in, near_expert, got_near), (near, near_out, near_expert, gave_near)]
    links += [(far, far_in, far_expert, got_far), (far, far_out, far_expert, gave_far)]
    exchange = max((a * tokens + b * experts).max() for a, tokens, b, experts in links)
    combine = max((a * tokens).max() for a, tokens, _, _ in links)
    compute = (token * plan.sum(axis=0) + setup * (plan > 0).sum(axis=0)).max()
    return exchange + compute + combine + 2 * collective + rearrange * bool((got_near + got_far).any())


def main():
    """Print one line for each shape and number of tokens."""
    print(f"{'shape':>10} {'tokens':>8} {'speed-up':>9} {'worst':>7} {'sent':>6} {'ms/plan':>8}")
    for experts, gpus, nodes in SHAPES:
        for tokens in TOKENS:
            rng = np.random.default_rng(0)
            gains, sent, seconds = [], [], []
            for _ in range(STEPS):
                load, owner, hardware = draw(experts, gpus, tokens, rng)
                started = time.perf_counter()
                plan = dispatch(load=load, owner=owner, num_gpus=gpus, num_nodes=nodes, hardware=hardware)
                seconds.append(time.perf_counter() - started)
                plain = np.zeros_like(load)
                plain[np.arange(experts), owner] = load.sum(axis=1)
                times = [step_time(each, load, owner, nodes, hardware) for each in (plain, plan)]
                gains.append(times[0] / times[1])
                sent.append((plan > 0).sum() - (plan[np.arange(experts), owner] > 0).sum())
            print(
                f"{experts:>5}/{gpus:<4} {tokens:8} {np.exp(np.mean(np.log(gains))):9.2f} {min(gains):7.2f} "
                f"{np.mean(sent):6.1f} {1000 * np.median(seconds):8.1f}"
            )


if __name__ == "__main__":
    main()
