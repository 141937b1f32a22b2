"""Times MODULE and eager PyTorch on the GPU, as CUDA graphs with a cold cache. Needs torch and triton.

Scores of the problem itself come from shapes drawn in secret (see provenance.json).
"""

import statistics

import torch
from MODULE import hadamard_quant

ROWS = [32, 512, 4096, 32768, 131072]
REPEATS = 30
FLUSH_BYTES = 512 << 20


def rotation():
    """Sylvester's Hadamard matrix of 1 and -1."""
    matrix = torch.ones((1, 1), device="cuda")
    while len(matrix) < 128:
        matrix = torch.cat((torch.cat((matrix, matrix), 1), torch.cat((matrix, -matrix), 1)))
    return matrix


def eager(x, matrix):
    """Plain PyTorch."""
    rotated = x.float() @ matrix
    peak = rotated.abs().amax(dim=1)
    codes = torch.round(rotated * torch.where(peak > 0, 7 / peak, 0.0)[:, None]).to(torch.int32) & 15
    return (codes[:, 0::2] | codes[:, 1::2] << 4).to(torch.uint8), peak / (7 * 128**0.5)


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
    """Print one line for each number of rows."""
    if not torch.cuda.is_available():
        raise SystemExit("benchmark.py needs a CUDA GPU: torch sees none")
    flush = torch.ones(FLUSH_BYTES // 4, device="cuda", dtype=torch.float32)
    matrix = rotation()
    print(f"{'rows':>8} {'MODULE us':>12} {'eager us':>10} {'GB/s':>8}")
    for rows in ROWS:
        x = torch.randn(rows, 128, device="cuda", dtype=torch.bfloat16)
        ours = microseconds(lambda x=x: hadamard_quant(x=x), flush)
        theirs = microseconds(lambda x=x: eager(x, matrix), flush)
        print(f"{rows:8} {ours:12.1f} {theirs:10.1f} {rows * 324 / ours / 1000:8.0f}")


if __name__ == "__main__":
    main()
