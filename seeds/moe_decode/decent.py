"""Few tokens by sums of products in two launches, more by matrix units in three; SwiGLU within, no sorting before.

Source: ours. What takes time is reading the weights of the experts in use once, so everything else has to be little.
One token's experts differ, so its products need no matrix units: a program asks for whole rows of the weights at once,
and the second launch adds up all k experts. With more tokens every program reads all ids, counts the experts' rows and
finds the up to ROWS rows of one expert that are its own; the first launch writes them down for the second. Weights
that nobody asks for again are to leave the cache first.
"""

import torch
import triton
import triton.language as tl

# Up to so many tokens are few.
FEW = 1  # tune: int 0 4
# Few: rows of the gate's weights a program (as many of the other half), rows of w2, numbers of each at a time, warps.
FEW_UP_ROWS = 4  # tune: choice 1 2 4 8
FEW_UP_COLUMNS = 2048  # tune: choice 512 1024 2048
FEW_UP_WARPS = 8  # tune: choice 2 4 8
FEW_DOWN_ROWS = 4  # tune: choice 1 2 4 8
FEW_DOWN_COLUMNS = 1024  # tune: choice 256 512 1024
FEW_DOWN_WARPS = 4  # tune: choice 4 8
# Rows of tokens a program takes: the mean of an expert, times this, to the next power of two, from 16 to 64.
SPREAD = 2  # tune: choice 1 2 4
# 16 rows of tokens: rows of the gate's weights a program, numbers of each at a time, steps under way at once, warps;
# then those of w2.
UP_ROWS = 32  # tune: choice 16 32 64
UP_STEP = 128  # tune: choice 64 128
UP_STAGES = 4  # tune: choice 2 3 4 5
UP_WARPS = 4  # tune: choice 2 4 8
DOWN_ROWS = 64  # tune: choice 32 64 128
DOWN_STEP = 128  # tune: choice 64 128
DOWN_STAGES = 4  # tune: choice 2 3 4 5
DOWN_WARPS = 4  # tune: choice 2 4 8
# The same for 32 or 64 rows of tokens.
BUSY_UP_ROWS = 64  # tune: choice 32 64 128
BUSY_UP_STEP = 64  # tune: choice 32 64
BUSY_UP_STAGES = 3  # tune: choice 2 3 4
BUSY_UP_WARPS = 4  # tune: choice 4 8
BUSY_DOWN_ROWS = 128  # tune: choice 64 128 256
BUSY_DOWN_STEP = 64  # tune: choice 32 64
BUSY_DOWN_STAGES = 3  # tune: choice 2 3 4
BUSY_DOWN_WARPS = 4  # tune: choice 4 8
# Columns of a program that adds up a token's rows.
SUM_COLUMNS = 512  # tune: choice 128 256 512 1024


@triton.jit
def _up_few(
    x,
    w13,
    ids,
    h,
    HIDDEN: tl.constexpr,
    INNER: tl.constexpr,
    K: tl.constexpr,
    SLOTS: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    # Programs beside each other take the same rows for all slots: who shares an expert finds it in the cache.
    program = tl.program_id(0)
    slot = program % SLOTS
    rows = program // SLOTS * ROWS + tl.arange(0, ROWS)
    columns = tl.arange(0, COLUMNS)
    places = w13 + tl.load(ids + slot).to(tl.int64) * (2 * INNER * HIDDEN) + rows[:, None] * HIDDEN + columns[None, :]
    gate = tl.zeros([ROWS, COLUMNS], dtype=tl.float32)
    up = tl.zeros([ROWS, COLUMNS], dtype=tl.float32)
    for start in range(0, HIDDEN, COLUMNS):
        inside = start + columns < HIDDEN
        g = tl.load(places + start, mask=inside[None, :], other=0.0, eviction_policy="evict_first")
        u = tl.load(places + INNER * HIDDEN + start, mask=inside[None, :], other=0.0, eviction_policy="evict_first")
        a = tl.load(x + slot // K * HIDDEN + start + columns, mask=inside, other=0.0).to(tl.float32)
        gate += g.to(tl.float32) * a[None, :]
        up += u.to(tl.float32) * a[None, :]
    gate = tl.sum(gate, axis=1)
    tl.store(h + slot * INNER + rows, gate / (1 + tl.exp(-gate)) * tl.sum(up, axis=1))


@triton.jit
def _down_few(
    h,
    w2,
    weights,
    ids,
    y,
    HIDDEN: tl.constexpr,
    INNER: tl.constexpr,
    K: tl.constexpr,
    TOKENS: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    program = tl.program_id(0)
    token = program % TOKENS
    rows = program // TOKENS * ROWS + tl.arange(0, ROWS)
    columns = tl.arange(0, COLUMNS)
    total = tl.zeros([ROWS, COLUMNS], dtype=tl.float32)
    for j in tl.static_range(K):
        slot = token * K + j
        places = w2 + tl.load(ids + slot).to(tl.int64) * (HIDDEN * INNER) + rows[:, None] * INNER + columns[None, :]
        weight = tl.load(weights + slot)
        for start in range(0, INNER, COLUMNS):
            inside = start + columns < INNER
            b = tl.load(places + start, mask=inside[None, :], other=0.0, eviction_policy="evict_first")
            a = tl.load(h + slot * INNER + start + columns, mask=inside, other=0.0) * weight
            total += b.to(tl.float32) * a[None, :]
    tl.store(y + token * HIDDEN + rows, tl.sum(total, axis=1).to(y.dtype.element_ty))


@triton.jit
def _find(
    ids,
    part,
    tokens,
    K: tl.constexpr,
    TOKENS: tl.constexpr,
    CHOICES: tl.constexpr,
    BINS: tl.constexpr,
    ROWS: tl.constexpr,
):
    """Expert and slots of a part, where each expert in use has a part for every ROWS slots; -1 for none."""
    slot = tl.arange(0, TOKENS * CHOICES)
    chosen = tl.load(ids + slot, mask=slot < tokens * K, other=0)
    counts = tl.histogram(chosen, BINS, mask=slot < tokens * K)
    parts = (counts + ROWS - 1) // ROWS
    ends = tl.cumsum(parts, axis=0)
    expert = tl.sum((ends <= part).to(tl.int32), axis=0)
    before = tl.sum(tl.where(tl.arange(0, BINS) < expert, parts, 0), axis=0)

    # No token chooses an expert twice.
    token = tl.arange(0, TOKENS)
    slots = token[:, None] * K + tl.arange(0, CHOICES)[None, :]
    there = (token < tokens)[:, None] & (tl.arange(0, CHOICES) < K)[None, :]
    mine = tl.load(ids + slots, mask=there, other=-1) == expert
    slot = tl.max(tl.where(mine, slots, -1), axis=1)
    place = tl.cumsum((slot >= 0).to(tl.int32), axis=0) - 1 - (part - before) * ROWS
    here = (place[:, None] == tl.arange(0, ROWS)[None, :]) & (slot >= 0)[:, None]
    return tl.where(expert < BINS, expert, -1), tl.max(tl.where(here, slot[:, None], -1), axis=0)


@triton.jit
def _up(
    x,
    w13,
    ids,
    h,
    experts,
    slots,
    tokens,
    HIDDEN: tl.constexpr,
    INNER: tl.constexpr,
    K: tl.constexpr,
    TOKENS: tl.constexpr,
    CHOICES: tl.constexpr,
    BINS: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    STEP: tl.constexpr,
    HINT: tl.constexpr,
):
    part = tl.program_id(0) // (INNER // COLUMNS)
    block = tl.program_id(0) % (INNER // COLUMNS)
    expert, slot = _find(ids, part, tokens, K, TOKENS, CHOICES, BINS, ROWS)
    places = part * ROWS + tl.arange(0, ROWS)
    if block == 0:
        tl.store(experts + part, expert)
        tl.store(slots + places, slot)
    if expert >= 0:
        columns = block * COLUMNS + tl.arange(0, COLUMNS)
        step = tl.arange(0, STEP)
        taken = (slot >= 0)[:, None]
        a_places = x + tl.maximum(slot, 0)[:, None] // K * HIDDEN + step[None, :]
        g_places = w13 + expert.to(tl.int64) * (2 * INNER * HIDDEN) + columns[None, :] * HIDDEN + step[:, None]
        u_places = g_places + INNER * HIDDEN
        gate = tl.zeros([ROWS, COLUMNS], dtype=tl.float32)
        up = tl.zeros([ROWS, COLUMNS], dtype=tl.float32)
        for start in range(0, HIDDEN, STEP):
            a = tl.load(a_places + start, mask=taken, other=0.0)
            gate = tl.dot(a, tl.load(g_places + start, eviction_policy=HINT), gate)
            up = tl.dot(a, tl.load(u_places + start, eviction_policy=HINT), up)
        inner = gate / (1 + tl.exp(-gate)) * up
        tl.store(h + places[:, None] * INNER + columns[None, :], inner.to(h.dtype.element_ty))


@triton.jit
def _down(
    h,
    w2,
    weights,
    experts,
    slots,
    out,
    HIDDEN: tl.constexpr,
    INNER: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    STEP: tl.constexpr,
    HINT: tl.constexpr,
):
    part = tl.program_id(0) // (HIDDEN // COLUMNS)
    block = tl.program_id(0) % (HIDDEN // COLUMNS)
    expert = tl.load(experts + part)
    if expert >= 0:
        places = part * ROWS + tl.arange(0, ROWS)
        columns = block * COLUMNS + tl.arange(0, COLUMNS)
        step = tl.arange(0, STEP)
        a_places = h + places[:, None] * INNER + step[None, :]
        b_places = w2 + expert.to(tl.int64) * (HIDDEN * INNER) + columns[None, :] * INNER + step[:, None]
        slot = tl.load(slots + places)
        weight = tl.load(weights + slot, mask=slot >= 0, other=0.0)
        total = tl.zeros([ROWS, COLUMNS], dtype=tl.float32)
        for start in range(0, INNER, STEP):
            b = tl.load(b_places + start, eviction_policy=HINT)
            total = tl.dot(tl.load(a_places + start), b, total)
        tl.store(out + slot[:, None] * HIDDEN + columns[None, :], total * weight[:, None], mask=(slot >= 0)[:, None])


@triton.jit
def _sum(out, y, HIDDEN: tl.constexpr, K: tl.constexpr, COLUMNS: tl.constexpr):
    token = tl.program_id(0)
    columns = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    inside = columns < HIDDEN
    total = tl.zeros([COLUMNS], dtype=tl.float32)
    for j in tl.static_range(K):
        total += tl.load(out + (token * K + j) * HIDDEN + columns, mask=inside, other=0.0)
    tl.store(y + token * HIDDEN + columns, total.to(y.dtype.element_ty), mask=inside)


def _few(x, w13, w2, weights, ids, y):
    tokens, k = ids.shape
    hidden, inner = w2.shape[1:]
    h = torch.empty((tokens * k, inner), dtype=torch.float32, device=x.device)
    _up_few[(tokens * k * (inner // FEW_UP_ROWS),)](
        x,
        w13,
        ids,
        h,
        HIDDEN=hidden,
        INNER=inner,
        K=k,
        SLOTS=tokens * k,
        ROWS=FEW_UP_ROWS,
        COLUMNS=min(FEW_UP_COLUMNS, triton.next_power_of_2(hidden)),
        num_warps=FEW_UP_WARPS,
    )
    _down_few[(tokens * (hidden // FEW_DOWN_ROWS),)](
        h,
        w2,
        weights,
        ids,
        y,
        HIDDEN=hidden,
        INNER=inner,
        K=k,
        TOKENS=tokens,
        ROWS=FEW_DOWN_ROWS,
        COLUMNS=min(FEW_DOWN_COLUMNS, triton.next_power_of_2(inner)),
        num_warps=FEW_DOWN_WARPS,
    )


def _fit(most, length):
    """The largest power of two up to the first that divides the second."""
    return min(most, length & -length)


def moe_decode(x, w13, w2, weights, ids):
    """Every token's weighted sum of its experts' outputs."""
    tokens, k = ids.shape
    hidden, inner = w2.shape[1:]
    y = torch.empty_like(x)
    if 0 < tokens <= FEW:
        _few(x, w13, w2, weights, ids, y)
        return y
    used = min(w2.shape[0], tokens * k)
    rows = min(max(16, triton.next_power_of_2(triton.cdiv(SPREAD * tokens * k, w2.shape[0]))), 64)
    parts = used + (tokens * k - used) // rows
    experts = torch.empty((parts,), dtype=torch.int32, device=x.device)
    slots = torch.empty((parts * rows,), dtype=torch.int32, device=x.device)
    h = torch.empty((parts * rows, inner), dtype=x.dtype, device=x.device)
    out = torch.empty((tokens * k, hidden), dtype=torch.float32, device=x.device)
    # Weights are read once, but by the parts of an expert that has several.
    busy = rows > 16
    hint = "" if busy else "evict_first"
    columns = _fit(BUSY_UP_ROWS if busy else UP_ROWS, inner)
    _up[(parts * (inner // columns),)](
        x,
        w13,
        ids,
        h,
        experts,
        slots,
        tokens,
        HIDDEN=hidden,
        INNER=inner,
        K=k,
        TOKENS=triton.next_power_of_2(max(tokens, 1)),
        CHOICES=triton.next_power_of_2(k),
        BINS=triton.next_power_of_2(w2.shape[0]),
        ROWS=rows,
        COLUMNS=columns,
        STEP=_fit(BUSY_UP_STEP if busy else UP_STEP, hidden),
        HINT=hint,
        num_warps=BUSY_UP_WARPS if busy else UP_WARPS,
        num_stages=BUSY_UP_STAGES if busy else UP_STAGES,
    )
    columns = _fit(BUSY_DOWN_ROWS if busy else DOWN_ROWS, hidden)
    _down[(parts * (hidden // columns),)](
        h,
        w2,
        weights,
        experts,
        slots,
        out,
        HIDDEN=hidden,
        INNER=inner,
        ROWS=rows,
        COLUMNS=columns,
        STEP=_fit(BUSY_DOWN_STEP if busy else DOWN_STEP, inner),
        HINT=hint,
        num_warps=BUSY_DOWN_WARPS if busy else DOWN_WARPS,
        num_stages=BUSY_DOWN_STAGES if busy else DOWN_STAGES,
    )
    _add(out, y, hidden, k)
    return y


def _add(out, y, hidden, k):
    columns = min(SUM_COLUMNS, triton.next_power_of_2(hidden))
    grid = (y.shape[0], triton.cdiv(hidden, columns))
    _sum[grid](out, y, HIDDEN=hidden, K=k, COLUMNS=columns, num_warps=columns // 128 or 1)
