"""Checks MODULE against plain PyTorch. Needs torch, triton, pytest and a GPU: python -m pytest test_MODULE.py"""

import pytest
import torch
from MODULE import topk_gating_grouped

# Tokens, experts, k, groups, groups kept.
SHAPES = [
    (0, 256, 8, 8, 4),
    (1, 256, 8, 8, 4),
    (37, 60, 4, 5, 2),
    (5, 16, 2, 8, 3),
    (3, 8, 8, 4, 4),
    (777, 256, 8, 8, 4),
    (333, 384, 8, 1, 1),
    (1000, 64, 6, 1, 1),
]

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU: torch sees none")


def draw(kind, tokens, experts):
    """Logits and bias of one kind, on the GPU; no two biased scores are nearly equal but for chance."""
    generator = torch.Generator("cuda").manual_seed(tokens + experts)
    normal = torch.randn((tokens, experts), generator=generator, device="cuda")
    bias = torch.randn((experts,), generator=generator, device="cuda")
    kinds = {
        "normal": (normal, bias * 0.1),
        "negative": (normal - 3, bias * 0.1 - 3),
        "biased": (normal, bias * 2),
        "low": (normal - 12, bias * 0),
    }
    logits, bias = kinds[kind]
    return logits.bfloat16(), bias


def chosen(biased, k, groups, top_groups):
    """Least biased score of those that the rule chooses, and the groups it keeps, in float64."""
    tokens, experts = biased.shape
    by_group = biased.view(tokens, groups, experts // groups)
    kept = by_group.topk(2, dim=2).values.sum(dim=2).topk(top_groups, dim=1).indices
    mask = torch.zeros((tokens, groups), dtype=torch.bool, device=biased.device).scatter(1, kept, True)
    return by_group.masked_fill(~mask[:, :, None], -torch.inf).view(tokens, experts).topk(k, dim=1).values


@pytest.mark.parametrize("kind", ["normal", "negative", "biased", "low"])
@pytest.mark.parametrize("shape", SHAPES)
def test_weights_and_experts_are_those_of_the_rule(shape, kind):
    tokens, experts, k, groups, top_groups = shape
    logits, bias = draw(kind, tokens, experts)
    kept = logits.clone()
    weights, ids = topk_gating_grouped(logits=logits, bias=bias, k=k, groups=groups, top_groups=top_groups)
    assert weights.shape == ids.shape == (tokens, k)
    assert weights.dtype == torch.float32
    assert ids.dtype == torch.int32
    assert torch.equal(logits, kept)
    scores = torch.sigmoid(logits.double())
    biased = scores + bias.double()
    found = biased.gather(1, ids.long()).sort(dim=1, descending=True).values
    best = chosen(biased, k, groups, top_groups)
    # Groups of nearly equal scores may be exchanged: rare, so that a row in a thousand may differ.
    differ = ((found - best).abs() > 1e-6 * best.abs().clamp_min(1e-6)).any(dim=1)
    assert int(differ.sum()) <= tokens // 1000
    right = scores.gather(1, ids.long())
    torch.testing.assert_close(weights.double(), right / right.sum(dim=1, keepdim=True), rtol=1e-4, atol=0)
    ordered = ids.sort(dim=1).values
    assert bool((ordered[:, 1:] != ordered[:, :-1]).all())
