"""One token a program: softmax in float32, then k times the largest score that is left.

Source: ours; the plainest kernel that is right.
"""

import torch
import triton
import triton.language as tl

WARPS = 4  # tune: choice 1 2 4 8


@triton.jit
def _gate(logits, weights, ids, EXPERTS: tl.constexpr, K: tl.constexpr, COLUMNS: tl.constexpr):
    row = tl.program_id(0)
    columns = tl.arange(0, COLUMNS)
    x = tl.load(logits + row * EXPERTS + columns, mask=columns < EXPERTS, other=float("-inf")).to(tl.float32)
    scores = tl.exp(x - tl.max(x, axis=0))
    scores = scores / tl.sum(scores, axis=0)
    # A score may be 0, so what is taken, or lies beside the row, must be less.
    scores = tl.where(columns < EXPERTS, scores, -1.0)
    for j in range(K):
        best = tl.argmax(scores, axis=0)
        tl.store(weights + row * K + j, tl.max(scores, axis=0))
        tl.store(ids + row * K + j, best)
        scores = tl.where(columns == best, -1.0, scores)


def topk_gating(logits, k):
    """Softmax scores of the k best experts of each token, falling, and the experts' numbers."""
    tokens, experts = logits.shape
    weights = torch.empty((tokens, k), dtype=torch.float32, device=logits.device)
    ids = torch.empty((tokens, k), dtype=torch.int32, device=logits.device)
    columns = triton.next_power_of_2(experts)
    _gate[(tokens,)](logits, weights, ids, EXPERTS=experts, K=k, COLUMNS=columns, num_warps=WARPS)
    return weights, ids
