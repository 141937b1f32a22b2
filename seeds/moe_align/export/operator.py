"""MODULE as a PyTorch operator, MODULE::moe_align: the same call, also in torch.compile, torch.export, CUDA graphs.

It is opaque: the compiler asks the fake kernel below for types and shapes of the results, for any number of tokens,
and leaves the call as it is, since the program's host code chooses its launches by plain integers at every call.
Results are new tensors; there is no gradient. Needs torch 2.6 or newer and triton, and Python where it runs.
"""

import torch
from MODULE import moe_align as _program


def _require(ids, num_experts, block):
    """Refuse what the program was never judged on; types and shapes alone, so that the fake kernel does it too."""
    torch._check(ids.dim() == 2, lambda: f"moe_align: ids must be [tokens, k], not {ids.dim()}-d")
    torch._check(ids.dtype == torch.int32, lambda: f"moe_align: ids must be torch.int32, not {ids.dtype}")
    k = ids.shape[1]
    torch._check(k >= 1, lambda: "moe_align: ids must be [tokens, k] with k of 1 at least")
    torch._check(1 <= num_experts <= 1024, lambda: f"moe_align: num_experts must be 1 to 1024, not {num_experts}")
    torch._check(k <= num_experts, lambda: f"moe_align: k is {k}, but there are {num_experts} experts")
    torch._check(
        block in (8, 16, 32, 64, 128, 256),
        lambda: f"moe_align: block must be a power of two from 8 to 256, not {block}",
    )
    torch._check(ids.numel() < 2**30, lambda: "moe_align: 2**30 ids or more; kernels count in int32: split the tokens")


@torch.library.custom_op("MODULE::moe_align", mutates_args=())
def moe_align(ids: torch.Tensor, num_experts: int, block: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Rows sorted by expert and padded to blocks, every block's expert, and how many places are taken.

    Takes ids int32 [T, k] in 0 .. num_experts - 1, which is not checked: a number beyond writes outside of the results.
    Gives sorted_rows int32 [P], block_expert int32 [P / block], num_padded int32 [1], with
    P = ceil((T * k + min(num_experts, T * k) * (block - 1)) / block) * block: rows t * k + j, expert after expert, in
    any order within one, each expert's padded with T * k to whole blocks; beyond num_padded[0] sorted_rows is T * k and
    block_expert -1.
    """
    _require(ids, num_experts, block)
    with torch.cuda.device_of(ids):
        results = _program(ids=ids.contiguous(), num_experts=num_experts, block=block)
    # An operator's results may share no memory, and a program may have cut them from one buffer.
    if len({result.untyped_storage().data_ptr() for result in results}) < len(results):
        results = tuple(result.clone() for result in results)
    return results


@moe_align.register_fake
def _(ids, num_experts, block):
    _require(ids, num_experts, block)
    rows = ids.numel()
    blocks = (rows + torch.sym_min(num_experts, rows) * (block - 1) + block - 1) // block
    return ids.new_empty((blocks * block,)), ids.new_empty((blocks,)), ids.new_empty((1,))
