"""One chosen expert of one token a program: two sums of products over blocks of the weights, no matrix units.

Source: ours; the plainest kernels that are right. An expert that two tokens chose is read twice.
"""

import torch
import triton
import triton.language as tl

# Rows of the weights and numbers of each row at a time, and warps of a program.
ROWS = 32  # tune: choice 4 8 16 32 64
COLUMNS = 64  # tune: choice 16 32 64
WARPS = 4  # tune: choice 1 2 4 8


@triton.jit
def _up(
    x,
    w13,
    ids,
    h,
    HIDDEN: tl.constexpr,
    INNER: tl.constexpr,
    K: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    slot = tl.program_id(0)
    rows = tl.program_id(1) * ROWS + tl.arange(0, ROWS)
    first = w13 + tl.load(ids + slot).to(tl.int64) * (2 * INNER * HIDDEN)
    gate = tl.zeros([ROWS], dtype=tl.float32)
    up = tl.zeros([ROWS], dtype=tl.float32)
    for start in range(0, HIDDEN, COLUMNS):
        columns = start + tl.arange(0, COLUMNS)
        a = tl.load(x + slot // K * HIDDEN + columns).to(tl.float32)[None, :]
        places = first + rows[:, None] * HIDDEN + columns[None, :]
        gate += tl.sum(tl.load(places).to(tl.float32) * a, axis=1)
        up += tl.sum(tl.load(places + INNER * HIDDEN).to(tl.float32) * a, axis=1)
    tl.store(h + slot * INNER + rows, gate / (1 + tl.exp(-gate)) * up)


@triton.jit
def _down(
    h,
    w2,
    weights,
    ids,
    y,
    HIDDEN: tl.constexpr,
    INNER: tl.constexpr,
    K: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    token = tl.program_id(0)
    rows = tl.program_id(1) * ROWS + tl.arange(0, ROWS)
    total = tl.zeros([ROWS], dtype=tl.float32)
    for slot in range(token * K, token * K + K):
        first = w2 + tl.load(ids + slot).to(tl.int64) * (HIDDEN * INNER)
        part = tl.zeros([ROWS], dtype=tl.float32)
        for start in range(0, INNER, COLUMNS):
            columns = start + tl.arange(0, COLUMNS)
            b = tl.load(first + rows[:, None] * INNER + columns[None, :]).to(tl.float32)
            part += tl.sum(b * tl.load(h + slot * INNER + columns)[None, :], axis=1)
        total += part * tl.load(weights + slot)
    tl.store(y + token * HIDDEN + rows, total.to(y.dtype.element_ty))


def moe_decode(x, w13, w2, weights, ids):
    """Every token's weighted sum of its experts' outputs."""
    tokens, k = ids.shape
    hidden, inner = w2.shape[1:]
    h = torch.empty((tokens * k, inner), dtype=torch.float32, device=x.device)
    y = torch.empty_like(x)
    sizes = {"HIDDEN": hidden, "INNER": inner, "K": k, "ROWS": ROWS, "COLUMNS": COLUMNS}
    _up[(tokens * k, inner // ROWS)](x, w13, ids, h, num_warps=WARPS, **sizes)
    _down[(tokens, hidden // ROWS)](h, w2, weights, ids, y, num_warps=WARPS, **sizes)
    return y
