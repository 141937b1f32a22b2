"""What the operator of MODULE is tested and timed with: sizes, arguments, and plain PyTorch to compare with."""

import MODULE
import MODULE_operator
import torch

OPERATOR, PROGRAM = MODULE_operator.topk_gating, MODULE.topk_gating
AXES = ("tokens", "experts", "k")
SMALL = ((0, 64, 6), (1, 128, 8), (37, 60, 4), (5, 256, 8), (3, 8, 8))
# They differ in the number of tokens alone, so that one compiled graph must do for all of them.
STRETCHED = ((5, 64, 6), (9, 64, 6), (33, 64, 6))
TIMED = ((32, 128, 8), (256, 128, 8), (4096, 256, 8), (16384, 64, 6), (32768, 128, 8))


def arguments(tokens, experts, k, device):
    """Arguments of one size; logits that tie are among them."""
    return {"logits": torch.randn((tokens, experts), device=device).mul(4).bfloat16(), "k": k}


def reference(logits, k):
    """Plain PyTorch."""
    weights, ids = torch.topk(torch.softmax(logits, dim=1, dtype=torch.float32), k, dim=1)
    return weights, ids.to(torch.int32)


def check(given, found):
    """Hold results to a softmax in float64; of experts that tie, any is right."""
    weights, ids = found
    scores = torch.softmax(given["logits"].double(), dim=1)
    best = torch.topk(scores, given["k"], dim=1).values
    torch.testing.assert_close(weights.double(), best, rtol=1e-4, atol=1e-30)
    torch.testing.assert_close(weights.double(), scores.gather(1, ids.long()), rtol=1e-4, atol=1e-30)
    ordered = ids.sort(dim=1).values
    assert bool((ordered[:, 1:] != ordered[:, :-1]).all())


def refused(device):
    """Arguments that must be refused, each with a word of the message."""
    right = arguments(4, 16, 2, device)
    yield {**right, "logits": right["logits"].float()}, "bfloat16"
    yield {**right, "logits": right["logits"][0]}, "tokens, experts"
    yield {**right, "k": 0}, "1 at least"
    yield {**right, "k": 17}, "16 experts"
