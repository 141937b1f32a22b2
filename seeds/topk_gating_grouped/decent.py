"""A row inside one warp; scores of all experts choose the groups, then only the kept groups' logits are read again.

Source: ours. Half of the experts or more fall with their groups: read again, from the cache, the others take half of
the registers, and k rounds of "maximum, its expert, strike it out" cost half. Keys are integers in the order of the
biased scores, since the hardware reduces integers over a warp in one instruction.
"""

import torch
import triton
import triton.language as tl

# Logits in each thread's registers, and warps of a program where there are no groups, for many tokens and for few.
ITEMS = 8  # tune: choice 4 8 16
WARPS = 4  # tune: choice 1 2 4 8
FEW_ITEMS = 8  # tune: choice 4 8 16
FEW_WARPS = 1  # tune: choice 1 2 4
# Up to so many logits count as few.
FEW = 65536  # tune: int 4096 1048576 log


@triton.jit
def _sigmoid(x):
    return 1.0 / (1.0 + tl.exp2(x * -1.4426950408889634))


@triton.jit
def _two_best(scores, ROWS: tl.constexpr, PLACES: tl.constexpr, WIDTH: tl.constexpr, PAIRINGS: tl.constexpr):
    """Sum of the two largest of each group's scores [ROWS, PLACES, WIDTH]."""
    best, other = scores, tl.full([ROWS, PLACES, WIDTH], float("-inf"), dtype=tl.float32)
    # What one thread holds is paired in its registers: the better of two, and the best of those that lost.
    for step in tl.static_range(PAIRINGS):
        a, b = tl.split(tl.reshape(best, [ROWS, PLACES, WIDTH >> (step + 1), 2]))
        c, d = tl.split(tl.reshape(other, [ROWS, PLACES, WIDTH >> (step + 1), 2]))
        best, other = tl.maximum(a, b), tl.maximum(tl.minimum(a, b), tl.maximum(c, d))
    # The second is the best of another thread, or what lost to the first within its own.
    first = tl.max(best, axis=2)
    within = tl.arange(0, WIDTH >> PAIRINGS)[None, None, :]
    at = tl.min(tl.where(best == first[:, :, None], within, WIDTH), axis=2)
    return first + tl.max(tl.where(within == at[:, :, None], other, best), axis=2)


@triton.jit
def _biased(logits, bias, rows, tokens, experts, real, EXPERTS: tl.constexpr):
    x = tl.load(logits + rows[:, None] * EXPERTS + experts, mask=(rows < tokens)[:, None] & real, other=0.0)
    return tl.where(real, _sigmoid(x.to(tl.float32)) + tl.load(bias + experts, mask=real, other=0.0), float("-inf"))


@triton.jit
def _gate(
    logits,
    bias,
    weights,
    ids,
    tokens,
    EXPERTS: tl.constexpr,
    K: tl.constexpr,
    GROUPS: tl.constexpr,
    TOP_GROUPS: tl.constexpr,
    SIZE: tl.constexpr,
    PLACES: tl.constexpr,
    KEPT: tl.constexpr,
    WIDTH: tl.constexpr,
    PAIRINGS: tl.constexpr,
    SLOTS: tl.constexpr,
    ROWS: tl.constexpr,
):
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    within = tl.arange(0, WIDTH)
    kept = tl.arange(0, KEPT)

    # First expert of every kept group, [ROWS, KEPT].
    first = tl.zeros([ROWS, KEPT], dtype=tl.int32)
    if GROUPS > 1:
        places = tl.arange(0, PLACES)
        experts = tl.reshape(places[:, None] * SIZE + within[None, :], [1, PLACES * WIDTH])
        real = tl.reshape((places < GROUPS)[:, None] & (within < SIZE)[None, :], [1, PLACES * WIDTH])
        scores = tl.reshape(_biased(logits, bias, rows, tokens, experts, real, EXPERTS), [ROWS, PLACES, WIDTH])
        score = _two_best(scores, ROWS, PLACES, WIDTH, PAIRINGS)
        mine, other = score[:, :, None], score[:, None, :]
        ahead = (other > mine) | ((other == mine) & (places[None, :] < places[:, None])[None, :, :])
        rank = tl.sum(ahead.to(tl.int32), axis=2)
        starts = tl.where(rank[:, None, :] == kept[None, :, None], (places * SIZE)[None, None, :], 0)
        first = tl.sum(starts, axis=2)

    experts = tl.reshape(first[:, :, None] + within[None, None, :], [ROWS, KEPT * WIDTH])
    real = tl.reshape((kept < TOP_GROUPS)[:, None] & (within < SIZE)[None, :], [1, KEPT * WIDTH])
    bits = _biased(logits, bias, rows, tokens, experts, real, EXPERTS).to(tl.int32, bitcast=True)
    # As integers negative numbers are ordered the other way round: flip them.
    keys = bits ^ ((bits >> 31) & 0x7FFFFFFF)

    slots = tl.arange(0, SLOTS)
    top = tl.zeros([ROWS, SLOTS], dtype=tl.int32)
    for j in tl.static_range(K):
        best_key = tl.max(keys, axis=1)
        expert = tl.min(tl.where(keys == best_key[:, None], experts, EXPERTS), axis=1)
        top = tl.where((slots == j)[None, :], expert[:, None], top)
        if j + 1 < K:
            keys = tl.where(experts == expert[:, None], -2147483648, keys)

    wanted = (rows < tokens)[:, None] & (slots < K)[None, :]
    score = _sigmoid(tl.load(logits + rows[:, None] * EXPERTS + top, mask=wanted, other=0.0).to(tl.float32))
    total = tl.sum(tl.where((slots < K)[None, :], score, 0.0), axis=1)
    place = rows[:, None] * K + slots[None, :]
    tl.store(weights + place, score / total[:, None], mask=wanted)
    tl.store(ids + place, top, mask=wanted)


def topk_gating_grouped(logits, bias, k, groups, top_groups):
    """Shares of the chosen experts' scores, and the experts, the best by biased score first."""
    tokens, experts = logits.shape
    weights = torch.empty((tokens, k), dtype=torch.float32, device=logits.device)
    ids = torch.empty((tokens, k), dtype=torch.int32, device=logits.device)
    size = experts // groups
    places, width = triton.next_power_of_2(groups), triton.next_power_of_2(size)
    few = tokens * experts <= FEW
    items = FEW_ITEMS if few else ITEMS
    warps = FEW_WARPS if few else WARPS
    # A row must not be spread over several warps, which groups and long rows would be.
    if groups > 1 or width > 256:
        warps = 1
    rows = max(1, items * 32 * warps // (places * width))
    _gate[(triton.cdiv(tokens, rows),)](
        logits,
        bias,
        weights,
        ids,
        tokens,
        EXPERTS=experts,
        K=k,
        GROUPS=groups,
        TOP_GROUPS=top_groups,
        SIZE=size,
        PLACES=places,
        KEPT=triton.next_power_of_2(top_groups),
        WIDTH=width,
        # Eight neighbours lie in one thread.
        PAIRINGS=min(3, width.bit_length() - 1),
        SLOTS=triton.next_power_of_2(k),
        ROWS=rows,
        num_warps=warps,
    )
    return weights, ids
