"""What the operator of MODULE is tested and timed with: sizes, arguments, and plain PyTorch to compare with."""

import MODULE
import MODULE_operator
import torch

OPERATOR, PROGRAM = MODULE_operator.hadamard_quant, MODULE.hadamard_quant
AXES = ("rows",)
SMALL = ((0,), (1,), (63,), (65,), (130,))
# One compiled graph must do for all of them.
STRETCHED = ((5,), (9,), (67,))
TIMED = ((32,), (512,), (4096,), (32768,), (131072,))


def arguments(rows, device):
    """Arguments of one size; a row of zeros is among them."""
    x = torch.randn((rows, 128), device=device)
    x[1:2] = 0
    return {"x": x.bfloat16()}


def _signs(device, dtype):
    at = torch.arange(128, device=device)
    both = at[:, None] & at[None, :]
    ones = sum(both >> bit & 1 for bit in range(7))
    return (1 - 2 * (ones & 1)).to(dtype)


def reference(x):
    """Plain PyTorch."""
    rotated = x.float() @ _signs(x.device, torch.float32)
    peak = rotated.abs().amax(dim=1)
    codes = torch.round(rotated * torch.where(peak > 0, 7 / peak, 0.0)[:, None]).to(torch.int32) & 15
    return (codes[:, 0::2] | codes[:, 1::2] << 4).to(torch.uint8), peak / (7 * 128**0.5)


def check(given, found):
    """Hold results to a rotation in float64; a code may be either neighbour where float32 cannot tell them apart."""
    codes, scale = found
    rotated = given["x"].double() @ _signs(given["x"].device, torch.float64) / 128**0.5
    exact = rotated.abs().amax(dim=1) / 7
    torch.testing.assert_close(scale.double(), exact, rtol=1e-5, atol=0)
    steps = rotated * torch.where(exact > 0, 1 / exact, 0.0)[:, None]
    nibbles = torch.stack((codes & 15, codes >> 4), dim=-1).flatten(1).to(torch.int32)
    nibbles = torch.where(nibbles > 7, nibbles - 16, nibbles)
    assert bool(((nibbles - steps).abs() <= 0.5001).all())


def refused(device):
    """Arguments that must be refused, each with a word of the message."""
    right = arguments(4, device)["x"]
    yield {"x": right.float()}, "bfloat16"
    yield {"x": right[0]}, "1-d"
    yield {"x": right[:, :64]}, "128 values"
