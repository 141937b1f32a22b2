"""Times MODULE and eager PyTorch on the GPU, as CUDA graphs with a cold cache. Needs torch and triton.

Scores of the problem itself come from shapes drawn in secret (see provenance.json).
"""

import statistics

import torch
from MODULE import topk_gating_grouped

# Tokens, experts, k, groups, groups kept.
SHAPES = [(32, 256, 8, 8, 4), (256, 256, 8, 8, 4), (4096, 256, 8, 8, 4), (16384, 64, 6, 1, 1), (32768, 256, 8, 8, 4)]
REPEATS = 30
FLUSH_BYTES = 512 << 20


def eager(logits, bias, k, groups, top_groups):
    """Plain PyTorch."""
    tokens, experts = logits.shape
    scores = torch.sigmoid(logits.float())
    by_group = (scores + bias).view(tokens, groups, experts // groups)
    kept = by_group.topk(2, dim=2).values.sum(dim=2).topk(top_groups, dim=1).indices
    shut = torch.ones((tokens, groups), dtype=torch.bool, device=logits.device).scatter(1, kept, False)
    ids = by_group.masked_fill(shut[:, :, None], -torch.inf).view(tokens, experts).topk(k, dim=1).indices
    weights = scores.gather(1, ids)
    return weights / weights.sum(dim=1, keepdim=True), ids.to(torch.int32)


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
    print(f"{'tokens':>8} {'experts':>8} {'k':>3} {'groups':>7} {'MODULE us':>12} {'eager us':>10} {'GB/s':>8}")
    for tokens, experts, k, groups, top_groups in SHAPES:
        given = {
            "logits": torch.randn(tokens, experts, device="cuda", dtype=torch.bfloat16),
            "bias": torch.randn(experts, device="cuda") * 0.05,
            "k": k,
            "groups": groups,
            "top_groups": top_groups,
        }
        ours = microseconds(lambda given=given: topk_gating_grouped(**given), flush)
        theirs = microseconds(lambda given=given: eager(**given), flush)
        moved = tokens * (2 * experts + 8 * k) + 4 * experts
        print(f"{tokens:8} {experts:8} {k:3} {groups:7} {ours:12.1f} {theirs:10.1f} {moved / ours / 1000:8.0f}")


if __name__ == "__main__":
    main()
