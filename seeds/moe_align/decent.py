"""Few ids in one launch that counts everything in every program, many in two: counts of chunks, then places.

Source: ours. With few ids it is cheaper to count them in every program than to start a second launch: every program
knows where its expert's section begins without asking anyone. With many, the first launch counts each chunk by itself
and pads everything; in the second, a program adds up the counts of the chunks before its own, and within its chunk a
row comes after as many as there are equal ids before it in its tile. Nothing is added in device memory, so that busy
experts cost hardly more than others, and the order is stable.
"""

import torch
import triton
import triton.language as tl

# Up to so many ids are few.
FEW = 8192  # tune: int 1024 32768 log
# Ids of a thread that counts all of them.
ITEMS = 16  # tune: choice 4 8 16 32
# Experts of a program that counts all ids.
SHARE = 1  # tune: choice 1 2 4
# Programs at most for many ids, ids compared with each other at a time, and counts of chunks added up at a time.
PROGRAMS = 132  # tune: choice 66 132 264 528
TILE = 64  # tune: choice 32 64 128 256
COUNTED = 16384  # tune: choice 2048 4096 8192 16384
WARPS = 8  # tune: choice 2 4 8 16


@triton.jit
def _count_and_place(
    ids,
    sorted_rows,
    block_expert,
    num_padded,
    rows,
    places,
    BINS: tl.constexpr,
    BLOCK: tl.constexpr,
    IDS: tl.constexpr,
    BLOCKS: tl.constexpr,
    SHARE: tl.constexpr,
):
    row = tl.arange(0, IDS)
    chosen = tl.load(ids + row, mask=row < rows, other=-1)
    bins = tl.arange(0, BINS)
    counts = tl.histogram(chosen, BINS, mask=row < rows)
    padded = (counts + BLOCK - 1) // BLOCK * BLOCK
    total = tl.sum(padded, axis=0)
    if tl.program_id(0) == 0:
        tl.store(num_padded, total)

    lanes = tl.arange(0, BLOCK)
    blocks = tl.arange(0, BLOCKS)
    for number in tl.static_range(SHARE):
        expert = tl.program_id(0) * SHARE + number
        start = tl.sum(tl.where(bins < expert, padded, 0), axis=0)
        count = tl.sum(tl.where(bins == expert, counts, 0), axis=0)
        end = start + (count + BLOCK - 1) // BLOCK * BLOCK
        mine = chosen == expert
        tl.store(sorted_rows + start + tl.cumsum(mine.to(tl.int32), axis=0) - 1, row, mask=mine)
        tl.store(sorted_rows + start + count + lanes, rows, mask=start + count + lanes < end)
        tl.store(block_expert + start // BLOCK + blocks, expert, mask=blocks < (end - start) // BLOCK)
        # Beyond the last section there are at most as many blocks as experts: one for each.
        beyond = total + expert * BLOCK
        if beyond < places:
            tl.store(sorted_rows + beyond + lanes, rows)
            tl.store(block_expert + beyond // BLOCK, -1)


@triton.jit
def _count(ids, counts, sorted_rows, rows, places, BINS: tl.constexpr, CHUNK: tl.constexpr, PADDING: tl.constexpr):
    chunk = tl.program_id(0)
    row = chunk * CHUNK + tl.arange(0, CHUNK)
    chosen = tl.load(ids + row, mask=row < rows, other=-1)
    found = tl.histogram(chosen, BINS, mask=row < rows)
    tl.store(counts + chunk * BINS + tl.arange(0, BINS), found.to(tl.int16))
    place = chunk * PADDING + tl.arange(0, PADDING)
    tl.store(sorted_rows + place, tl.zeros([PADDING], dtype=tl.int32) + rows, mask=place < places)


@triton.jit
def _place(
    ids,
    counts,
    sorted_rows,
    block_expert,
    num_padded,
    rows,
    chunks,
    blocks,
    BINS: tl.constexpr,
    BLOCK: tl.constexpr,
    CHUNK: tl.constexpr,
    TILE: tl.constexpr,
    COUNTS: tl.constexpr,
    BLOCKS: tl.constexpr,
):
    chunk = tl.program_id(0)
    bins = tl.arange(0, BINS)
    all_counts = tl.zeros([BINS], dtype=tl.int32)
    before = tl.zeros([BINS], dtype=tl.int32)
    for first in range(0, chunks, COUNTS):
        other = first + tl.arange(0, COUNTS)
        part = tl.load(counts + other[:, None] * BINS + bins[None, :], mask=(other < chunks)[:, None], other=0)
        part = part.to(tl.int32)
        all_counts += tl.sum(part, axis=0)
        before += tl.sum(tl.where((other < chunk)[:, None], part, 0), axis=0)
    padded = (all_counts + BLOCK - 1) // BLOCK * BLOCK
    ends = tl.cumsum(padded, axis=0)
    total = tl.sum(padded, axis=0)
    if chunk == 0:
        tl.store(num_padded, total)

    # A block belongs to the expert before whom so many sections end.
    block = chunk * BLOCKS + tl.arange(0, BLOCKS)
    expert = tl.sum((ends[:, None] <= (block * BLOCK)[None, :]).to(tl.int32), axis=0)
    tl.store(block_expert + block, tl.where(block * BLOCK < total, expert, -1), mask=block < blocks)

    base = ends - padded + before
    lanes = tl.arange(0, TILE)
    for tile in range(0, CHUNK, TILE):
        row = chunk * CHUNK + tile + lanes
        chosen = tl.load(ids + row, mask=row < rows, other=0)
        equal = (chosen[:, None] == chosen[None, :]) & (lanes[:, None] < lanes[None, :])
        place = tl.gather(base, chosen, axis=0) + tl.sum(equal.to(tl.int32), axis=0)
        tl.store(sorted_rows + place, row, mask=row < rows)
        base += tl.histogram(chosen, BINS, mask=row < rows)


def moe_align(ids, num_experts, block):
    """Rows sorted by expert and padded to blocks, every block's expert, and how many places are taken."""
    rows = ids.numel()
    blocks = triton.cdiv(rows + min(num_experts, rows) * (block - 1), block)
    sorted_rows = torch.empty((blocks * block,), dtype=torch.int32, device=ids.device)
    block_expert = torch.empty((blocks,), dtype=torch.int32, device=ids.device)
    num_padded = torch.empty((1,), dtype=torch.int32, device=ids.device)
    bins = triton.next_power_of_2(num_experts)
    if rows <= FEW:
        every = triton.next_power_of_2(max(rows, 1))
        _count_and_place[(triton.cdiv(num_experts, SHARE),)](
            ids,
            sorted_rows,
            block_expert,
            num_padded,
            rows,
            blocks * block,
            BINS=bins,
            BLOCK=block,
            IDS=every,
            BLOCKS=triton.next_power_of_2(triton.cdiv(every, block)),
            SHARE=SHARE,
            num_warps=min(max(every // (32 * ITEMS), 1), 16),
        )
        return sorted_rows, block_expert, num_padded

    # A chunk's counts are kept in 16 bits.
    chunk = min(max(TILE, triton.next_power_of_2(triton.cdiv(rows, PROGRAMS))), 16384)
    chunks = triton.cdiv(rows, chunk)
    counts = torch.empty((chunks, bins), dtype=torch.int16, device=ids.device)
    _count[(chunks,)](
        ids,
        counts,
        sorted_rows,
        rows,
        blocks * block,
        BINS=bins,
        CHUNK=chunk,
        PADDING=triton.next_power_of_2(triton.cdiv(blocks * block, chunks)),
        num_warps=WARPS,
    )
    _place[(chunks,)](
        ids,
        counts,
        sorted_rows,
        block_expert,
        num_padded,
        rows,
        chunks,
        blocks,
        BINS=bins,
        BLOCK=block,
        CHUNK=chunk,
        TILE=TILE,
        COUNTS=max(1, min(triton.next_power_of_2(chunks), COUNTED // bins)),
        BLOCKS=triton.next_power_of_2(triton.cdiv(blocks, chunks)),
        num_warps=WARPS,
    )
    return sorted_rows, block_expert, num_padded
