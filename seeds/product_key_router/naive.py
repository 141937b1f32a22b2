"""One row a program: k maxima of either axis, then k maxima of all their sums.

Source: ours; the plainest kernel that is right. The k best pairs are among the k best of both axes, since a pair of any
other has k before it.
"""

import torch
import triton
import triton.language as tl

WARPS = 4  # tune: choice 1 2 4 8


@triton.jit
def _best(x, columns, slots, K: tl.constexpr):
    """Values and columns of the k largest, falling; -inf in further slots."""
    values = tl.where(slots >= 0, float("-inf"), 0.0)
    places = tl.zeros_like(slots)
    for j in range(K):
        place = tl.argmax(x, axis=0)
        values = tl.where(slots == j, tl.max(x, axis=0), values)
        places = tl.where(slots == j, place, places)
        x = tl.where(columns == place, float("-inf"), x)
    return values, places


@triton.jit
def _route(a, b, scores, ids, SIDE: tl.constexpr, K: tl.constexpr, COLUMNS: tl.constexpr, SLOTS: tl.constexpr):
    row = tl.program_id(0)
    columns = tl.arange(0, COLUMNS)
    slots = tl.arange(0, SLOTS)
    place = row * SIDE + columns
    x = tl.load(a + place, mask=columns < SIDE, other=float("-inf")).to(tl.float32)
    values_a, rows = _best(x, columns, slots, K)
    x = tl.load(b + place, mask=columns < SIDE, other=float("-inf")).to(tl.float32)
    values_b, lines = _best(x, columns, slots, K)

    sums = tl.reshape(values_a[:, None] + values_b[None, :], [SLOTS * SLOTS])
    pairs = tl.reshape(rows[:, None] * SIDE + lines[None, :], [SLOTS * SLOTS])
    numbers = tl.arange(0, SLOTS * SLOTS)
    for j in range(K):
        best = tl.argmax(sums, axis=0)
        tl.store(scores + row * K + j, tl.max(sums, axis=0))
        tl.store(ids + row * K + j, tl.sum(tl.where(numbers == best, pairs, 0), axis=0))
        sums = tl.where(numbers == best, float("-inf"), sums)


def product_key_router(a, b, k):
    """The k largest sums of one score of either axis of each row, falling, and their pairs as i * S + j."""
    tokens, side = a.shape
    scores = torch.empty((tokens, k), dtype=torch.float32, device=a.device)
    ids = torch.empty((tokens, k), dtype=torch.int32, device=a.device)
    columns = triton.next_power_of_2(side)
    slots = triton.next_power_of_2(k)
    _route[(tokens,)](a, b, scores, ids, SIDE=side, K=k, COLUMNS=columns, SLOTS=slots, num_warps=WARPS)
    return scores, ids
