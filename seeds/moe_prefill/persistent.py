"""As `decent`, with as many programs as the machine holds, which take tiles in turn, and tensor descriptors.

Source: ours. What a program does before and after its sums, reading lists and writing results, runs beside the loads of
its next tile, since the loop over tiles and the loop over a sum are made one. Weights, and the sorted rows of the
second product, are read by the tensor memory accelerator: one thread asks for a whole tile.
"""

import torch
import triton
import triton.language as tl
from triton.tools.tensor_descriptor import TensorDescriptor

# Rows of a block where an expert has as many on average as MANY, and where it has less.
ROWS = 128  # tune: choice 64 128
FEW_ROWS = 64  # tune: choice 16 32 64
MANY = 96  # tune: int 16 512 log
# Tiles of blocks of ROWS: columns of the gate's half, numbers of a sum at a time, steps under way at once, warps.
UP_COLUMNS = 128  # tune: choice 32 64 128
UP_STEP = 64  # tune: choice 32 64
UP_STAGES = 4  # tune: choice 2 3 4
UP_WARPS = 8
# The same for the second product.
DOWN_COLUMNS = 256  # tune: choice 64 128 256
DOWN_STEP = 64  # tune: choice 32 64
DOWN_STAGES = 4  # tune: choice 2 3 4
DOWN_WARPS = 8
# Tiles of blocks of FEW_ROWS.
FEW_UP_COLUMNS = 64  # tune: choice 32 64 128
FEW_UP_STAGES = 4  # tune: choice 2 3 4
FEW_UP_WARPS = 4  # tune: choice 4 8
FEW_DOWN_COLUMNS = 128  # tune: choice 64 128 256
FEW_DOWN_STAGES = 4  # tune: choice 2 3 4
FEW_DOWN_WARPS = 4  # tune: choice 4 8
# Programs that take tiles in turn, for blocks of ROWS and of FEW_ROWS.
PERSISTENT = 132  # tune: choice 132 264
FEW_PERSISTENT = 264  # tune: choice 132 264
# Blocks of rows that take turns before the next columns are begun.
UP_GROUP = 4  # tune: choice 1 2 4 8 16
DOWN_GROUP = 4  # tune: choice 1 2 4 8 16
# Sorting: programs at most, ids compared with each other at a time, warps.
PROGRAMS = 132  # tune: choice 66 132 264
TILE = 64  # tune: choice 32 64 128
SORT_WARPS = 8  # tune: choice 4 8
# Columns and warps of a program that adds up a token's rows.
SUM_COLUMNS = 2048  # tune: choice 512 1024 2048
SUM_WARPS = 8  # tune: choice 2 4 8


@triton.jit
def _count(ids, counts, slots, rows, places, BINS: tl.constexpr, CHUNK: tl.constexpr, PADDING: tl.constexpr):
    """Experts' counts in each chunk of the ids; every place of the list is padding at first."""
    chunk = tl.program_id(0)
    slot = chunk * CHUNK + tl.arange(0, CHUNK)
    chosen = tl.load(ids + slot, mask=slot < rows, other=0)
    tl.store(counts + chunk * BINS + tl.arange(0, BINS), tl.histogram(chosen, BINS, mask=slot < rows))
    place = chunk * PADDING + tl.arange(0, PADDING)
    tl.store(slots + place, tl.zeros([PADDING], dtype=tl.int32) - 1, mask=place < places)


@triton.jit
def _place(
    ids,
    counts,
    slots,
    experts,
    used,
    rows,
    chunks,
    blocks,
    BINS: tl.constexpr,
    ROWS: tl.constexpr,
    CHUNK: tl.constexpr,
    TILE: tl.constexpr,
    COUNTS: tl.constexpr,
    BLOCKS: tl.constexpr,
):
    """Slots in the order of their experts, each expert's from a whole block on, and the blocks' experts."""
    chunk = tl.program_id(0)
    bins = tl.arange(0, BINS)
    all_counts = tl.zeros([BINS], dtype=tl.int32)
    before = tl.zeros([BINS], dtype=tl.int32)
    for first in range(0, chunks, COUNTS):
        other = first + tl.arange(0, COUNTS)
        part = tl.load(counts + other[:, None] * BINS + bins[None, :], mask=(other < chunks)[:, None], other=0)
        all_counts += tl.sum(part, axis=0)
        before += tl.sum(tl.where((other < chunk)[:, None], part, 0), axis=0)
    padded = (all_counts + ROWS - 1) // ROWS * ROWS
    ends = tl.cumsum(padded, axis=0)

    if chunk == 0:
        tl.store(used, tl.sum(padded, axis=0) // ROWS)

    # A block belongs to the expert before whom so many sections end; none is left for those at the end.
    block = chunk * BLOCKS + tl.arange(0, BLOCKS)
    expert = tl.sum((ends[:, None] <= (block * ROWS)[None, :]).to(tl.int32), axis=0)
    tl.store(experts + block, tl.where(expert < BINS, expert, -1), mask=block < blocks)

    base = ends - padded + before
    lanes = tl.arange(0, TILE)
    for tile in range(0, CHUNK, TILE):
        slot = chunk * CHUNK + tile + lanes
        chosen = tl.load(ids + slot, mask=slot < rows, other=0)
        equal = (chosen[:, None] == chosen[None, :]) & (lanes[:, None] < lanes[None, :])
        place = tl.gather(base, chosen, axis=0) + tl.sum(equal.to(tl.int32), axis=0)
        tl.store(slots + place, slot, mask=slot < rows)
        base += tl.histogram(chosen, BINS, mask=slot < rows)


@triton.jit
def _turn(program, blocks, PARTS: tl.constexpr, GROUP: tl.constexpr):
    """Block of rows and block of columns of a program."""
    first = program // (GROUP * PARTS) * GROUP
    size = tl.minimum(blocks - first, GROUP)
    within = program % (GROUP * PARTS)
    return first + within % size, within // size


@triton.jit
def _up(
    x,
    w13,
    slots,
    experts,
    h,
    used,
    HIDDEN: tl.constexpr,
    INNER: tl.constexpr,
    K: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    STEP: tl.constexpr,
    GROUP: tl.constexpr,
    PROGRAMS: tl.constexpr,
):
    PARTS: tl.constexpr = INNER // COLUMNS
    blocks = tl.load(used)
    step = tl.arange(0, STEP)
    for tile in tl.range(tl.program_id(0), blocks * PARTS, PROGRAMS, flatten=True):
        block, part = _turn(tile, blocks, PARTS, GROUP)
        expert = tl.load(experts + block)
        places = block * ROWS + tl.arange(0, ROWS)
        slot = tl.load(slots + places)
        there = (slot >= 0)[:, None]
        a_places = x + (tl.maximum(slot, 0) // K * HIDDEN)[:, None] + step[None, :]
        first = expert * (2 * INNER) + part * COLUMNS
        gate = tl.zeros([ROWS, COLUMNS], dtype=tl.float32)
        up = tl.zeros([ROWS, COLUMNS], dtype=tl.float32)
        for start in range(0, HIDDEN, STEP):
            a = tl.load(a_places + start, mask=there, other=0.0)
            gate = tl.dot(a, w13.load([first, start]).T, gate)
            up = tl.dot(a, w13.load([first + INNER, start]).T, up)
        inner = gate / (1 + tl.exp(-gate)) * up
        columns = part * COLUMNS + tl.arange(0, COLUMNS)
        tl.store(h + places[:, None] * INNER + columns[None, :], inner.to(h.dtype.element_ty))


@triton.jit
def _down(
    h,
    w2,
    weights,
    slots,
    experts,
    out,
    used,
    HIDDEN: tl.constexpr,
    INNER: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    STEP: tl.constexpr,
    GROUP: tl.constexpr,
    PROGRAMS: tl.constexpr,
):
    PARTS: tl.constexpr = HIDDEN // COLUMNS
    blocks = tl.load(used)
    for tile in tl.range(tl.program_id(0), blocks * PARTS, PROGRAMS, flatten=True):
        block, part = _turn(tile, blocks, PARTS, GROUP)
        first = tl.load(experts + block) * HIDDEN + part * COLUMNS
        total = tl.zeros([ROWS, COLUMNS], dtype=tl.float32)
        for start in range(0, INNER, STEP):
            total = tl.dot(h.load([block * ROWS, start]), w2.load([first, start]).T, total)
        slot = tl.load(slots + block * ROWS + tl.arange(0, ROWS))
        total *= tl.load(weights + slot, mask=slot >= 0, other=0.0)[:, None]
        columns = part * COLUMNS + tl.arange(0, COLUMNS)
        out_places = out + slot.to(tl.int64)[:, None] * HIDDEN + columns[None, :]
        tl.store(out_places, total.to(out.dtype.element_ty), mask=(slot >= 0)[:, None])


@triton.jit
def _sum(out, y, HIDDEN: tl.constexpr, K: tl.constexpr, PARTS: tl.constexpr, COLUMNS: tl.constexpr):
    token = (tl.program_id(0) // PARTS).to(tl.int64)
    columns = tl.program_id(0) % PARTS * COLUMNS + tl.arange(0, COLUMNS)
    inside = columns < HIDDEN
    total = tl.zeros([COLUMNS], dtype=tl.float32)
    for j in tl.static_range(K):
        row = out + (token * K + j) * HIDDEN
        total += tl.load(row + columns, mask=inside, other=0.0, eviction_policy="evict_first").to(tl.float32)
    tl.store(y + token * HIDDEN + columns, total.to(y.dtype.element_ty), mask=inside)


def _sorted(ids, experts_count, rows):
    """Slots in the order of their experts, -1 for padding, each block's expert, and how many blocks are in use."""
    count = ids.numel()
    used = min(experts_count, count)
    blocks = used + (count - used) // rows
    bins = triton.next_power_of_2(experts_count)
    slots = torch.empty((blocks * rows,), dtype=torch.int32, device=ids.device)
    experts = torch.empty((blocks,), dtype=torch.int32, device=ids.device)
    chunk = max(TILE, triton.next_power_of_2(triton.cdiv(count, PROGRAMS)))
    chunks = triton.cdiv(count, chunk)
    used = torch.empty((1,), dtype=torch.int32, device=ids.device)
    counts = torch.empty((chunks, bins), dtype=torch.int32, device=ids.device)
    padding = triton.next_power_of_2(triton.cdiv(blocks * rows, max(chunks, 1)))
    _count[(chunks,)](
        ids, counts, slots, count, blocks * rows, BINS=bins, CHUNK=chunk, PADDING=padding, num_warps=SORT_WARPS
    )
    _place[(chunks,)](
        ids,
        counts,
        slots,
        experts,
        used,
        count,
        chunks,
        blocks,
        BINS=bins,
        ROWS=rows,
        CHUNK=chunk,
        TILE=TILE,
        COUNTS=max(1, min(triton.next_power_of_2(chunks), 8192 // bins)),
        BLOCKS=triton.next_power_of_2(triton.cdiv(blocks, max(chunks, 1))),
        num_warps=SORT_WARPS,
    )
    return slots, experts, used


def _fit(most, length):
    """The largest power of two up to the first that divides the second."""
    return min(most, length & -length)


def _tiles(tensor, rows, step):
    """A tensor descriptor of all rows."""
    return TensorDescriptor.from_tensor(tensor.view(tensor.numel() // tensor.shape[-1], tensor.shape[-1]), [rows, step])


def moe_prefill(x, w13, w2, weights, ids):
    """Every token's weighted sum of its experts' outputs."""
    tokens, k = ids.shape
    count, hidden, inner = w2.shape
    y = torch.empty_like(x)
    if tokens == 0:
        return y
    many = tokens * k >= MANY * count
    rows = ROWS if many else FEW_ROWS
    slots, experts, used = _sorted(ids, count, rows)
    blocks = experts.numel()
    h = torch.empty((blocks * rows, inner), dtype=x.dtype, device=x.device)
    out = torch.empty((tokens * k, hidden), dtype=x.dtype, device=x.device)
    columns = _fit(UP_COLUMNS if many else FEW_UP_COLUMNS, inner)
    programs = min(PERSISTENT if many else FEW_PERSISTENT, blocks * (inner // columns))
    _up[(programs,)](
        x,
        _tiles(w13, columns, UP_STEP),
        slots,
        experts,
        h,
        used,
        HIDDEN=hidden,
        INNER=inner,
        K=k,
        ROWS=rows,
        COLUMNS=columns,
        STEP=UP_STEP,
        GROUP=UP_GROUP,
        PROGRAMS=programs,
        num_warps=UP_WARPS if many else FEW_UP_WARPS,
        num_stages=UP_STAGES if many else FEW_UP_STAGES,
    )
    columns = _fit(DOWN_COLUMNS if many else FEW_DOWN_COLUMNS, hidden)
    programs = min(PERSISTENT if many else FEW_PERSISTENT, blocks * (hidden // columns))
    _down[(programs,)](
        _tiles(h, rows, DOWN_STEP),
        _tiles(w2, columns, DOWN_STEP),
        weights,
        slots,
        experts,
        out,
        used,
        HIDDEN=hidden,
        INNER=inner,
        ROWS=rows,
        COLUMNS=columns,
        STEP=DOWN_STEP,
        GROUP=DOWN_GROUP,
        PROGRAMS=programs,
        num_warps=DOWN_WARPS if many else FEW_DOWN_WARPS,
        num_stages=DOWN_STAGES if many else FEW_DOWN_STAGES,
    )
    columns = min(SUM_COLUMNS, triton.next_power_of_2(hidden))
    parts = triton.cdiv(hidden, columns)
    _sum[(tokens * parts,)](out, y, HIDDEN=hidden, K=k, PARTS=parts, COLUMNS=columns, num_warps=SUM_WARPS)
    return y
