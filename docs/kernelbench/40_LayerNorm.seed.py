"""Two launches: mean and squared deviations of every stretch, then all stretches of a row put together and used.

Partial figures are put together as by Chan, Golub and LeVeque (1979): deviations from each stretch's own mean, so that
nothing is lost where a mean is large.
"""

import torch
import triton
import triton.language as tl

EPS = 1e-5
BLOCK = 8192  # tune: choice 2048 4096 8192
WARPS = 8  # tune: choice 4 8 16


@triton.jit
def _stretches(x_ptr, means_ptr, squares_ptr, items, BLOCK: tl.constexpr):
    part = tl.program_id(0)
    row = tl.program_id(1).to(tl.int64)
    at = part * BLOCK + tl.arange(0, BLOCK)
    inside = at < items
    x = tl.load(x_ptr + row * items + at, mask=inside, other=0.0)
    count = tl.minimum(items - part * BLOCK, BLOCK)
    mean = tl.sum(x, axis=0) / count
    off = tl.where(inside, x - mean, 0.0)
    where = row * tl.num_programs(0) + part
    tl.store(means_ptr + where, mean)
    tl.store(squares_ptr + where, tl.sum(off * off, axis=0))


@triton.jit
def _normalise(
    x_ptr, scale_ptr, shift_ptr, means_ptr, squares_ptr, y_ptr, items, parts,
    BLOCK: tl.constexpr, PARTS: tl.constexpr, EPS: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(1).to(tl.int64)
    part = tl.arange(0, PARTS)
    known = part < parts
    counts = tl.where(known, tl.minimum(items - part * BLOCK, BLOCK), 0).to(tl.float32)
    means = tl.load(means_ptr + row * parts + part, mask=known, other=0.0)
    squares = tl.load(squares_ptr + row * parts + part, mask=known, other=0.0)
    mean = tl.sum(means * (counts / items), axis=0)
    off = tl.where(known, means - mean, 0.0)
    variance = (tl.sum(squares, axis=0) + tl.sum(counts * off * off, axis=0)) / items
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < items
    x = tl.load(x_ptr + row * items + at, mask=inside)
    scale = tl.load(scale_ptr + at, mask=inside)
    shift = tl.load(shift_ptr + at, mask=inside)
    tl.store(y_ptr + row * items + at, (x - mean) / tl.sqrt_rn(variance + EPS) * scale + shift, mask=inside)


def forward(x, ln_weight, ln_bias):
    """x (batch, *normalised) normalised over all but its first axis, scaled and shifted, a new tensor."""
    batch, items = x.shape[0], ln_weight.numel()
    parts = triton.cdiv(items, BLOCK)
    means = torch.empty((batch, parts), device=x.device, dtype=torch.float32)
    squares = torch.empty_like(means)
    y = torch.empty_like(x)
    _stretches[(parts, batch)](x, means, squares, items, BLOCK=BLOCK, num_warps=WARPS)
    _normalise[(parts, batch)](
        x, ln_weight, ln_bias, means, squares, y, items, parts,
        BLOCK=BLOCK, PARTS=triton.next_power_of_2(parts), EPS=EPS, num_warps=WARPS,
    )  # fmt: skip
    return y
