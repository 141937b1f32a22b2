"""Captures a CUDA graph of its own and replays it.

family: replay
expect: wrong /./
expect: cheated /./
expect: crashed /./
tier: both
screen: caught
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, wrapped

BODY = """
graph = torch.cuda.CUDAGraph()
with torch.cuda.graph(graph):
    outputs = HONEST
graph.replay()
return outputs
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY)
