"""Several tokens a program, every row inside one warp; logit and expert packed into one integer, k maxima of those.

Source: ours. A bf16 logit has 16 bits, so that its order and the expert's number fit one int32: a single integer
maximum finds both, no two are equal, and the hardware reduces integers over a warp in one instruction. The next best
is the nearest below the best: nothing has to be struck out, and adding and comparing are one instruction.
"""

import torch
import triton
import triton.language as tl

# Logits in each thread's registers, and warps of a program, for many tokens and for few.
ITEMS = 8  # tune: choice 4 8 16 32
WARPS = 4  # tune: choice 1 2 4 8
FEW_ITEMS = 4  # tune: choice 4 8 16
FEW_WARPS = 1  # tune: choice 1 2 4
# Up to so many logits count as few.
FEW = 65536  # tune: int 4096 1048576 log


@triton.jit
def _gate(
    logits,
    weights,
    ids,
    tokens,
    EXPERTS: tl.constexpr,
    K: tl.constexpr,
    COLUMNS: tl.constexpr,
    SLOTS: tl.constexpr,
    ROWS: tl.constexpr,
):
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    columns = tl.arange(0, COLUMNS)
    inside = (rows < tokens)[:, None] & (columns < EXPERTS)[None, :]
    x = tl.load(logits + rows[:, None] * EXPERTS + columns[None, :], mask=inside, other=float("-inf")).to(tl.float32)

    # The upper half of the bits is the bf16 number. As integers negative numbers are ordered the other way round: flip
    # them. Twelve bits below number the expert, and 28 bits with a sign leave room for differences.
    bits = x.to(tl.int32, bitcast=True) >> 16
    keys = ((bits ^ ((bits >> 31) & 0x7FFF)) << 12) | (4095 - columns)[None, :]

    slots = tl.arange(0, SLOTS)
    top = tl.zeros([ROWS, SLOTS], dtype=tl.int32)
    best = tl.max(keys, axis=1)
    first = best
    for j in tl.static_range(K):
        top = tl.where((slots == j)[None, :], best[:, None], top)
        if j + 1 < K:
            # What lies below the best has a negative difference: as unsigned numbers the largest, the nearest first.
            below = tl.max((keys - best[:, None]).to(tl.uint32, bitcast=True), axis=1)
            best += below.to(tl.int32, bitcast=True)

    first = first >> 12
    peak = ((first ^ ((first >> 31) & 0x7FFF)) << 16).to(tl.float32, bitcast=True)
    total = tl.sum(tl.exp2((x - peak[:, None]) * 1.4426950408889634), axis=1)
    value = top >> 12
    value = ((value ^ ((value >> 31) & 0x7FFF)) << 16).to(tl.float32, bitcast=True)
    score = tl.exp2((value - peak[:, None]) * 1.4426950408889634) / total[:, None]

    place = rows[:, None] * K + slots[None, :]
    wanted = (rows < tokens)[:, None] & (slots < K)[None, :]
    tl.store(weights + place, score, mask=wanted)
    tl.store(ids + place, 4095 - (top & 4095), mask=wanted)


def topk_gating(logits, k):
    """Softmax scores of the k best experts of each token, falling, and the experts' numbers."""
    tokens, experts = logits.shape
    weights = torch.empty((tokens, k), dtype=torch.float32, device=logits.device)
    ids = torch.empty((tokens, k), dtype=torch.int32, device=logits.device)
    columns = triton.next_power_of_2(experts)
    few = tokens * experts <= FEW
    items = FEW_ITEMS if few else ITEMS
    warps = FEW_WARPS if few else WARPS
    # A row of more than 256 logits would be spread over several warps.
    if columns > 256:
        warps = 1
    rows = max(1, items * 32 * warps // columns)
    # As many slots as threads share a row: then a thread keeps its slot without asking the others. A thread loads at
    # most 16 bytes at once, and no more than what the start of every row is aligned to.
    per_thread = max(1, min(8, rows * columns // (32 * warps), experts & -experts))
    slots = max(triton.next_power_of_2(k), columns // per_thread)
    _gate[(triton.cdiv(tokens, rows),)](
        logits,
        weights,
        ids,
        tokens,
        EXPERTS=experts,
        K=k,
        COLUMNS=columns,
        SLOTS=slots,
        ROWS=rows,
        num_warps=warps,
    )
    return weights, ids
