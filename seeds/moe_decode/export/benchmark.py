"""Times MODULE and eager PyTorch on the GPU, as CUDA graphs with a cold cache. Needs torch and triton.

Scores of the problem itself come from shapes and contents drawn in secret (see provenance.json). What is eager here
gathers the chosen experts' weights, or lets all experts do all tokens where that is less to read.
"""

import statistics

import torch
from MODULE import moe_decode

# k, experts, hidden, inner.
QWEN, OLMOE, MIXTRAL = (8, 128, 2048, 768), (8, 64, 2048, 1024), (2, 8, 4096, 1792)
SHAPES = [(1, QWEN), (8, QWEN), (64, QWEN), (256, QWEN), (1, OLMOE), (64, OLMOE), (1, MIXTRAL), (64, MIXTRAL)]
REPEATS = 30
FLUSH_BYTES = 512 << 20


def eager(x, w13, w2, weights, ids):
    """Plain PyTorch."""
    tokens, k = ids.shape
    experts, hidden, inner = w2.shape
    if tokens * k < experts:
        both = torch.matmul(w13[ids], x[:, None, :, None]).squeeze(-1)
        h = torch.nn.functional.silu(both[..., :inner]) * both[..., inner:]
        rows = torch.matmul(w2[ids], h.unsqueeze(-1)).squeeze(-1)
        return (rows.float() * weights.unsqueeze(-1)).sum(dim=1).to(x.dtype)
    shares = torch.zeros((tokens, experts), device=x.device).scatter(1, ids.long(), weights)
    both = torch.matmul(x, w13.transpose(1, 2))
    h = torch.nn.functional.silu(both[..., :inner]) * both[..., inner:] * shares.t().unsqueeze(-1)
    h = h.to(x.dtype).transpose(0, 1).reshape(tokens, experts * inner)
    return torch.matmul(h, w2.transpose(1, 2).reshape(experts * inner, hidden))


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


def draw(tokens, k, experts, hidden, inner):
    """Arguments of one size."""
    return {
        "x": torch.randn((tokens, hidden), device="cuda").bfloat16(),
        "w13": (torch.randn((experts, 2 * inner, hidden), device="cuda") / hidden**0.5).bfloat16(),
        "w2": (torch.randn((experts, hidden, inner), device="cuda") / inner**0.5).bfloat16(),
        "weights": torch.rand((tokens, k), device="cuda"),
        "ids": torch.rand((tokens, experts), device="cuda").topk(k, dim=1).indices.int(),
    }


def main():
    """Print one line for each shape."""
    if not torch.cuda.is_available():
        raise SystemExit("benchmark.py needs a CUDA GPU: torch sees none")
    flush = torch.ones(FLUSH_BYTES // 4, device="cuda", dtype=torch.float32)
    print("  tokens   k  experts   hidden  inner    MODULE us   eager us     GB/s")
    for tokens, model in SHAPES:
        given = draw(tokens, *model)
        ours = microseconds(lambda given=given: moe_decode(**given), flush)
        theirs = microseconds(lambda given=given: eager(**given), flush)
        k, experts, hidden, inner = model
        read = given["ids"].unique().numel() * 3 * hidden * inner * 2
        figure = (read + 4 * tokens * hidden) / ours / 1000
        print(f"{tokens:8} {k:3} {experts:8} {hidden:8} {inner:6} {ours:12.1f} {theirs:10.1f} {figure:8.0f}")


if __name__ == "__main__":
    main()
