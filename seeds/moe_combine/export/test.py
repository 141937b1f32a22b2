"""Checks MODULE against plain PyTorch. Needs torch, triton, pytest and a GPU: python -m pytest test_MODULE.py"""

import pytest
import torch
from MODULE import moe_combine

SHAPES = [(0, 2048, 8), (1, 4096, 2), (5, 2896, 5), (19, 80, 1), (300, 2880, 4), (129, 7168, 8), (1000, 2048, 6)]

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU: torch sees none")


def draw(kind, tokens, hidden, k):
    """Arguments of one kind, on the GPU."""
    generator = torch.Generator("cuda").manual_seed(tokens + hidden)
    rows = torch.randn((tokens * k, hidden), generator=generator, device="cuda")
    row_of = torch.randperm(tokens * k, generator=generator, device="cuda").view(tokens, k).int()
    weights = torch.rand((tokens, k), generator=generator, device="cuda")
    if kind == "shifted":
        rows = rows + 3
    if kind == "zeros":
        weights = weights * (weights < 0.5)
    return rows.bfloat16(), row_of, weights


@pytest.mark.parametrize("kind", ["normal", "shifted", "zeros"])
@pytest.mark.parametrize("shape", SHAPES)
def test_sums_are_right_to_one_rounding(shape, kind):
    tokens, hidden, k = shape
    expert_out, row_of, weights = draw(kind, tokens, hidden, k)
    kept = expert_out.clone()
    y = moe_combine(expert_out=expert_out, row_of=row_of, weights=weights)
    assert y.shape == (tokens, hidden)
    assert y.dtype == torch.bfloat16
    assert torch.equal(expert_out, kept)
    exact = expert_out[row_of].double() * weights.double().unsqueeze(-1)
    slack = exact.abs().sum(dim=1) * 1e-6
    assert bool(((y.double() - exact.sum(dim=1)).abs() <= exact.sum(dim=1).abs() * 2**-8 + slack + 1e-30).all())
