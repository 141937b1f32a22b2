"""One token a program: scores of groups one after the other, the best groups, then k times the best expert left.

Source: ours; the plainest kernel that is right.
"""

import torch
import triton
import triton.language as tl

WARPS = 4  # tune: choice 1 2 4 8


@triton.jit
def _gate(
    logits,
    bias,
    weights,
    ids,
    EXPERTS: tl.constexpr,
    K: tl.constexpr,
    GROUPS: tl.constexpr,
    TOP_GROUPS: tl.constexpr,
    COLUMNS: tl.constexpr,
    PLACES: tl.constexpr,
    SLOTS: tl.constexpr,
):
    row = tl.program_id(0)
    columns = tl.arange(0, COLUMNS)
    inside = columns < EXPERTS
    x = tl.load(logits + row * EXPERTS + columns, mask=inside, other=0.0).to(tl.float32)
    scores = 1.0 / (1.0 + tl.exp(-x))
    biased = tl.where(inside, scores + tl.load(bias + columns, mask=inside, other=0.0), float("-inf"))

    # A group's score: its largest biased score and, that one struck out, the next.
    group_of = columns // (EXPERTS // GROUPS)
    places = tl.arange(0, PLACES)
    group_scores = tl.full([PLACES], float("-inf"), dtype=tl.float32)
    for group in range(GROUPS):
        members = tl.where(group_of == group, biased, float("-inf"))
        best = tl.max(members, axis=0)
        others = tl.where(columns == tl.argmax(members, axis=0), float("-inf"), members)
        group_scores = tl.where(places == group, best + tl.max(others, axis=0), group_scores)

    left = tl.full([COLUMNS], float("-inf"), dtype=tl.float32)
    for _ in range(TOP_GROUPS):
        group = tl.argmax(group_scores, axis=0)
        left = tl.where(group_of == group, biased, left)
        group_scores = tl.where(places == group, float("-inf"), group_scores)

    slots = tl.arange(0, SLOTS)
    chosen = tl.zeros([SLOTS], dtype=tl.float32)
    for j in range(K):
        best = tl.argmax(left, axis=0)
        tl.store(ids + row * K + j, best)
        chosen = tl.where(slots == j, tl.sum(tl.where(columns == best, scores, 0.0), axis=0), chosen)
        left = tl.where(columns == best, float("-inf"), left)
    tl.store(weights + row * K + slots, chosen / tl.sum(chosen, axis=0), mask=slots < K)


def topk_gating_grouped(logits, bias, k, groups, top_groups):
    """Shares of the chosen experts' scores, and the experts, the best by biased score first."""
    tokens, experts = logits.shape
    weights = torch.empty((tokens, k), dtype=torch.float32, device=logits.device)
    ids = torch.empty((tokens, k), dtype=torch.int32, device=logits.device)
    _gate[(tokens,)](
        logits,
        bias,
        weights,
        ids,
        EXPERTS=experts,
        K=k,
        GROUPS=groups,
        TOP_GROUPS=top_groups,
        COLUMNS=triton.next_power_of_2(experts),
        PLACES=triton.next_power_of_2(groups),
        SLOTS=triton.next_power_of_2(k),
        num_warps=WARPS,
    )
    return weights, ids
