"""A list of each expert's rows, then a program for each of its blocks of rows and of columns, far more than needed.

Source: ours; the plainest kernels that are right and use the matrix units. An expert's list has room for all tokens.
"""

import torch
import triton
import triton.language as tl

# Tokens, columns of a result and numbers of a sum at a time, and warps of a program.
ROWS = 64  # tune: choice 16 32 64
COLUMNS = 64  # tune: choice 16 32 64
STEP = 64  # tune: choice 16 32 64
WARPS = 4  # tune: choice 4 8


@triton.jit
def _list(ids, slots, counts, tokens, K: tl.constexpr, IDS: tl.constexpr):
    expert = tl.program_id(0)
    count = 0
    for start in range(0, tokens * K, IDS):
        slot = start + tl.arange(0, IDS)
        mine = (tl.load(ids + slot, mask=slot < tokens * K, other=-1) == expert).to(tl.int32)
        tl.store(slots + expert * tokens + count + tl.cumsum(mine, axis=0) - 1, slot, mask=mine > 0)
        count += tl.sum(mine, axis=0)
    tl.store(counts + expert, count)


@triton.jit
def _up(
    x,
    w13,
    slots,
    counts,
    h,
    tokens,
    HIDDEN: tl.constexpr,
    INNER: tl.constexpr,
    K: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    STEP: tl.constexpr,
):
    expert = tl.program_id(2)
    place = tl.program_id(1) * ROWS + tl.arange(0, ROWS)
    count = tl.load(counts + expert)
    if tl.program_id(1) * ROWS < count:
        there = (place < count)[:, None]
        slot = tl.load(slots + expert * tokens + place, mask=place < count, other=0)
        columns = tl.program_id(0) * COLUMNS + tl.arange(0, COLUMNS)
        first = w13 + expert.to(tl.int64) * (2 * INNER * HIDDEN)
        gate = tl.zeros([ROWS, COLUMNS], dtype=tl.float32)
        up = tl.zeros([ROWS, COLUMNS], dtype=tl.float32)
        for start in range(0, HIDDEN, STEP):
            step = start + tl.arange(0, STEP)
            a = tl.load(x + slot[:, None] // K * HIDDEN + step[None, :], mask=there, other=0.0)
            places = first + columns[None, :] * HIDDEN + step[:, None]
            gate = tl.dot(a, tl.load(places), gate)
            up = tl.dot(a, tl.load(places + INNER * HIDDEN), up)
        inner = gate / (1 + tl.exp(-gate)) * up
        tl.store(h + slot[:, None] * INNER + columns[None, :], inner.to(h.dtype.element_ty), mask=there)


@triton.jit
def _down(
    h,
    w2,
    weights,
    slots,
    counts,
    out,
    tokens,
    HIDDEN: tl.constexpr,
    INNER: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    STEP: tl.constexpr,
):
    expert = tl.program_id(2)
    place = tl.program_id(1) * ROWS + tl.arange(0, ROWS)
    count = tl.load(counts + expert)
    if tl.program_id(1) * ROWS < count:
        there = (place < count)[:, None]
        slot = tl.load(slots + expert * tokens + place, mask=place < count, other=0)
        columns = tl.program_id(0) * COLUMNS + tl.arange(0, COLUMNS)
        first = w2 + expert.to(tl.int64) * (HIDDEN * INNER)
        total = tl.zeros([ROWS, COLUMNS], dtype=tl.float32)
        for start in range(0, INNER, STEP):
            step = start + tl.arange(0, STEP)
            a = tl.load(h + slot[:, None] * INNER + step[None, :], mask=there, other=0.0)
            total = tl.dot(a, tl.load(first + columns[None, :] * INNER + step[:, None]), total)
        total *= tl.load(weights + slot)[:, None]
        tl.store(out + slot.to(tl.int64)[:, None] * HIDDEN + columns[None, :], total, mask=there)


@triton.jit
def _sum(out, y, HIDDEN: tl.constexpr, K: tl.constexpr, COLUMNS: tl.constexpr):
    token = tl.program_id(0).to(tl.int64)
    columns = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    total = tl.zeros([COLUMNS], dtype=tl.float32)
    for slot in range(token * K, token * K + K):
        total += tl.load(out + slot * HIDDEN + columns)
    tl.store(y + token * HIDDEN + columns, total.to(y.dtype.element_ty))


def moe_prefill(x, w13, w2, weights, ids):
    """Every token's weighted sum of its experts' outputs."""
    tokens, k = ids.shape
    count, hidden, inner = w2.shape
    slots = torch.empty((count, tokens), dtype=torch.int32, device=x.device)
    counts = torch.empty((count,), dtype=torch.int32, device=x.device)
    h = torch.empty((tokens * k, inner), dtype=x.dtype, device=x.device)
    out = torch.empty((tokens * k, hidden), dtype=torch.float32, device=x.device)
    y = torch.empty_like(x)
    sizes = {"HIDDEN": hidden, "INNER": inner, "ROWS": ROWS, "COLUMNS": COLUMNS, "STEP": STEP, "num_warps": WARPS}
    blocks = triton.cdiv(tokens, ROWS)
    _list[(count,)](ids, slots, counts, tokens, K=k, IDS=1024, num_warps=WARPS)
    _up[(inner // COLUMNS, blocks, count)](x, w13, slots, counts, h, tokens, K=k, **sizes)
    _down[(hidden // COLUMNS, blocks, count)](h, w2, weights, slots, counts, out, tokens, **sizes)
    _sum[(tokens, hidden // COLUMNS)](out, y, HIDDEN=hidden, K=k, COLUMNS=COLUMNS, num_warps=1)
    return y
