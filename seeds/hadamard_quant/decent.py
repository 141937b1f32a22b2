"""Rotated on matrix units, both halves by one 64 x 64 matrix; rounded and packed in registers, a word for eight codes.

Source: ours. A product of a bf16 value and 1 or -1 is exact, so that matrix units, which add in float32, lose nothing.
The matrix is made of bits once a program, which then takes tile after tile while the next ones are being loaded. Its
columns stand in such an order that the numbers a thread holds after the product are neighbours in memory.
"""

import torch
import triton
import triton.language as tl

# Rows of a tile, warps, tiles loaded ahead and most programs for many rows, and for few.
ROWS = 64  # tune: choice 32 64 128
WARPS = 4  # tune: choice 2 4 8
STAGES = 3  # tune: choice 1 2 3 4
PROGRAMS = 396  # tune: choice 132 264 396 528 792
FEW_ROWS = 16  # tune: choice 16 32 64
FEW_WARPS = 4  # tune: choice 1 2 4
# Up to so many rows count as few: every program has one tile.
FEW = 8192  # tune: int 256 65536 log


@triton.jit
def _packed(y, steps, ROWS: tl.constexpr):
    # 8 + 1.5 * 2**23 rounds to whole numbers, half to even, and leaves the code, 0 not below 1, in the lowest bits.
    codes = (y * steps[:, None] + 12582920.0).to(tl.int32, bitcast=True)
    # What stands above them is the same everywhere: eight such numbers, four bits apart, add up to 0x3F400000 there.
    low, high = tl.split(tl.reshape(codes, [ROWS, 8, 4, 2]))
    # Of a thread's eight bytes the last four make the second word.
    quads = tl.permute(tl.reshape(low + (high << 4), [ROWS, 2, 2, 2, 4]), [0, 4, 1, 2, 3])
    even, odd = tl.split(quads)
    first, second = tl.split(even + (odd << 8))
    words = first + (second << 16) - 0x3F400000
    # From 8 more than the code to two's complement: the highest bit of each turns over.
    return tl.reshape(words ^ -2004318072, [ROWS, 8])


@triton.jit
def _rotate(x, codes, scale, rows, PROGRAMS: tl.constexpr, ROWS: tl.constexpr, STAGES: tl.constexpr):
    i = tl.arange(0, 64)
    # After a product each of four threads holds two of every eight columns: give it sixteen neighbours.
    n = ((i >> 1) & 3) * 16 + (i >> 3) * 2 + (i & 1)
    both = i[:, None] & n[None, :]
    # Bit b of 0x6996 tells whether b has an odd number of ones; as the sign of 1.0.
    odd = (0x6996 >> ((both ^ (both >> 4)) & 15)) << 31
    matrix = (odd | 0x3F800000).to(tl.float32, bitcast=True).to(x.dtype.element_ty)
    word = tl.arange(0, 8)
    for tile in tl.range(tl.program_id(0), tl.cdiv(rows, ROWS), PROGRAMS, num_stages=STAGES):
        row = tile * ROWS + tl.arange(0, ROWS)
        inside = (row < rows)[:, None]
        place = x + row[:, None] * 128 + i[None, :]
        a = tl.dot(tl.load(place, mask=inside, other=0.0), matrix)
        b = tl.dot(tl.load(place + 64, mask=inside, other=0.0), matrix)
        peak = tl.max(tl.maximum(tl.abs(a + b), tl.abs(a - b)), axis=1)
        # 1 / (7 * sqrt(128)): the matrix is of 1 and -1.
        tl.store(scale + row, peak * 0.012626906806902633, mask=row < rows)
        steps = 7.0 / tl.where(peak > 0, peak, 1.0)
        target = codes + row[:, None] * 16 + word[None, :]
        tl.store(target, _packed(a + b, steps, ROWS), mask=inside)
        tl.store(target + 8, _packed(a - b, steps, ROWS), mask=inside)


def hadamard_quant(x):
    """Codes of every row's Hadamard transform, two a byte, and what they are multiples of."""
    rows = x.shape[0]
    codes = torch.empty((rows, 64), dtype=torch.uint8, device=x.device)
    scale = torch.empty((rows,), dtype=torch.float32, device=x.device)
    few = rows <= FEW
    tile = FEW_ROWS if few else ROWS
    tiles = triton.cdiv(rows, tile)
    programs = tiles if few else min(PROGRAMS, tiles)
    _rotate[(programs,)](
        x,
        codes.view(torch.int32),
        scale,
        rows,
        PROGRAMS=programs,
        ROWS=tile,
        STAGES=1 if few else STAGES,
        num_warps=FEW_WARPS if few else WARPS,
    )
    return codes, scale
