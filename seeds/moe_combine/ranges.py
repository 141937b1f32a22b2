"""As `decent`, with settings of their own for four ranges of work.

Source: ours. Rows are read once and never again, so that the cache is told to let them go first: what is written then
stays in the cache and need not wait for memory.
"""

import torch
import triton
import triton.language as tl

# Columns and warps of a program: for much work with many rows a token and with few, for some, and for little.
COLUMNS = 1024  # tune: choice 512 1024 2048 4096
WARPS = 4  # tune: choice 2 4 8
PAIR_COLUMNS = 1024  # tune: choice 512 1024 2048 4096
PAIR_WARPS = 4  # tune: choice 1 2 4 8
SOME_COLUMNS = 1024  # tune: choice 256 512 1024 2048 4096
SOME_WARPS = 4  # tune: choice 1 2 4 8
FEW_COLUMNS = 256  # tune: choice 64 128 256 512 1024
FEW_WARPS = 1  # tune: choice 1 2 4
# Up to so many results count as little work, and as some; up to so many rows a token are few.
FEW = 262144
SOME = 8388608
PAIR = 3


@triton.jit
def _combine(
    expert_out,
    row_of,
    weights,
    y,
    HIDDEN: tl.constexpr,
    K: tl.constexpr,
    PARTS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    program = tl.program_id(0)
    token = program // PARTS
    columns = program % PARTS * COLUMNS + tl.arange(0, COLUMNS)
    inside = columns < HIDDEN
    total = tl.zeros([COLUMNS], dtype=tl.float32)
    for j in tl.static_range(K):
        row = tl.load(row_of + token * K + j).to(tl.int64)
        weight = tl.load(weights + token * K + j)
        x = tl.load(expert_out + row * HIDDEN + columns, mask=inside, other=0.0, eviction_policy="evict_first")
        total += x.to(tl.float32) * weight
    tl.store(y + token.to(tl.int64) * HIDDEN + columns, total.to(y.dtype.element_ty), mask=inside)


def moe_combine(expert_out, row_of, weights):
    """Every token's weighted sum of its k rows."""
    tokens, k = row_of.shape
    hidden = expert_out.shape[1]
    y = torch.empty((tokens, hidden), dtype=expert_out.dtype, device=expert_out.device)
    if tokens * hidden <= FEW:
        columns, warps = FEW_COLUMNS, FEW_WARPS
    elif tokens * hidden <= SOME:
        columns, warps = SOME_COLUMNS, SOME_WARPS
    elif k <= PAIR:
        columns, warps = PAIR_COLUMNS, PAIR_WARPS
    else:
        columns, warps = COLUMNS, WARPS
    columns = min(columns, triton.next_power_of_2(hidden))
    parts = triton.cdiv(hidden, columns)
    _combine[(tokens * parts,)](
        expert_out,
        row_of,
        weights,
        y,
        HIDDEN=hidden,
        K=k,
        PARTS=parts,
        COLUMNS=columns,
        num_warps=warps,
    )
    return y
