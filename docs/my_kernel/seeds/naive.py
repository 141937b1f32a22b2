"""One program a row, in tiles of columns. Source: ours."""

import torch
import triton
import triton.language as tl

BLOCK = 1024  # tune: choice 256 512 1024 2048


@triton.jit
def swiglu_rows(gate_up_ptr, y_ptr, width, BLOCK: tl.constexpr):
    """Activate one row."""
    row = tl.program_id(0).to(tl.int64)
    for start in range(0, width, BLOCK):
        column = start + tl.arange(0, BLOCK)
        inside = column < width
        gate = tl.load(gate_up_ptr + row * 2 * width + column, mask=inside).to(tl.float32)
        up = tl.load(gate_up_ptr + (row * 2 + 1) * width + column, mask=inside).to(tl.float32)
        tl.store(y_ptr + row * width + column, (gate * tl.sigmoid(gate) * up).to(tl.bfloat16), mask=inside)


def swiglu(gate_up):
    """Activate ``gate_up`` [T, 2 H]; gives [T, H]."""
    tokens, width = gate_up.shape[0], gate_up.shape[1] // 2
    y = torch.empty((tokens, width), dtype=gate_up.dtype, device=gate_up.device)
    if tokens:
        swiglu_rows[(tokens,)](gate_up, y, width, BLOCK=BLOCK)
    return y
