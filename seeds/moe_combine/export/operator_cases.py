"""What the operator of MODULE is tested and timed with: sizes, arguments, and plain PyTorch to compare with."""

import os

import MODULE
import MODULE_operator
import torch

OPERATOR, PROGRAM = MODULE_operator.moe_combine, MODULE.moe_combine
AXES = ("tokens", "hidden", "k")
SMALL = ((0, 64, 8), (1, 4096, 2), (5, 2896, 5), (19, 80, 1), (11, 256, 8))
# They differ in the number of tokens alone, so that one compiled graph must do for all of them.
STRETCHED = ((5, 96, 4), (9, 96, 4), (33, 96, 4))
TIMED = ((16, 2048, 8), (128, 4096, 2), (256, 7168, 8), (2048, 2048, 6), (4096, 4096, 8))
# Error of rounding to bfloat16, relative. Triton's interpreter cuts off instead, up to one unit in the last place.
ROUNDING = 2**-7 if os.environ.get("TRITON_INTERPRET") == "1" else 2**-8


def arguments(tokens, hidden, k, device):
    """Arguments of one size."""
    return {
        "expert_out": torch.randn((tokens * k, hidden), device=device).bfloat16(),
        "row_of": torch.randperm(tokens * k, device=device).view(tokens, k).int(),
        "weights": torch.rand((tokens, k), device=device),
    }


def reference(expert_out, row_of, weights):
    """Plain PyTorch."""
    return (expert_out[row_of].float() * weights.unsqueeze(-1)).sum(dim=1).to(expert_out.dtype)


def check(given, found):
    """Hold sums to float64, up to one rounding and what float32 additions may cost."""
    exact = given["expert_out"][given["row_of"]].double() * given["weights"].double().unsqueeze(-1)
    slack = exact.abs().sum(dim=1) * 1e-6 + 1e-30
    exact = exact.sum(dim=1)
    assert bool(((found.double() - exact).abs() <= exact.abs() * ROUNDING + slack).all())


def refused(device):
    """Arguments that must be refused, each with a word of the message."""
    right = arguments(4, 32, 2, device)
    yield {**right, "expert_out": right["expert_out"].float()}, "bfloat16"
    yield {**right, "row_of": right["row_of"].long()}, "int32"
    yield {**right, "weights": right["weights"][:3]}, "one shape"
    yield {**right, "expert_out": right["expert_out"][:7]}, "8 rows"
    yield {**right, "expert_out": right["expert_out"][:, :24]}, "multiple of 16"
