"""Times MODULE and eager PyTorch on the GPU, as CUDA graphs with a cold cache. Needs torch and triton.

Scores of the problem itself come from shapes drawn in secret (see provenance.json).
"""

import statistics

import torch
from MODULE import topk_gating

SHAPES = [(32, 128, 8), (256, 128, 8), (4096, 256, 8), (16384, 64, 6), (32768, 128, 8)]
REPEATS = 30
FLUSH_BYTES = 512 << 20


def eager(logits, k):
    """Plain PyTorch."""
    weights, ids = torch.topk(torch.softmax(logits, dim=1, dtype=torch.float32), k, dim=1)
    return weights, ids.to(torch.int32)


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
    print(f"{'tokens':>8} {'experts':>8} {'k':>3} {'MODULE us':>12} {'eager us':>10} {'GB/s':>8}")
    for tokens, experts, k in SHAPES:
        logits = torch.randn(tokens, experts, device="cuda", dtype=torch.bfloat16)
        ours = microseconds(lambda logits=logits, k=k: topk_gating(logits=logits, k=k), flush)
        theirs = microseconds(lambda logits=logits, k=k: eager(logits, k), flush)
        moved = tokens * (2 * experts + 8 * k)
        print(f"{tokens:8} {experts:8} {k:3} {ours:12.1f} {theirs:10.1f} {moved / ours / 1000:8.0f}")


if __name__ == "__main__":
    main()
