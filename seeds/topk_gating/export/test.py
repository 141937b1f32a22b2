"""Checks MODULE against plain PyTorch. Needs torch, triton, pytest and a GPU: python -m pytest test_MODULE.py"""

import pytest
import torch
from MODULE import topk_gating

SHAPES = [(0, 64, 6), (1, 128, 8), (37, 60, 4), (256, 128, 8), (1000, 8, 2), (777, 256, 8), (33, 512, 10), (3, 8, 8)]

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU: torch sees none")


def draw(kind, tokens, experts):
    """Logits of one kind, on the GPU."""
    generator = torch.Generator("cuda").manual_seed(tokens + experts)
    normal = torch.randn((tokens, experts), generator=generator, device="cuda")
    kinds = {"normal": normal, "shifted": normal + 200, "sharp": normal * 12, "ties": (normal > 0).float()}
    return kinds[kind].bfloat16()


@pytest.mark.parametrize("kind", ["normal", "shifted", "sharp", "ties"])
@pytest.mark.parametrize("shape", SHAPES)
def test_scores_and_experts_are_those_of_a_softmax(shape, kind):
    tokens, experts, k = shape
    logits = draw(kind, tokens, experts)
    kept = logits.clone()
    weights, ids = topk_gating(logits=logits, k=k)
    assert weights.shape == ids.shape == (tokens, k)
    assert weights.dtype == torch.float32
    assert ids.dtype == torch.int32
    assert torch.equal(logits, kept)
    scores = torch.softmax(logits.double(), dim=1)
    torch.testing.assert_close(weights.double(), torch.topk(scores, k, dim=1).values, rtol=1e-4, atol=1e-30)
    torch.testing.assert_close(weights.double(), scores.gather(1, ids.long()), rtol=1e-4, atol=1e-30)
    ordered = ids.sort(dim=1).values
    assert bool((ordered[:, 1:] != ordered[:, :-1]).all())
