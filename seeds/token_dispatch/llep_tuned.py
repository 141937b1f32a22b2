"""LLEP with settings tuned to these machines: 10 % slack over the mean, chunks of 8192 tokens, the same threshold.

Source: Nguyen, Pandit, Xu, Xiong, Joty, "Least-Loaded Expert Parallelism", arXiv 2601.17111, algorithms 2 to 4; its
ablations say that alpha, m and lambda want tuning to the hardware. These values are the best of a grid on drawn steps
of this problem. Experts are assigned heaviest first. An expert stays with its owner as far as the owner's capacity
allows; the rest goes to the GPUs with the least load, in chunks of at least m tokens unless it is the last one. Where
memory does not hold the weights, the step stays plain.
"""

import numpy as np

# The paper's alpha, m and lambda.
CAPACITY = 1.1  # tune: float 1.0 2.0
FEWEST_TOKENS = 8192  # tune: int 1 16384 log
IMBALANCE = 1.3  # tune: float 1.0 4.0


def at_owners(load: np.ndarray, owner: np.ndarray) -> np.ndarray:
    """All tokens at the owners of their experts: tokens (experts, gpus)."""
    plan = np.zeros(load.shape, dtype=np.int64)
    plan[np.arange(len(owner)), owner] = load.sum(axis=1)
    return plan


def is_balanced(plan: np.ndarray) -> bool:
    """Whether the busiest GPU has less than IMBALANCE times the mean load."""
    gpu_load = plan.sum(axis=0)
    return bool(gpu_load.max() < IMBALANCE * gpu_load.mean())


def spill(plan: np.ndarray, owner: np.ndarray) -> np.ndarray:
    """Move what exceeds a GPU's capacity to the least loaded GPUs, heaviest experts first: tokens (experts, gpus)."""
    plan = plan.copy()
    tokens = plan.sum(axis=1)
    # What a GPU has and will have: chunks assigned so far, and its own experts that are still to come.
    gpu_load = plan.sum(axis=0)
    capacity = int(np.ceil(CAPACITY * tokens.sum() / len(gpu_load)))
    for expert in np.argsort(-tokens, kind="stable"):
        home = owner[expert]
        excess = min(gpu_load[home] - capacity, tokens[expert])
        if excess <= 0:
            continue
        plan[expert, home] -= excess
        gpu_load[home] -= excess
        others = [gpu for gpu in np.argsort(gpu_load, kind="stable") if gpu != home]
        for gpu in others:
            chunk = min(excess, capacity - gpu_load[gpu])
            if chunk <= 0 or (chunk < FEWEST_TOKENS and chunk < excess):
                continue
            plan[expert, gpu] += chunk
            gpu_load[gpu] += chunk
            excess -= chunk
        # Nobody has room for a chunk worth sending: who had the least load before takes the rest, room or not.
        if excess > 0:
            plan[expert, others[0]] += excess
            gpu_load[others[0]] += excess
    return plan


def foreign_experts(plan: np.ndarray, owner: np.ndarray) -> np.ndarray:
    """Which experts every GPU must be sent: bool (experts, gpus)."""
    foreign = plan > 0
    foreign[np.arange(len(owner)), owner] = False
    return foreign


def fits(plan: np.ndarray, owner: np.ndarray, hardware: np.ndarray) -> bool:
    """Whether every GPU has the memory for its activations and for the weights that it does not own."""
    expert_mib, token_mib, memory_mib = hardware[8:11]
    used = expert_mib * foreign_experts(plan, owner).sum(axis=0) + token_mib * plan.sum(axis=0)
    return bool((used <= memory_mib).all())


def dispatch(load: np.ndarray, owner: np.ndarray, num_gpus: int, num_nodes: int, hardware: np.ndarray) -> np.ndarray:
    """Plan one step: tokens of every expert on every GPU, int32 (experts, gpus)."""
    plan = at_owners(load, owner)
    if num_gpus > 1 and not is_balanced(plan):
        spilt = spill(plan, owner)
        if fits(spilt, owner, hardware):
            plan = spilt
    return plan.astype(np.int32)
