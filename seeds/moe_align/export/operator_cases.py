"""What the operator of MODULE is tested and timed with: sizes, arguments, and plain PyTorch to compare with."""

import MODULE
import MODULE_operator
import torch

OPERATOR, PROGRAM = MODULE_operator.moe_align, MODULE.moe_align
AXES = ("tokens", "experts", "k", "block")
SMALL = ((0, 64, 6, 16), (1, 128, 8, 64), (37, 60, 5, 8), (3, 8, 8, 256), (129, 1, 1, 16), (70, 16, 4, 32))
# They differ in the number of tokens alone, so that one compiled graph must do for all of them.
STRETCHED = ((5, 16, 4, 16), (9, 16, 4, 16), (33, 16, 4, 16))
TIMED = ((16, 64, 6, 16), (256, 128, 8, 64), (4096, 8, 2, 128), (4096, 128, 8, 64), (16384, 128, 8, 64))


def arguments(tokens, experts, k, block, device):
    """Arguments of one size; experts that nobody chose are among them."""
    logits = torch.randn((tokens, experts), device=device) - 0.05 * torch.arange(experts, device=device)
    return {"ids": logits.topk(k, dim=1).indices.int(), "num_experts": experts, "block": block}


def reference(ids, num_experts, block):
    """Plain PyTorch: one stable sort."""
    rows = ids.numel()
    places = -(-(rows + min(num_experts, rows) * (block - 1)) // block) * block
    chosen = ids.flatten().long()
    counts = torch.zeros(num_experts, dtype=torch.int64, device=ids.device)
    counts = counts.scatter_add(0, chosen, torch.ones_like(chosen))
    padded = (counts + block - 1) // block * block
    ends = padded.cumsum(0)
    by_expert, order = chosen.sort(stable=True)
    shift = (ends - padded) - (counts.cumsum(0) - counts)
    place = torch.arange(rows, device=ids.device) + shift[by_expert]
    sorted_rows = torch.full((places,), rows, dtype=torch.int32, device=ids.device).scatter(0, place, order.int())
    starts = torch.arange(0, places, block, device=ids.device)
    owner = torch.searchsorted(ends, starts, right=True)
    return sorted_rows, torch.where(starts < ends[-1], owner, -1).int(), ends[-1:].int()


def check(given, found):
    """Hold results to plain PyTorch, up to the order of rows within an expert."""
    sorted_rows, block_expert, num_padded = found
    right_rows, right_experts, right_padded = reference(**given)
    assert torch.equal(num_padded, right_padded)
    assert torch.equal(block_expert, right_experts)
    rows, block = given["ids"].numel(), given["block"]
    assert sorted_rows.shape == right_rows.shape
    # By section first, then by row: what lies within a section may come in any order, but padding comes last.
    owner = right_experts.repeat_interleave(block).long()
    keys = [owner * (rows + 1) + each.long() for each in (sorted_rows, right_rows)]
    assert torch.equal(keys[0].sort().values, keys[1].sort().values)
    assert torch.equal(sorted_rows == rows, right_rows == rows)


def refused(device):
    """Arguments that must be refused, each with a word of the message."""
    right = arguments(4, 16, 2, 16, device)
    yield {**right, "ids": right["ids"].long()}, "int32"
    yield {**right, "ids": right["ids"][0]}, "tokens, k"
    yield {**right, "num_experts": 1}, "1 experts"
    yield {**right, "num_experts": 1025}, "1 to 1024"
    yield {**right, "block": 24}, "power of two"
