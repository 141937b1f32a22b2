"""Times MODULE and eager PyTorch on the GPU, as CUDA graphs with a cold cache. Needs torch and triton.

Scores of the problem itself come from shapes drawn in secret (see provenance.json).
"""

import statistics

import torch
from MODULE import moe_align

SHAPES = [(16, 64, 6, 16), (256, 128, 8, 64), (4096, 8, 2, 128), (4096, 128, 8, 64), (16384, 128, 8, 64)]
REPEATS = 30
FLUSH_BYTES = 512 << 20


def eager(ids, num_experts, block):
    """Plain PyTorch: one stable sort."""
    rows = ids.numel()
    places = -(-(rows + min(num_experts, rows) * (block - 1)) // block) * block
    chosen = ids.flatten().long()
    counts = torch.zeros(num_experts, dtype=torch.int64, device=ids.device)
    counts = counts.scatter_add(0, chosen, torch.ones_like(chosen))
    padded = (counts + block - 1) // block * block
    ends = padded.cumsum(0)
    by_expert, order = chosen.sort(stable=True)
    shift = (ends - padded) - (counts.cumsum(0) - counts)
    place = torch.arange(rows, device=ids.device) + shift[by_expert]
    sorted_rows = torch.full((places,), rows, dtype=torch.int32, device=ids.device).scatter(0, place, order.int())
    starts = torch.arange(0, places, block, device=ids.device)
    owner = torch.searchsorted(ends, starts, right=True)
    return sorted_rows, torch.where(starts < ends[-1], owner, -1).int(), ends[-1:].int()


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
    print(f"{'tokens':>8} {'experts':>8} {'k':>3} {'block':>6} {'MODULE us':>12} {'eager us':>10} {'ids/us':>8}")
    for tokens, experts, k, block in SHAPES:
        ids = torch.rand(tokens, experts, device="cuda").topk(k, dim=1).indices.int()
        given = {"ids": ids, "num_experts": experts, "block": block}
        ours = microseconds(lambda given=given: moe_align(**given), flush)
        theirs = microseconds(lambda given=given: eager(**given), flush)
        print(f"{tokens:8} {experts:8} {k:3} {block:6} {ours:12.1f} {theirs:10.1f} {tokens * k / ours:8.0f}")


if __name__ == "__main__":
    main()
