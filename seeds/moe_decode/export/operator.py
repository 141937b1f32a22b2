"""MODULE as a PyTorch operator, MODULE::moe_decode: the same call, also in torch.compile, torch.export, CUDA graphs.

It is opaque: the compiler asks the fake kernel below for type and shape of the result, for any number of tokens,
and leaves the call as it is, since the program's host code chooses its launches by plain integers at every call.
The result is a new tensor; there is no gradient. Needs torch 2.6 or newer and triton, and Python where it runs.
"""

import torch
from MODULE import moe_decode as _program


def _require(x, w13, w2, weights, ids):
    """Refuse what the program was never judged on; types and shapes alone, so that the fake kernel does it too."""
    torch._check(x.dim() == weights.dim() == ids.dim() == 2, lambda: "moe_decode: x, weights and ids must be 2-d")
    torch._check(w13.dim() == w2.dim() == 3, lambda: "moe_decode: w13 and w2 must be 3-d")
    for name, tensor in (("x", x), ("w13", w13), ("w2", w2)):
        _require_kind(name, tensor, torch.bfloat16, x.device)
    _require_kind("weights", weights, torch.float32, x.device)
    _require_kind("ids", ids, torch.int32, x.device)
    tokens, k = ids.shape
    experts, hidden, inner = w2.shape
    _require_shape("x", x, (tokens, hidden))
    _require_shape("w13", w13, (experts, 2 * inner, hidden))
    _require_shape("weights", weights, (tokens, k))
    torch._check(hidden % 64 == 0, lambda: f"moe_decode: the hidden size must be a multiple of 64, not {hidden}")
    torch._check(inner % 64 == 0, lambda: f"moe_decode: the experts' inner size must be a multiple of 64, not {inner}")
    torch._check(1 <= k <= 8, lambda: f"moe_decode: 1 to 8 experts a token, not {k}")
    torch._check(k <= experts <= 256, lambda: f"moe_decode: {k} to 256 experts, not {experts}")
    torch._check(tokens <= 256, lambda: f"moe_decode: at most 256 tokens, not {tokens}: moe_prefill is for more")


def _require_kind(name, tensor, dtype, device):
    torch._check(tensor.dtype == dtype, lambda: f"moe_decode: {name} must be {dtype}, not {tensor.dtype}")
    torch._check(tensor.device == device, lambda: f"moe_decode: {name} lies on {tensor.device}, not on {device}")


def _require_shape(name, tensor, shape):
    for length, wanted in zip(tensor.shape, shape, strict=True):
        torch._check(
            length == wanted, lambda: f"moe_decode: {name} must be of shape {shape}, not {tuple(tensor.shape)}"
        )


@torch.library.custom_op("MODULE::moe_decode", mutates_args=())
def moe_decode(
    x: torch.Tensor, w13: torch.Tensor, w2: torch.Tensor, weights: torch.Tensor, ids: torch.Tensor
) -> torch.Tensor:
    """Every token's weighted sum of its experts' outputs.

    Takes x bfloat16 [T, H], up to 256 tokens, w13 bfloat16 [E, 2 * I, H] (rows of the gate first), w2 bfloat16
    [E, H, I], weights float32 [T, k], ids int32 [T, k]. Gives y bfloat16 [T, H]: y[t] is the sum over j of
    weights[t, j] * w2[e] @ (silu(g) * u) with e = ids[t, j] and g, u the halves of w13[e] @ x[t]. That ids are
    experts, and no token's twice, is not checked: a number beyond is read outside of the weights.
    """
    _require(x, w13, w2, weights, ids)
    given = {"x": x, "w13": w13, "w2": w2, "weights": weights, "ids": ids}
    with torch.cuda.device_of(x):
        return _program(**{name: value.contiguous() for name, value in given.items()})


@moe_decode.register_fake
def _(x, w13, w2, weights, ids):
    _require(x, w13, w2, weights, ids)
    return x.new_empty(x.shape)
