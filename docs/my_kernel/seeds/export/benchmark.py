"""Times MODULE and eager PyTorch on the GPU. Needs torch and triton."""

import torch
import triton
from MODULE import swiglu


def eager(gate_up):
    """Plain PyTorch."""
    gate, up = gate_up.chunk(2, dim=1)
    return torch.nn.functional.silu(gate) * up


def main():
    """Print one line for each shape."""
    if not torch.cuda.is_available():
        raise SystemExit("benchmark.py needs a CUDA GPU: torch sees none")
    print(f"{'tokens':>8} {'width':>8} {'MODULE us':>12} {'eager us':>10}")
    for tokens, width in [(64, 768), (256, 768), (4096, 1408), (16384, 1792)]:
        gate_up = torch.randn(tokens, 2 * width, device="cuda", dtype=torch.bfloat16)
        ours, theirs = (
            1000 * triton.testing.do_bench(lambda run=run, given=gate_up: run(given)) for run in (swiglu, eager)
        )
        print(f"{tokens:8} {width:8} {ours:12.1f} {theirs:10.1f}")


if __name__ == "__main__":
    main()
