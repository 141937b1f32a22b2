"""Times the operator of MODULE beside plain PyTorch, eager and compiled. Needs torch, triton and a CUDA GPU.

In microseconds. As CUDA graphs with a cold cache, one call each: `operator`, `eager`, `compiled` (plain PyTorch under
torch.compile, for this size alone); `ratio` is compiled over operator. Without a graph, many calls in a row, warm, the
Python around each included: `op calls`, `module calls` (what the operator is made of) and `compiled calls`.
Scores of the problem itself come from shapes drawn in secret (see provenance.json).
"""

import statistics
import time

import torch
from MODULE_cases import AXES, OPERATOR, PROGRAM, TIMED, arguments, check, reference

REPEATS = 30
CALLS = 200
FLUSH_BYTES = 512 << 20
COLUMNS = ("operator", "eager", "compiled", "ratio", "op calls", "module calls", "compiled calls")


def in_graph(function, flush):
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


def in_a_row(function):
    """Time of one of many calls from Python, until the GPU has done them all."""
    for _ in range(3):
        function()
    torch.cuda.synchronize()
    began = time.perf_counter()
    for _ in range(CALLS):
        function()
    torch.cuda.synchronize()
    return 1e6 * (time.perf_counter() - began) / CALLS


def row(size, flush):
    """Figures of one size, in the order of COLUMNS."""
    torch.compiler.reset()
    given = arguments(*size, "cuda")
    check(given, OPERATOR(**given))
    compiled = torch.compile(reference, fullgraph=True, dynamic=False)
    graphs = [in_graph(lambda call=call: call(**given), flush) for call in (OPERATOR, reference, compiled)]
    calls = [in_a_row(lambda call=call: call(**given)) for call in (OPERATOR, PROGRAM, compiled)]
    return (*graphs, graphs[2] / graphs[0], *calls)


def main():
    """Print one line for each size."""
    if not torch.cuda.is_available():
        raise SystemExit("benchmark_operator.py needs a CUDA GPU: torch sees none")
    flush = torch.ones(FLUSH_BYTES // 4, device="cuda", dtype=torch.float32)
    print(torch.cuda.get_device_name(), "torch", torch.__version__)
    print("".join(f"{axis:>8}" for axis in AXES), "".join(f"{column:>15}" for column in COLUMNS))
    for size in TIMED:
        figures = row(size, flush)
        print("".join(f"{length:8}" for length in size), "".join(f"{figure:15.1f}" for figure in figures))


if __name__ == "__main__":
    main()
