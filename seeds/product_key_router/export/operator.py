"""MODULE as a PyTorch operator, MODULE::product_key_router: the same call, also in torch.compile, export, CUDA graphs.

It is opaque: the compiler asks the fake kernel below for types and shapes of the results, for any number of rows,
and leaves the call as it is, since the program's host code chooses its launches by plain integers at every call.
Results are new tensors; there is no gradient. Needs torch 2.6 or newer and triton, and Python where it runs.
"""

import torch
from MODULE import product_key_router as _program


def _require(a, b, k):
    """Refuse what the program was never judged on; types and shapes alone, so that the fake kernel does it too."""
    torch._check(a.dim() == b.dim() == 2, lambda: "product_key_router: a and b must be [rows, side]")
    for name, axis in (("a", a), ("b", b)):
        torch._check(
            axis.dtype == torch.bfloat16,
            lambda name=name, axis=axis: f"product_key_router: {name} must be torch.bfloat16, not {axis.dtype}",
        )
    side = a.shape[1]
    torch._check(b.device == a.device, lambda: f"product_key_router: b lies on {b.device}, not on {a.device}")
    torch._check(b.shape[0] == a.shape[0], lambda: "product_key_router: a and b must have one shape")
    torch._check(b.shape[1] == side, lambda: "product_key_router: a and b must have one shape")
    torch._check(side <= 4096, lambda: f"product_key_router: an axis has {side} scores, 4096 at most")
    torch._check(1 <= k <= 64, lambda: f"product_key_router: k must be 1 to 64, not {k}")
    torch._check(k <= side, lambda: f"product_key_router: k is {k}, but an axis has {side} scores")
    torch._check(
        a.numel() < 2**31, lambda: "product_key_router: 2**31 scores or more; kernels count in int32: split the rows"
    )


@torch.library.custom_op("MODULE::product_key_router", mutates_args=())
def product_key_router(a: torch.Tensor, b: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The k largest sums of one score of either axis of each row, falling, and their pairs.

    Takes a and b bfloat16 [T, S], finite, S <= 4096, and 1 <= k <= min(S, 64). Gives scores float32 [T, k] and ids
    int32 [T, k]: scores[t, n] = a[t, i] + b[t, j] in float32, where ids[t, n] = i * S + j.
    """
    _require(a, b, k)
    with torch.cuda.device_of(a):
        scores, ids = _program(a=a.contiguous(), b=b.contiguous(), k=k)
    # An operator's results may share no memory, and a program may have cut both from one buffer.
    if scores.untyped_storage().data_ptr() == ids.untyped_storage().data_ptr():
        ids = ids.clone()
    return scores, ids


@product_key_router.register_fake
def _(a, b, k):
    _require(a, b, k)
    shape = (a.shape[0], k)
    return a.new_empty(shape, dtype=torch.float32), a.new_empty(shape, dtype=torch.int32)
