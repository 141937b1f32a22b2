"""Checks MODULE against plain PyTorch. Needs torch, triton, pytest and a GPU: python -m pytest test_MODULE.py"""

import pytest
import torch
from MODULE import hadamard_quant

ROWS = [0, 1, 63, 65, 512, 4099, 20000]

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU: torch sees none")


def draw(kind, rows):
    """Vectors of one kind, on the GPU."""
    generator = torch.Generator("cuda").manual_seed(rows)
    normal = torch.randn((rows, 128), generator=generator, device="cuda")
    kinds = {
        "normal": normal,
        "shifted": normal + 3,
        "binary": (normal > 0).float(),
        "zeros": normal * (normal[:, :1] > 0),
        "tiny": normal * 2.0**-30,
    }
    return kinds[kind].bfloat16()


def rotation():
    """Sylvester's Hadamard matrix over the root of its size, float64."""
    matrix = torch.ones((1, 1), dtype=torch.float64, device="cuda")
    while len(matrix) < 128:
        matrix = torch.cat((torch.cat((matrix, matrix), 1), torch.cat((matrix, -matrix), 1)))
    return matrix / 128**0.5


@pytest.mark.parametrize("kind", ["normal", "shifted", "binary", "zeros", "tiny"])
@pytest.mark.parametrize("rows", ROWS)
def test_codes_and_scales_are_those_of_the_rotated_vectors(rows, kind):
    x = draw(kind, rows)
    kept = x.clone()
    codes, scale = hadamard_quant(x=x)
    assert codes.shape == (rows, 64)
    assert scale.shape == (rows,)
    assert codes.dtype == torch.uint8
    assert scale.dtype == torch.float32
    assert torch.equal(x, kept)
    rotated = x.double() @ rotation()
    exact = rotated.abs().amax(dim=1) / 7
    torch.testing.assert_close(scale.double(), exact, rtol=1e-5, atol=0)
    steps = torch.where(exact > 0, 1 / exact, 0.0)[:, None] * rotated
    found = torch.stack((codes & 15, codes >> 4), dim=-1).flatten(1).to(torch.int32)
    found = torch.where(found > 7, found - 16, found)
    assert bool(((found - steps).abs() <= 0.5001).all())
