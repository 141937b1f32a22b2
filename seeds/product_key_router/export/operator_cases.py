"""What the operator of MODULE is tested and timed with: sizes, arguments, and plain PyTorch to compare with."""

import MODULE
import MODULE_operator
import torch

OPERATOR, PROGRAM = MODULE_operator.product_key_router, MODULE.product_key_router
AXES = ("rows", "side", "k")
SMALL = ((0, 64, 16), (1, 512, 32), (37, 60, 5), (3, 8, 8), (5, 33, 1), (9, 64, 16))
# They differ in the number of rows alone, so that one compiled graph must do for all of them.
STRETCHED = ((5, 64, 8), (9, 64, 8), (33, 64, 8))
TIMED = ((32, 256, 16), (256, 1024, 16), (8192, 64, 16), (4096, 512, 32), (16384, 512, 16))


def arguments(rows, side, k, device):
    """Arguments of one size; sums that tie are among them."""
    a, b = (torch.randn((rows, side), device=device).mul(4).bfloat16() for _ in range(2))
    return {"a": a, "b": b, "k": k}


def reference(a, b, k):
    """Plain PyTorch: the k best of either axis, then the k best of their sums."""
    best_a, rows = torch.topk(a, k, dim=1)
    best_b, columns = torch.topk(b, k, dim=1)
    sums = (best_a.float()[:, :, None] + best_b.float()[:, None, :]).flatten(1)
    scores, pairs = torch.topk(sums, k, dim=1)
    return scores, (rows.gather(1, pairs // k) * a.shape[1] + columns.gather(1, pairs % k)).int()


def check(given, found):
    """Hold scores to the largest sums exactly; of pairs that tie, any is right."""
    scores, ids = found
    side, pairs = given["a"].shape[1], ids.long()
    assert torch.equal(scores, reference(**given)[0])
    assert torch.equal(scores, given["a"].float().gather(1, pairs // side) + given["b"].float().gather(1, pairs % side))
    ordered = ids.sort(dim=1).values
    assert bool((ordered[:, 1:] != ordered[:, :-1]).all())


def refused(device):
    """Arguments that must be refused, each with a word of the message."""
    right = arguments(4, 16, 2, device)
    yield {**right, "a": right["a"].float()}, "bfloat16"
    yield {**right, "b": right["b"][:3]}, "one shape"
    yield {**right, "a": right["a"][0]}, "rows, side"
    yield {**right, "k": 0}, "1 to 64"
    yield {**right, "k": 17}, "16 scores"
