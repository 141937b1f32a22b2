"""A few threads a row: each sorts what it holds, its best eight, and the row's best are taken from the lists' heads.

Source: ours. A bf16 number leaves the lower half of a float32 free for the expert's number, so that one float maximum
finds both. Sorting networks and Batcher's bitonic merges (1968) need no exchange between threads; the heads of a row's
lists are compared in k rounds, and whose head was taken moves up.
"""

import torch
import triton
import triton.language as tl

# Threads that share a row, and warps of a program, where lists are sorted: for many rows and for few.
LANES = 4  # tune: choice 2 4 8 16
WARPS = 4  # tune: choice 1 2 4 8
# Where no lists are made: logits in each thread's registers, and warps, for many tokens and for few.
ITEMS = 8  # tune: choice 4 8 16 32
ITEMS_WARPS = 4  # tune: choice 1 2 4 8
FEW_ITEMS = 4  # tune: choice 4 8 16
FEW_WARPS = 1  # tune: choice 1 2 4
# Up to so many logits count as few.
FEW = 65536  # tune: int 4096 1048576 log


@triton.jit
def _swap(a, b):
    return tl.maximum(a, b), tl.minimum(a, b)


@triton.jit
def _sort4(a, b, c, d):
    a, b = _swap(a, b)
    c, d = _swap(c, d)
    a, c = _swap(a, c)
    b, d = _swap(b, d)
    b, c = _swap(b, c)
    return a, b, c, d


@triton.jit
def _merge4(a, b, c, d):
    """Sort what rises and then falls, or the other way round."""
    a, c = _swap(a, c)
    b, d = _swap(b, d)
    a, b = _swap(a, b)
    c, d = _swap(c, d)
    return a, b, c, d


@triton.jit
def _merge8(a, b, c, d, e, f, g, h):
    a, e = _swap(a, e)
    b, f = _swap(b, f)
    c, g = _swap(c, g)
    d, h = _swap(d, h)
    a, b, c, d = _merge4(a, b, c, d)
    e, f, g, h = _merge4(e, f, g, h)
    return a, b, c, d, e, f, g, h


@triton.jit
def _sort8(a, b, c, d, e, f, g, h):
    a, b, c, d = _sort4(a, b, c, d)
    e, f, g, h = _sort4(e, f, g, h)
    # Batcher's odd-even merge: 9 exchanges.
    a, e = _swap(a, e)
    b, f = _swap(b, f)
    c, g = _swap(c, g)
    d, h = _swap(d, h)
    c, e = _swap(c, e)
    d, f = _swap(d, f)
    b, c = _swap(b, c)
    d, e = _swap(d, e)
    f, g = _swap(f, g)
    return a, b, c, d, e, f, g, h


@triton.jit
def _pull4(x, ROWS: tl.constexpr, LANES: tl.constexpr):
    """Four columns of a thread as four tensors."""
    x, y = tl.split(tl.reshape(x, [ROWS, LANES, 2, 2]))
    a, c = tl.split(x)
    b, d = tl.split(y)
    return a, b, c, d


@triton.jit
def _pull8(x, ROWS: tl.constexpr, LANES: tl.constexpr):
    u, v = tl.split(tl.reshape(x, [ROWS, LANES, 4, 2]))
    a, c, e, g = _pull4(u, ROWS, LANES)
    b, d, f, h = _pull4(v, ROWS, LANES)
    return a, b, c, d, e, f, g, h


@triton.jit
def _ask(logits, rows, columns, tokens, EXPERTS: tl.constexpr, EVEN: tl.constexpr):
    inside = (rows < tokens)[:, None]
    if not EVEN:
        inside = inside & (columns < EXPERTS)[None, :]
    x = tl.load(logits + rows[:, None] * EXPERTS + columns[None, :], mask=inside, other=float("-inf")).to(tl.float32)
    key = (x.to(tl.int32, bitcast=True) | columns[None, :]).to(tl.float32, bitcast=True)
    if not EVEN:
        key = tl.where((columns < EXPERTS)[None, :], key, float("-inf"))
    return x, key


@triton.jit
def _ask8(
    logits, rows, start, tokens, EXPERTS: tl.constexpr, ROWS: tl.constexpr, LANES: tl.constexpr, WIDE: tl.constexpr
):
    """Eight logits for each thread and as many keys."""
    EVEN: tl.constexpr = EXPERTS % (8 * LANES) == 0
    if WIDE == 8:
        x, key = _ask(logits, rows, start + tl.arange(0, 8 * LANES), tokens, EXPERTS, EVEN)
        x = _pull8(x, ROWS, LANES)
        key = _pull8(key, ROWS, LANES)
    else:
        x, key = _ask(logits, rows, start + tl.arange(0, 4 * LANES), tokens, EXPERTS, EVEN)
        y, more = _ask(logits, rows, start + 4 * LANES + tl.arange(0, 4 * LANES), tokens, EXPERTS, EVEN)
        a, b, c, d = _pull4(x, ROWS, LANES)
        e, f, g, h = _pull4(y, ROWS, LANES)
        x = a, b, c, d, e, f, g, h
        a, b, c, d = _pull4(key, ROWS, LANES)
        e, f, g, h = _pull4(more, ROWS, LANES)
        key = a, b, c, d, e, f, g, h
    return x, key


@triton.jit
def _sum8(x, peak):
    a, b, c, d, e, f, g, h = x
    a = _exp(a, peak) + _exp(b, peak)
    c = _exp(c, peak) + _exp(d, peak)
    e = _exp(e, peak) + _exp(f, peak)
    g = _exp(g, peak) + _exp(h, peak)
    return (a + c) + (e + g)


@triton.jit
def _exp(x, peak):
    return tl.exp2((x - peak) * 1.4426950408889634)


@triton.jit
def _best(key, DEPTH: tl.constexpr):
    """The best of eight, sorted: all of them, or four."""
    a, b, c, d, e, f, g, h = key
    if DEPTH == 8:
        a, b, c, d, e, f, g, h = _sort8(a, b, c, d, e, f, g, h)
    else:
        a, b, c, d = _sort4(a, b, c, d)
        e, f, g, h = _sort4(e, f, g, h)
        a, b, c, d = _merge4(tl.maximum(a, h), tl.maximum(b, g), tl.maximum(c, f), tl.maximum(d, e))
    return a, b, c, d, e, f, g, h


@triton.jit
def _joined(one, other, DEPTH: tl.constexpr):
    """The best of two sorted lists, sorted."""
    a, b, c, d, e, f, g, h = one
    p, q, r, s, t, u, v, w = other
    if DEPTH == 8:
        a, b, c, d = tl.maximum(a, w), tl.maximum(b, v), tl.maximum(c, u), tl.maximum(d, t)
        e, f, g, h = tl.maximum(e, s), tl.maximum(f, r), tl.maximum(g, q), tl.maximum(h, p)
        a, b, c, d, e, f, g, h = _merge8(a, b, c, d, e, f, g, h)
    else:
        a, b, c, d = _merge4(tl.maximum(a, s), tl.maximum(b, r), tl.maximum(c, q), tl.maximum(d, p))
    return a, b, c, d, e, f, g, h


@triton.jit
def _gate_lists(
    logits,
    weights,
    ids,
    tokens,
    EXPERTS: tl.constexpr,
    K: tl.constexpr,
    CHUNKS: tl.constexpr,
    LANES: tl.constexpr,
    WIDE: tl.constexpr,
    DEPTH: tl.constexpr,
    SLOTS: tl.constexpr,
    ROWS: tl.constexpr,
):
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    x, key = _ask8(logits, rows, 0, tokens, EXPERTS, ROWS, LANES, WIDE)
    lists = _best(key, DEPTH)
    for i in tl.static_range(1, CHUNKS):
        y, key = _ask8(logits, rows, i * 8 * LANES, tokens, EXPERTS, ROWS, LANES, WIDE)
        lists = _joined(lists, _best(key, DEPTH), DEPTH)

    a, b, c, d, e, f, g, h = lists
    slots = tl.arange(0, SLOTS)
    top = tl.zeros([ROWS, SLOTS], dtype=tl.float32)
    best = tl.max(a, axis=1)
    first = best
    for j in tl.static_range(K):
        top = tl.where((slots == j)[None, :], best[:, None], top)
        if j + 1 < K:
            taken = a == best[:, None]
            a, b, c = tl.where(taken, b, a), tl.where(taken, c, b), tl.where(taken, d, c)
            if DEPTH == 8:
                d, e, f = tl.where(taken, e, d), tl.where(taken, f, e), tl.where(taken, g, f)
                g, h = tl.where(taken, h, g), tl.where(taken, float("-inf"), h)
            else:
                d = tl.where(taken, float("-inf"), d)
            best = tl.max(a, axis=1)

    peak = (first.to(tl.int32, bitcast=True) & -65536).to(tl.float32, bitcast=True)
    total = _sum8(x, peak[:, None])
    for i in tl.static_range(1, CHUNKS):
        y, key = _ask8(logits, rows, i * 8 * LANES, tokens, EXPERTS, ROWS, LANES, WIDE)
        total += _sum8(y, peak[:, None])
    total = tl.sum(total, axis=1)
    bits = top.to(tl.int32, bitcast=True)
    value = (bits & -65536).to(tl.float32, bitcast=True)
    score = _exp(value, peak[:, None]) / total[:, None]

    place = rows[:, None] * K + slots[None, :]
    wanted = (rows < tokens)[:, None] & (slots < K)[None, :]
    tl.store(weights + place, score, mask=wanted)
    tl.store(ids + place, bits & 65535, mask=wanted)


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
    few = tokens * experts <= FEW
    wide = min(8, experts & -experts)
    if k <= 8 and wide >= 4 and experts <= 256 and not few:
        lanes = min(LANES, triton.next_power_of_2(triton.cdiv(experts, 8)))
        slots = max(lanes, triton.next_power_of_2(k))
        rows = 32 * WARPS // lanes
        _gate_lists[(triton.cdiv(tokens, rows),)](
            logits,
            weights,
            ids,
            tokens,
            EXPERTS=experts,
            K=k,
            CHUNKS=triton.cdiv(experts, 8 * lanes),
            LANES=lanes,
            WIDE=wide,
            DEPTH=4 if k <= 4 else 8,
            SLOTS=slots,
            ROWS=rows,
            num_warps=WARPS,
        )
        return weights, ids
    columns = triton.next_power_of_2(experts)
    items = FEW_ITEMS if few else ITEMS
    warps = FEW_WARPS if few else ITEMS_WARPS
    if columns > 256:
        warps = 1
    rows = max(1, items * 32 * warps // columns)
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
