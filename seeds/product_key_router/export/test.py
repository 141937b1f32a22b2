"""Checks MODULE against plain PyTorch. Needs torch, triton, pytest and a GPU: python -m pytest test_MODULE.py"""

import pytest
import torch
from MODULE import product_key_router

SHAPES = [(0, 64, 16), (1, 512, 32), (37, 60, 5), (3, 8, 8), (5, 33, 1), (1000, 64, 16), (333, 256, 8), (65, 1024, 16)]

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU: torch sees none")


def draw(kind, rows, side):
    """Scores of both axes of one kind, on the GPU."""
    generator = torch.Generator("cuda").manual_seed(rows + side)
    axes = []
    for sign in (1, -1):
        normal = torch.randn((rows, side), generator=generator, device="cuda")
        kinds = {"normal": normal, "cancelling": normal + sign * 300, "sharp": normal * 12, "ties": normal.round()}
        axes.append(kinds[kind].bfloat16())
    return axes


@pytest.mark.parametrize("kind", ["normal", "cancelling", "sharp", "ties"])
@pytest.mark.parametrize("shape", SHAPES)
def test_pairs_are_the_best_and_scores_their_sums(shape, kind):
    rows, side, k = shape
    a, b = draw(kind, rows, side)
    kept = a.clone(), b.clone()
    scores, ids = product_key_router(a=a, b=b, k=k)
    assert scores.shape == ids.shape == (rows, k)
    assert scores.dtype == torch.float32
    assert ids.dtype == torch.int32
    assert torch.equal(a, kept[0])
    assert torch.equal(b, kept[1])
    assert torch.equal(scores, a.float().gather(1, ids.long() // side) + b.float().gather(1, ids.long() % side))
    for start in range(0, rows, 64):
        part = slice(start, start + 64)
        every = (a[part].float()[:, :, None] + b[part].float()[:, None, :]).flatten(1)
        assert torch.equal(scores[part], torch.topk(every, k, dim=1).values)
    ordered = ids.sort(dim=1).values
    assert bool((ordered[:, 1:] != ordered[:, :-1]).all())
