"""Every program takes a tile of rows and columns, so that few and many tokens fill the device alike. Source: ours."""

import torch
import triton
import triton.language as tl

COLUMNS = 256  # tune: choice 64 128 256 512
ROWS = 4  # tune: choice 1 2 4 8
WARPS = 4  # tune: choice 1 2 4 8


@triton.jit
def swiglu_tile(gate_up_ptr, y_ptr, tokens, width, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    """Activate one tile."""
    row = (tl.program_id(1) * ROWS + tl.arange(0, ROWS))[:, None].to(tl.int64)
    column = (tl.program_id(0) * COLUMNS + tl.arange(0, COLUMNS))[None, :]
    inside = (row < tokens) & (column < width)
    gate = tl.load(gate_up_ptr + row * 2 * width + column, mask=inside).to(tl.float32)
    up = tl.load(gate_up_ptr + (row * 2 + 1) * width + column, mask=inside).to(tl.float32)
    y = gate / (1 + tl.exp2(gate * -1.4426950408889634)) * up
    tl.store(y_ptr + row * width + column, y.to(tl.bfloat16), mask=inside)


def swiglu(gate_up):
    """Activate ``gate_up`` [T, 2 H]; gives [T, H]."""
    tokens, width = gate_up.shape[0], gate_up.shape[1] // 2
    y = torch.empty((tokens, width), dtype=gate_up.dtype, device=gate_up.device)
    if tokens:
        grid = (triton.cdiv(width, COLUMNS), triton.cdiv(tokens, ROWS))
        swiglu_tile[grid](gate_up, y, tokens, width, ROWS=ROWS, COLUMNS=COLUMNS, num_warps=WARPS)
    return y
