"""Rows inside a warp; k maxima of integers that hold score and column, then pairs by a walk along k falling lists.

Source: ours. A bf16 score has 16 bits, so that its order and its column fit one int32: a single integer maximum finds
both, and the next best is the nearest below it. Of the k * k sums few are ever looked at: for each of the k best of a
there is one candidate, with the best of b that it has not had yet; the best of those k is the next pair, and its list
moves on by one.
"""

import torch
import triton
import triton.language as tl

# Scores of an axis in each thread's registers, and warps of a program, for many rows and for few.
ITEMS = 16  # tune: choice 4 8 16 32
WARPS = 4  # tune: choice 1 2 4
FEW_ITEMS = 8  # tune: choice 4 8 16
FEW_WARPS = 4  # tune: choice 1 2 4
# Up to so many scores of an axis count as few.
FEW = 262144  # tune: int 16384 4194304 log


@triton.jit
def _falling(x, columns, slots, K: tl.constexpr, ROWS: tl.constexpr, SLOTS: tl.constexpr):
    """The k largest of every row as score and column in one integer, falling; further slots hold -inf."""
    # The upper half of the bits is the bf16 number. As integers negative numbers are ordered the other way round: flip
    # them. Twelve bits below number the column, and 28 bits with a sign leave room for differences.
    bits = x.to(tl.int32, bitcast=True) >> 16
    keys = ((bits ^ ((bits >> 31) & 0x7FFF)) << 12) | (4095 - columns)[None, :]
    top = tl.full([ROWS, SLOTS], -133693441, dtype=tl.int32)
    best = tl.max(keys, axis=1)
    for j in range(K):
        top = tl.where((slots == j)[None, :], best[:, None], top)
        # What lies below the best has a negative difference: as unsigned numbers the largest, the nearest first.
        below = tl.max((keys - best[:, None]).to(tl.uint32, bitcast=True), axis=1)
        best += below.to(tl.int32, bitcast=True)
    return top


@triton.jit
def _score(key):
    value = key >> 12
    return ((value ^ ((value >> 31) & 0x7FFF)) << 16).to(tl.float32, bitcast=True)


@triton.jit
def _ordered(bits):
    """Bits of float32 numbers as integers of the same order, and back: a warp finds the largest in one instruction."""
    return bits ^ ((bits >> 31) & 0x7FFFFFFF)


@triton.jit
def _route(
    a,
    b,
    scores,
    ids,
    tokens,
    SIDE: tl.constexpr,
    K: tl.constexpr,
    COLUMNS: tl.constexpr,
    SLOTS: tl.constexpr,
    ROWS: tl.constexpr,
):
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    columns = tl.arange(0, COLUMNS)
    slots = tl.arange(0, SLOTS)
    inside = (rows < tokens)[:, None] & (columns < SIDE)[None, :]
    place = rows.to(tl.int64)[:, None] * SIDE + columns[None, :]
    x = tl.load(a + place, mask=inside, other=float("-inf")).to(tl.float32)
    y = tl.load(b + place, mask=inside, other=float("-inf")).to(tl.float32)
    first = _falling(x, columns, slots, K, ROWS, SLOTS)
    second = _falling(y, columns, slots, K, ROWS, SLOTS)

    # Each of the best of a stands with one of b, at first the best; `walked` is how far its list has moved.
    score = _score(first)
    partner = tl.zeros_like(first) + tl.max(second, axis=1)[:, None]
    walked = tl.zeros_like(first)
    found = tl.zeros_like(first)
    pairs = tl.zeros_like(first)
    for j in range(K):
        sums = _ordered((score + _score(partner)).to(tl.int32, bitcast=True))
        best = tl.max(sums, axis=1)
        # Of equal sums the first; its number and how far it has walked fit one integer.
        taken = tl.min(tl.where(sums == best[:, None], slots[None, :] * 64 + walked, 4096), axis=1)
        is_taken = slots[None, :] == (taken >> 6)[:, None]
        pair = tl.sum(tl.where(is_taken, (4095 - (first & 4095)) * SIDE + 4095 - (partner & 4095), 0), axis=1)
        found = tl.where((slots == j)[None, :], best[:, None], found)
        pairs = tl.where((slots == j)[None, :], pair[:, None], pairs)
        is_next = slots[None, :] == ((taken & 63) + 1)[:, None]
        following = tl.max(tl.where(is_next, second, -133693441), axis=1)
        partner = tl.where(is_taken, following[:, None], partner)
        walked += is_taken.to(tl.int32)

    place = rows.to(tl.int64)[:, None] * K + slots[None, :]
    wanted = (rows < tokens)[:, None] & (slots < K)[None, :]
    tl.store(scores + place, _ordered(found).to(tl.float32, bitcast=True), mask=wanted)
    tl.store(ids + place, pairs, mask=wanted)


def product_key_router(a, b, k):
    """The k largest sums of one score of either axis of each row, falling, and their pairs as i * S + j."""
    tokens, side = a.shape
    scores = torch.empty((tokens, k), dtype=torch.float32, device=a.device)
    ids = torch.empty((tokens, k), dtype=torch.int32, device=a.device)
    columns = triton.next_power_of_2(side)
    few = tokens * side <= FEW
    items = FEW_ITEMS if few else ITEMS
    warps = FEW_WARPS if few else WARPS
    # A thread loads at most 16 bytes at once, and no more than what the start of every row is aligned to.
    rows = max(1, items * 32 * warps // columns)
    lanes = columns // max(1, min(8, side & -side, rows * columns // (32 * warps)))
    slots = triton.next_power_of_2(k)
    # As many slots as threads share a row: then a thread keeps its slot without asking the others. Where that cannot
    # be, or a row would be spread over several warps, a program is one warp, whose threads need not wait for others.
    if lanes > 32 or slots > lanes:
        rows = max(1, rows // warps)
        warps = 1
    _route[(triton.cdiv(tokens, rows),)](
        a,
        b,
        scores,
        ids,
        tokens,
        SIDE=side,
        K=k,
        COLUMNS=columns,
        SLOTS=max(slots, min(lanes, 32)),
        ROWS=rows,
        num_warps=warps,
    )
    return scores, ids
