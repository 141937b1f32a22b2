"""MODULE as a PyTorch operator, MODULE::topk_gating: the same call, also in torch.compile, torch.export, CUDA graphs.

It is opaque: the compiler asks the fake kernel below for types and shapes of the results, for any number of tokens,
and leaves the call as it is, since the program's host code chooses its launches by plain integers at every call.
Results are new tensors; there is no gradient. Needs torch 2.6 or newer and triton, and Python where it runs.
"""

import torch
from MODULE import topk_gating as _program


def _require(logits, k):
    """Refuse what the program was never judged on; types and shapes alone, so that the fake kernel does it too."""
    torch._check(logits.dim() == 2, lambda: f"topk_gating: logits must be [tokens, experts], not {logits.dim()}-d")
    torch._check(
        logits.dtype == torch.bfloat16, lambda: f"topk_gating: logits must be torch.bfloat16, not {logits.dtype}"
    )
    experts = logits.shape[1]
    torch._check(k >= 1, lambda: f"topk_gating: k must be 1 at least, not {k}")
    torch._check(k <= experts, lambda: f"topk_gating: k is {k}, but there are {experts} experts")
    torch._check(
        logits.numel() < 2**31, lambda: "topk_gating: 2**31 logits or more; kernels count in int32: split the tokens"
    )


@torch.library.custom_op("MODULE::topk_gating", mutates_args=())
def topk_gating(logits: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Softmax scores of the k best experts of each token, falling, and the experts' numbers.

    Takes logits bfloat16 [T, E], finite, and 1 <= k <= E. Gives weights float32 [T, k] and ids int32 [T, k]:
    weights[t, j] is the score of expert ids[t, j] among all E, not renormalised.
    """
    _require(logits, k)
    with torch.cuda.device_of(logits):
        weights, ids = _program(logits=logits.contiguous(), k=k)
    # An operator's results may share no memory, and a program may have cut both from one buffer.
    if weights.untyped_storage().data_ptr() == ids.untyped_storage().data_ptr():
        ids = ids.clone()
    return weights, ids


@topk_gating.register_fake
def _(logits, k):
    _require(logits, k)
    shape = (logits.shape[0], k)
    return logits.new_empty(shape, dtype=torch.float32), logits.new_empty(shape, dtype=torch.int32)
