"""MODULE as a PyTorch operator, MODULE::moe_combine: the same call, also in torch.compile, torch.export, CUDA graphs.

It is opaque: the compiler asks the fake kernel below for type and shape of the result, for any number of tokens,
and leaves the call as it is, since the program's host code chooses its launches by plain integers at every call.
The result is a new tensor; there is no gradient. Needs torch 2.6 or newer and triton, and Python where it runs.
"""

import torch
from MODULE import moe_combine as _program


def _require(expert_out, row_of, weights):
    """Refuse what the program was never judged on; types and shapes alone, so that the fake kernel does it too."""
    torch._check(
        expert_out.dim() == row_of.dim() == weights.dim() == 2, lambda: "moe_combine: every argument must be 2-d"
    )
    _require_kind("expert_out", expert_out, torch.bfloat16, expert_out.device)
    _require_kind("row_of", row_of, torch.int32, expert_out.device)
    _require_kind("weights", weights, torch.float32, expert_out.device)
    tokens, k = row_of.shape
    rows, hidden = expert_out.shape
    torch._check(k >= 1, lambda: "moe_combine: row_of must be [tokens, k] with k of 1 at least")
    torch._check(weights.shape[0] == tokens, lambda: "moe_combine: row_of and weights must have one shape")
    torch._check(weights.shape[1] == k, lambda: "moe_combine: row_of and weights must have one shape")
    torch._check(rows == tokens * k, lambda: f"moe_combine: expert_out must have {tokens * k} rows, not {rows}")
    torch._check(hidden % 16 == 0, lambda: f"moe_combine: the hidden size must be a multiple of 16, not {hidden}")
    torch._check(
        expert_out.numel() < 2**31,
        lambda: "moe_combine: expert_out has 2**31 elements or more; kernels count in int32: split the tokens",
    )


def _require_kind(name, tensor, dtype, device):
    torch._check(tensor.dtype == dtype, lambda: f"moe_combine: {name} must be {dtype}, not {tensor.dtype}")
    torch._check(tensor.device == device, lambda: f"moe_combine: {name} lies on {tensor.device}, not on {device}")


@torch.library.custom_op("MODULE::moe_combine", mutates_args=())
def moe_combine(expert_out: torch.Tensor, row_of: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Every token's weighted sum of its k rows.

    Takes expert_out bfloat16 [T * k, H], row_of int32 [T, k], weights float32 [T, k]. Gives y bfloat16 [T, H]: y[t] is
    the sum over j of weights[t, j] * expert_out[row_of[t, j]], added in float32 and rounded once. That row_of holds
    0 .. T * k - 1, each once, is not checked: a number beyond is read outside of expert_out.
    """
    _require(expert_out, row_of, weights)
    with torch.cuda.device_of(expert_out):
        return _program(expert_out=expert_out.contiguous(), row_of=row_of.contiguous(), weights=weights.contiguous())


@moe_combine.register_fake
def _(expert_out, row_of, weights):
    _require(expert_out, row_of, weights)
    return expert_out.new_empty((row_of.shape[0], expert_out.shape[1]))
