"""Times MODULE and eager PyTorch on the GPU, as CUDA graphs with a cold cache. Needs torch and triton.

Scores of the problem itself come from shapes drawn in secret (see provenance.json).
"""

import statistics

import torch
from MODULE import moe_combine

SHAPES = [(16, 2048, 8), (128, 4096, 2), (256, 7168, 8), (2048, 2048, 6), (4096, 4096, 8)]
REPEATS = 30
FLUSH_BYTES = 512 << 20


def eager(expert_out, row_of, weights):
    """Plain PyTorch."""
    return (expert_out[row_of].float() * weights.unsqueeze(-1)).sum(dim=1).to(expert_out.dtype)


def microseconds(function, flush):
    """Median time of one call in a graph, the cache flushed by reading before each."""
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        for _ in range(3):
            function()
    stream.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        function()
    times = []
    for _ in range(REPEATS):
        flush.sum()
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        graph.replay()
        end.record()
        end.synchronize()
        times.append(1000 * begin.elapsed_time(end))
    return statistics.median(times)


def main():
    """Print one line for each shape."""
    if not torch.cuda.is_available():
        raise SystemExit("benchmark.py needs a CUDA GPU: torch sees none")
    flush = torch.ones(FLUSH_BYTES // 4, device="cuda", dtype=torch.float32)
    print(f"{'tokens':>8} {'hidden':>8} {'k':>3} {'MODULE us':>12} {'eager us':>10} {'GB/s':>8}")
    for tokens, hidden, k in SHAPES:
        given = {
            "expert_out": torch.randn(tokens * k, hidden, device="cuda", dtype=torch.bfloat16),
            "row_of": torch.randperm(tokens * k, device="cuda").view(tokens, k).int(),
            "weights": torch.rand(tokens, k, device="cuda"),
        }
        ours = microseconds(lambda given=given: moe_combine(**given), flush)
        theirs = microseconds(lambda given=given: eager(**given), flush)
        moved = tokens * (2 * hidden * (k + 1) + 8 * k)
        print(f"{tokens:8} {hidden:8} {k:3} {ours:12.1f} {theirs:10.1f} {moved / ours / 1000:8.0f}")


if __name__ == "__main__":
    main()
