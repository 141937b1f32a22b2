"""MODULE as a PyTorch operator, MODULE::topk_gating_grouped: the same call, also in torch.compile, export, CUDA graphs.

It is opaque: the compiler asks the fake kernel below for types and shapes of the results, for any number of tokens,
and leaves the call as it is, since the program's host code chooses its launches by plain integers at every call.
Results are new tensors; there is no gradient. Needs torch 2.6 or newer and triton, and Python where it runs.
"""

import torch
from MODULE import topk_gating_grouped as _program


def _require(logits, bias, k, groups, top_groups):
    """Refuse what the program was never judged on; types and shapes alone, so that the fake kernel does it too."""
    name = "topk_gating_grouped"
    torch._check(logits.dim() == 2, lambda: f"{name}: logits must be [tokens, experts], not {logits.dim()}-d")
    experts = logits.shape[1]
    torch._check(logits.dtype == torch.bfloat16, lambda: f"{name}: logits must be torch.bfloat16, not {logits.dtype}")
    torch._check(bias.dim() == 1, lambda: f"{name}: bias must be [experts], not {bias.dim()}-d")
    torch._check(bias.shape[0] == experts, lambda: f"{name}: bias must have {experts} values, not {bias.shape[0]}")
    torch._check(bias.dtype == torch.float32, lambda: f"{name}: bias must be torch.float32, not {bias.dtype}")
    torch._check(bias.device == logits.device, lambda: f"{name}: bias lies on {bias.device}, not on {logits.device}")
    torch._check(groups >= 1, lambda: f"{name}: groups must be 1 at least, not {groups}")
    torch._check(experts % groups == 0, lambda: f"{name}: {experts} experts do not make {groups} equal groups")
    size = experts // groups
    torch._check(size >= 2, lambda: f"{name}: a group must have two experts at least, not {size}")
    torch._check(
        1 <= top_groups <= groups, lambda: f"{name}: top_groups is {top_groups}, but there are {groups} groups"
    )
    torch._check(k >= 1, lambda: f"{name}: k must be 1 at least, not {k}")
    torch._check(k <= top_groups * size, lambda: f"{name}: k is {k}, but {top_groups * size} experts are kept")
    torch._check(
        logits.numel() < 2**31, lambda: f"{name}: 2**31 logits or more; kernels count in int32: split the tokens"
    )


@torch.library.custom_op("MODULE::topk_gating_grouped", mutates_args=())
def topk_gating_grouped(
    logits: torch.Tensor, bias: torch.Tensor, k: int, groups: int, top_groups: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Shares of the chosen experts' sigmoid scores, and the experts, in any order.

    Takes logits bfloat16 [T, E] in -24 .. 24 and bias float32 [E], which is added for the choice alone: of the
    top_groups groups with the largest sums of two biased scores the k experts with the largest. Gives weights float32
    [T, k], which add up to 1 in every row, and ids int32 [T, k].
    """
    _require(logits, bias, k, groups, top_groups)
    with torch.cuda.device_of(logits):
        weights, ids = _program(
            logits=logits.contiguous(), bias=bias.contiguous(), k=k, groups=groups, top_groups=top_groups
        )
    # An operator's results may share no memory, and a program may have cut both from one buffer.
    if weights.untyped_storage().data_ptr() == ids.untyped_storage().data_ptr():
        ids = ids.clone()
    return weights, ids


@topk_gating_grouped.register_fake
def _(logits, bias, k, groups, top_groups):
    _require(logits, bias, k, groups, top_groups)
    shape = (logits.shape[0], k)
    return logits.new_empty(shape, dtype=torch.float32), logits.new_empty(shape, dtype=torch.int32)
