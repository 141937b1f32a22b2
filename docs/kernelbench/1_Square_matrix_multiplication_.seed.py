"""A tile of the product a program, in float32 throughout; tiles are walked in groups so that they share the cache."""

import torch
import triton
import triton.language as tl

ROWS = 64  # tune: choice 32 64 128
COLUMNS = 64  # tune: choice 32 64 128
INNER = 32  # tune: choice 16 32 64
GROUP = 8  # tune: choice 1 4 8 16
WARPS = 4  # tune: choice 4 8
STAGES = 3  # tune: choice 2 3 4


@triton.jit
def _tiles(
    a_ptr, b_ptr, c_ptr, size, ROWS: tl.constexpr, COLUMNS: tl.constexpr, INNER: tl.constexpr, GROUP: tl.constexpr
):
    down, across = tl.cdiv(size, ROWS), tl.cdiv(size, COLUMNS)
    program = tl.program_id(0)
    first = program // (GROUP * across) * GROUP
    height = tl.minimum(down - first, GROUP)
    within = program % (GROUP * across)
    row = (first + within % height) * ROWS + tl.arange(0, ROWS)
    column = within // height * COLUMNS + tl.arange(0, COLUMNS)
    total = tl.zeros([ROWS, COLUMNS], dtype=tl.float32)
    for start in range(0, size, INNER):
        step = start + tl.arange(0, INNER)
        a = tl.load(
            a_ptr + row[:, None] * size + step[None, :], mask=(row[:, None] < size) & (step[None, :] < size), other=0.0
        )
        b = tl.load(
            b_ptr + step[:, None] * size + column[None, :],
            mask=(step[:, None] < size) & (column[None, :] < size),
            other=0.0,
        )
        total = tl.dot(a, b, total, input_precision="ieee")
    tl.store(
        c_ptr + row[:, None] * size + column[None, :],
        total,
        mask=(row[:, None] < size) & (column[None, :] < size),
    )


def forward(A, B):
    """The product of two square matrices, a new tensor."""
    size = A.shape[0]
    c = torch.empty_like(A)
    grid = (triton.cdiv(size, ROWS) * triton.cdiv(size, COLUMNS),)
    _tiles[grid](
        A, B, c, size, ROWS=ROWS, COLUMNS=COLUMNS, INNER=INNER, GROUP=GROUP, num_warps=WARPS, num_stages=STAGES
    )
    return c
