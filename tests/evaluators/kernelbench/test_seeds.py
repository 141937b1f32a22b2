"""The seeds that come along for ten KernelBench files, in Triton's interpreter against PyTorch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("triton")

SEEDS = Path(__file__).parents[3] / "docs" / "kernelbench"

PROGRAM = """
import importlib.util, sys, torch
torch.manual_seed(0)
torch.backends.mkldnn.enabled = False
F = torch.nn.functional
x, m = torch.randn(3, 5000), torch.randn(70, 70)
cases = {
    "19_ReLU": ((x,), torch.relu),
    "1_Square_matrix_multiplication_": ((m, m + 1), torch.matmul),
    "23_Softmax": ((x * 5,), lambda x: torch.softmax(x, 1)),
    "26_GELU_": ((x,), F.gelu),
    "36_RMSNorm_": ((torch.randn(2, 5, 3, 7),), lambda x: x / (x.pow(2).mean(1, keepdim=True) + 1e-5).sqrt()),
    "40_LayerNorm": (
        (torch.randn(2, 3, 40, 90) + 9, torch.randn(3, 40, 90), torch.randn(3, 40, 90)),
        lambda x, weight, bias: F.layer_norm(x, x.shape[1:], weight, bias),
    ),
    "47_Sum_reduction_over_a_dimension": ((torch.randn(2, 37, 150),), lambda x: x.sum(1, keepdim=True)),
    "4_Matrix_vector_multiplication_": ((x, torch.randn(5000, 1)), torch.matmul),
    "88_MinGPTNewGelu": ((x * 6,), lambda x: F.gelu(x, approximate="tanh")),
    "89_cumsum": ((x,), lambda x: x.cumsum(1)),
    "94_MSELoss": ((x, x.flip(0)), F.mse_loss),
}
for path in sys.argv[1:]:
    name = path.rpartition("/")[2].removesuffix(".seed.py")
    spec = importlib.util.spec_from_file_location("seed", path)
    seed = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(seed)
    given, function = cases.pop(name)
    got, right = seed.forward(*given), function(*(each.double() for each in given))
    assert got.shape == right.shape and got.dtype == torch.float32, name
    off = ((got - right).abs() / (right.abs() + right.abs().mean())).max()
    assert off < 1e-5, (name, float(off))
assert not cases, f"no seed for {list(cases)}"
"""


def test_every_seed_is_right(tmp_path: Path) -> None:
    (tmp_path / "try.py").write_text(PROGRAM, encoding="utf-8")
    command = [sys.executable, str(tmp_path / "try.py"), *map(str, sorted(SEEDS.glob("*.seed.py")))]
    environment = {**os.environ, "TRITON_INTERPRET": "1", "CUDA_VISIBLE_DEVICES": ""}
    told = subprocess.run(command, capture_output=True, text=True, timeout=250, check=False, env=environment)
    assert told.returncode == 0, told.stderr[-2000:]
