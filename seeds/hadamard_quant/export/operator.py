"""MODULE as a PyTorch operator, MODULE::hadamard_quant: the same call, also in torch.compile, export, CUDA graphs.

It is opaque: the compiler asks the fake kernel below for types and shapes of the results, for any number of rows, and
leaves the call as it is, since the program's host code chooses its launches by plain integers at every call.
Results are new tensors; there is no gradient. Needs torch 2.6 or newer and triton, and Python where it runs.
"""

import torch
from MODULE import hadamard_quant as _program

WIDTH = 128


def _require(x):
    """Refuse what the program was never judged on; types and shapes alone, so that the fake kernel does it too."""
    torch._check(x.dim() == 2, lambda: f"hadamard_quant: x must be [rows, {WIDTH}], not {x.dim()}-d")
    torch._check(x.shape[1] == WIDTH, lambda: f"hadamard_quant: rows must have {WIDTH} values, not {x.shape[1]}")
    torch._check(x.dtype == torch.bfloat16, lambda: f"hadamard_quant: x must be torch.bfloat16, not {x.dtype}")
    torch._check(
        x.numel() < 2**31, lambda: "hadamard_quant: x has 2**31 values or more; kernels count in int32: split the rows"
    )


@torch.library.custom_op("MODULE::hadamard_quant", mutates_args=())
def hadamard_quant(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Every row's Hadamard transform, orthonormal, in four bits.

    Takes x bfloat16 [R, 128], finite. Gives codes uint8 [R, 64] and scale float32 [R]: codes[r, j] holds codes 2 j (low
    nibble) and 2 j + 1 (high), -7 .. 7 in two's complement; a rotated row is about scale[r] times its codes.
    """
    _require(x)
    given = x.contiguous()
    if given.device.type == "cpu":
        # There only Triton's interpreter runs, which cannot multiply bfloat16; float32 holds the same values.
        given = given.float()
    with torch.cuda.device_of(given):
        codes, scale = _program(x=given)
    # An operator's results may share no memory, and a program may have cut both from one buffer.
    if codes.untyped_storage().data_ptr() == scale.untyped_storage().data_ptr():
        scale = scale.clone()
    return codes, scale


@hadamard_quant.register_fake
def _(x):
    _require(x)
    rows = x.shape[0]
    return x.new_empty((rows, WIDTH // 2), dtype=torch.uint8), x.new_empty((rows,), dtype=torch.float32)
