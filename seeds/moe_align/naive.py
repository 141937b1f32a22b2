"""One expert a program: the first launch counts its rows, the second writes them down, reading all ids both times.

Source: ours; the plainest kernels that are right.
"""

import torch
import triton
import triton.language as tl

IDS = 1024  # tune: choice 256 512 1024 2048 4096
WARPS = 4  # tune: choice 1 2 4 8


@triton.jit
def _count(ids, counts, rows, IDS: tl.constexpr):
    expert = tl.program_id(0)
    count = tl.zeros([IDS], dtype=tl.int32)
    for start in range(0, rows, IDS):
        row = start + tl.arange(0, IDS)
        count += (tl.load(ids + row, mask=row < rows, other=-1) == expert).to(tl.int32)
    tl.store(counts + expert, tl.sum(count, axis=0))


@triton.jit
def _place(
    ids,
    counts,
    sorted_rows,
    block_expert,
    num_padded,
    rows,
    places,
    EXPERTS: tl.constexpr,
    BINS: tl.constexpr,
    BLOCK: tl.constexpr,
    IDS: tl.constexpr,
):
    expert = tl.program_id(0)
    bins = tl.arange(0, BINS)
    padded = tl.load(counts + bins, mask=bins < EXPERTS, other=0)
    padded = (padded + BLOCK - 1) // BLOCK * BLOCK
    total = tl.sum(padded, axis=0)
    place = tl.sum(tl.where(bins < expert, padded, 0), axis=0)
    end = tl.sum(tl.where(bins <= expert, padded, 0), axis=0)
    if expert == 0:
        tl.store(num_padded, total)

    for block in range(place // BLOCK, end // BLOCK):
        tl.store(block_expert + block, expert)
    for start in range(0, rows, IDS):
        row = start + tl.arange(0, IDS)
        mine = (tl.load(ids + row, mask=row < rows, other=-1) == expert).to(tl.int32)
        tl.store(sorted_rows + place + tl.cumsum(mine, axis=0) - 1, row, mask=mine > 0)
        place += tl.sum(mine, axis=0)
    lanes = tl.arange(0, BLOCK)
    tl.store(sorted_rows + place + lanes, rows, mask=place + lanes < end)

    # Beyond the last section there are fewer blocks than experts.
    place = total + expert * BLOCK
    if place < places:
        tl.store(sorted_rows + place + lanes, rows)
        tl.store(block_expert + place // BLOCK, -1)


def moe_align(ids, num_experts, block):
    """Rows sorted by expert and padded to blocks, every block's expert, and how many places are taken."""
    rows = ids.numel()
    places = triton.cdiv(rows + min(num_experts, rows) * (block - 1), block) * block
    counts = torch.empty((num_experts,), dtype=torch.int32, device=ids.device)
    sorted_rows = torch.empty((places,), dtype=torch.int32, device=ids.device)
    block_expert = torch.empty((places // block,), dtype=torch.int32, device=ids.device)
    num_padded = torch.empty((1,), dtype=torch.int32, device=ids.device)
    bins = triton.next_power_of_2(num_experts)
    _count[(num_experts,)](ids, counts, rows, IDS=IDS, num_warps=WARPS)
    _place[(num_experts,)](
        ids,
        counts,
        sorted_rows,
        block_expert,
        num_padded,
        rows,
        places,
        EXPERTS=num_experts,
        BINS=bins,
        BLOCK=block,
        IDS=IDS,
        num_warps=WARPS,
    )
    return sorted_rows, block_expert, num_padded
