"""One row a program: sums with the signs of the matrix, then the largest, then codes.

Source: ours; the plainest kernel that is right.
"""

import torch
import triton
import triton.language as tl

WARPS = 4  # tune: choice 1 2 4 8


@triton.jit
def _rotated(values, i, n):
    # The sign of element (i, n) is negative where i and n share an odd number of ones.
    ones = i[:, None] & n[None, :]
    ones = ones ^ (ones >> 4)
    ones = ones ^ (ones >> 2)
    ones = ones ^ (ones >> 1)
    return tl.sum(tl.where((ones & 1) == 1, -values[:, None], values[:, None]), axis=0)


@triton.jit
def _code(y, steps):
    # Adding 1.5 * 2**23 rounds to a whole number, half to even.
    return (y * steps + 12582912.0 - 12582912.0).to(tl.int32) & 15


@triton.jit
def _quantise(x, codes, scale):
    row = tl.program_id(0)
    i = tl.arange(0, 128)
    j = tl.arange(0, 64)
    values = tl.load(x + row * 128 + i).to(tl.float32)
    even = _rotated(values, i, 2 * j)
    odd = _rotated(values, i, 2 * j + 1)
    peak = tl.maximum(tl.max(tl.abs(even), axis=0), tl.max(tl.abs(odd), axis=0))
    steps = 7.0 / tl.where(peak > 0, peak, 1.0)
    tl.store(codes + row * 64 + j, (_code(even, steps) | (_code(odd, steps) << 4)).to(tl.uint8))
    # 1 / (7 * sqrt(128)): the matrix is of 1 and -1.
    tl.store(scale + row, peak * 0.012626906806902633)


def hadamard_quant(x):
    """Codes of every row's Hadamard transform, two a byte, and what they are multiples of."""
    rows = x.shape[0]
    codes = torch.empty((rows, 64), dtype=torch.uint8, device=x.device)
    scale = torch.empty((rows,), dtype=torch.float32, device=x.device)
    _quantise[(rows,)](x, codes, scale, num_warps=WARPS)
    return codes, scale
