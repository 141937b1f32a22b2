"""Checks MODULE against plain PyTorch. Needs torch, triton, pytest and a GPU: python -m pytest test_MODULE.py"""

import pytest
import torch
from MODULE import swiglu

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU: torch sees none")


@pytest.mark.parametrize(("tokens", "width"), [(0, 768), (1, 768), (37, 60), (1000, 1408)])
def test_it_is_silu_of_the_gate_times_up(tokens, width):
    gate_up = torch.randn(tokens, 2 * width, device="cuda").bfloat16()
    gate, up = gate_up.double().chunk(2, dim=1)
    y = swiglu(gate_up=gate_up)
    assert y.dtype == torch.bfloat16
    torch.testing.assert_close(y.double(), gate * torch.sigmoid(gate) * up, rtol=2**-7, atol=1e-30)
