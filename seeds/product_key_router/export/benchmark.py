"""Times MODULE and eager PyTorch on the GPU, as CUDA graphs with a cold cache. Needs torch and triton.

Scores of the problem itself come from shapes drawn in secret (see provenance.json).
"""

import statistics

import torch
from MODULE import product_key_router

SHAPES = [(32, 256, 16), (256, 1024, 16), (8192, 64, 16), (4096, 512, 32), (16384, 512, 16)]
REPEATS = 30
FLUSH_BYTES = 512 << 20


def eager(a, b, k):
    """Plain PyTorch: the k best of either axis, then the k best of their sums."""
    best_a, rows = torch.topk(a, k, dim=1)
    best_b, columns = torch.topk(b, k, dim=1)
    sums = (best_a.float()[:, :, None] + best_b.float()[:, None, :]).flatten(1)
    scores, pairs = torch.topk(sums, k, dim=1)
    return scores, (rows.gather(1, pairs // k) * a.shape[1] + columns.gather(1, pairs % k)).int()


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
    print(f"{'rows':>8} {'side':>8} {'k':>3} {'MODULE us':>12} {'eager us':>10} {'GB/s':>8}")
    for rows, side, k in SHAPES:
        given = {name: torch.randn(rows, side, device="cuda", dtype=torch.bfloat16) for name in ("a", "b")}
        ours = microseconds(lambda given=given, k=k: product_key_router(**given, k=k), flush)
        theirs = microseconds(lambda given=given, k=k: eager(**given, k=k), flush)
        moved = rows * (4 * side + 8 * k)
        print(f"{rows:8} {side:8} {k:3} {ours:12.1f} {theirs:10.1f} {moved / ours / 1000:8.0f}")


if __name__ == "__main__":
    main()
