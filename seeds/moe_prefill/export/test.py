"""Checks MODULE against plain PyTorch. Needs torch, triton, pytest and a GPU: python -m pytest test_MODULE.py"""

import pytest
import torch
from MODULE import moe_prefill

SHAPES = [
    (0, 2, 4, 64, 64),
    (1, 2, 8, 128, 64),
    (1000, 8, 128, 2048, 768),
    (777, 2, 8, 4096, 1792),
    (2050, 3, 5, 320, 192),
    (1500, 8, 256, 512, 128),
]

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU: torch sees none")


def draw(kind, tokens, k, experts, hidden, inner):
    """Arguments of one kind, on the GPU."""
    generator = torch.Generator("cuda").manual_seed(tokens + hidden)

    def normal(*shape):
        return torch.randn(shape, generator=generator, device="cuda")

    chances = torch.rand((tokens, experts), generator=generator, device="cuda")
    if kind == "crowded":
        chances[:, :k] += 1
    weights = torch.rand((tokens, k), generator=generator, device="cuda")
    return {
        "x": normal(tokens, hidden).bfloat16(),
        "w13": (normal(experts, 2 * inner, hidden) / hidden**0.5).bfloat16(),
        "w2": (normal(experts, hidden, inner) / inner**0.5).bfloat16(),
        "weights": weights * (weights < 0.5) if kind == "zeros" else weights,
        "ids": chances.topk(k, dim=1).indices.int(),
    }


def exact(x, w13, w2, weights, ids):
    """The result in float64, expert by expert."""
    y = torch.zeros(x.shape, dtype=torch.float64, device="cuda")
    for expert in range(w2.shape[0]):
        token, place = (ids == expert).nonzero(as_tuple=True)
        gate, up = (x[token].double() @ w13[expert].double().t()).chunk(2, dim=1)
        rows = (torch.nn.functional.silu(gate) * up) @ w2[expert].double().t()
        y.index_add_(0, token, rows * weights[token, place].double().unsqueeze(-1))
    return y


@pytest.mark.parametrize("kind", ["even", "crowded", "zeros"])
@pytest.mark.parametrize("shape", SHAPES)
def test_rows_are_right_as_far_as_bfloat16_goes(shape, kind):
    given = draw(kind, *shape)
    kept = {name: value.clone() for name, value in given.items()}
    y = moe_prefill(**given)
    assert y.shape == given["x"].shape
    assert y.dtype == torch.bfloat16
    assert all(torch.equal(given[name], value) for name, value in kept.items())
    right = exact(**given)
    assert bool(((y.double() - right).norm(dim=1) <= 0.02 * right.norm(dim=1)).all())
