"""What the operator of MODULE is tested and timed with: sizes, arguments, and plain PyTorch to compare with."""

import MODULE
import MODULE_operator
import torch

OPERATOR, PROGRAM = MODULE_operator.topk_gating_grouped, MODULE.topk_gating_grouped
AXES = ("tokens", "experts", "k", "groups", "kept")
SMALL = ((0, 256, 8, 8, 4), (1, 256, 8, 8, 4), (37, 60, 4, 5, 2), (3, 8, 8, 4, 4), (9, 64, 6, 1, 1))
# They differ in the number of tokens alone, so that one compiled graph must do for all of them.
STRETCHED = ((5, 64, 6, 4, 2), (9, 64, 6, 4, 2), (33, 64, 6, 4, 2))
TIMED = ((32, 256, 8, 8, 4), (256, 256, 8, 8, 4), (4096, 256, 8, 8, 4), (16384, 64, 6, 1, 1), (32768, 256, 8, 8, 4))


def arguments(tokens, experts, k, groups, top_groups, device):
    """Arguments of one size; the bias keeps scores apart that tie as bfloat16."""
    return {
        "logits": torch.randn((tokens, experts), device=device).bfloat16(),
        "bias": torch.randn((experts,), device=device) * 0.1,
        "k": k,
        "groups": groups,
        "top_groups": top_groups,
    }


def _chosen(biased, k, groups, top_groups):
    tokens, experts = biased.shape
    by_group = biased.view(tokens, groups, experts // groups)
    kept = by_group.topk(2, dim=2).values.sum(dim=2).topk(top_groups, dim=1).indices
    shut = torch.ones((tokens, groups), dtype=torch.bool, device=biased.device).scatter(1, kept, False)
    return by_group.masked_fill(shut[:, :, None], -torch.inf).view(tokens, experts).topk(k, dim=1)


def reference(logits, bias, k, groups, top_groups):
    """Plain PyTorch."""
    scores = torch.sigmoid(logits.float())
    ids = _chosen(scores + bias, k, groups, top_groups).indices
    weights = scores.gather(1, ids)
    return weights / weights.sum(dim=1, keepdim=True), ids.to(torch.int32)


def check(given, found):
    """Hold results to the rule in float64; of groups that nearly tie any is right: a row in a thousand may differ."""
    weights, ids = found
    scores = torch.sigmoid(given["logits"].double())
    biased = scores + given["bias"].double()
    best = _chosen(biased, given["k"], given["groups"], given["top_groups"]).values
    chosen = biased.gather(1, ids.long()).sort(dim=1, descending=True).values
    assert int(((chosen - best).abs() > 1e-5).any(dim=1).sum()) <= len(ids) // 1000
    right = scores.gather(1, ids.long())
    torch.testing.assert_close(weights.double(), right / right.sum(dim=1, keepdim=True), rtol=1e-4, atol=0)
    ordered = ids.sort(dim=1).values
    assert bool((ordered[:, 1:] != ordered[:, :-1]).all())


def refused(device):
    """Arguments that must be refused, each with a word of the message."""
    right = arguments(4, 16, 2, 4, 2, device)
    yield {**right, "logits": right["logits"].float()}, "bfloat16"
    yield {**right, "logits": right["logits"][0]}, "tokens, experts"
    yield {**right, "bias": right["bias"][:15]}, "16 values"
    yield {**right, "bias": right["bias"].bfloat16()}, "float32"
    yield {**right, "groups": 3}, "3 equal groups"
    yield {**right, "groups": 16}, "two experts"
    yield {**right, "top_groups": 5}, "4 groups"
    yield {**right, "k": 0}, "1 at least"
    yield {**right, "k": 9}, "8 experts"
