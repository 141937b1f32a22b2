from __future__ import annotations

import numpy as np
import pytest

from evaluators.request_router.sessions import AGENT, CONVERSATION, DOCUMENT, Arrivals, Kind, draw_requests
from evaluators.request_router.traffic import BLOCK_TOKENS, Request

CALM = Arrivals(burst=2.0, burst_share=0.2, burst_seconds=8.0, swing=0.2, churn_seconds=0.0)


def draw(kind: Kind, count: int, seed: int = 0, arrivals: Arrivals = CALM) -> list[Request]:
    return draw_requests([(1.0, kind)], arrivals, 5.0, count, np.random.default_rng(seed))


def found_cached(requests: list[Request]) -> float:
    """Share of blocks that an endless cache finds."""
    known: set[int] = set()
    hits = 0
    for request in requests:
        hits += next((depth for depth, block in enumerate(request.blocks) if block not in known), len(request.blocks))
        known.update(request.blocks)
    return hits / sum(len(request.blocks) for request in requests)


@pytest.mark.parametrize(
    ("kind", "tokens", "output", "cached"),
    # Mooncake, FAST 2025: conversation, tool and agent, synthetic.
    [(CONVERSATION, 12_035, 343, 0.40), (AGENT, 8_596, 182, 0.59), (DOCUMENT, 15_325, 149, 0.66)],
    ids=["conversation", "agent", "document"],
)
def test_kinds_lie_near_published_traces(kind: Kind, tokens: int, output: int, cached: float) -> None:
    requests = [request for seed in range(4) for request in draw(kind, 900, seed)]
    assert np.mean([request.input_tokens for request in requests]) == pytest.approx(tokens, rel=0.2)
    assert np.mean([request.output_tokens for request in requests]) == pytest.approx(output, rel=0.2)
    assert found_cached(requests) == pytest.approx(cached, abs=0.12)


def test_prompts_are_well_formed() -> None:
    requests = draw(AGENT, 400)
    assert [request.arrival_seconds for request in requests] == sorted(r.arrival_seconds for r in requests)
    parents: dict[int, int | None] = {}
    for request in requests:
        assert len(request.blocks) == -(-request.input_tokens // BLOCK_TOKENS)
        before: int | None = None
        for block in request.blocks:
            assert parents.setdefault(block, before) == before, "a hash stands for one prefix"
            before = block


def test_shared_prompts_are_unequally_popular() -> None:
    firsts = [request.blocks[0] for request in draw(AGENT, 1000)]
    counts = np.sort(np.unique(firsts, return_counts=True)[1])[::-1]
    assert counts[0] > 4 * np.median(counts)


def test_bursts_are_bursts() -> None:
    steady = Arrivals(burst=1.0, burst_share=0.2, burst_seconds=8.0, swing=0.0, churn_seconds=0.0)
    bursty = Arrivals(burst=6.0, burst_share=0.15, burst_seconds=8.0, swing=0.0, churn_seconds=0.0)

    def spread(arrivals: Arrivals) -> float:
        moments = [request.arrival_seconds for request in draw(AGENT, 1500, 1, arrivals)]
        counts = np.histogram(moments, bins=np.arange(moments[0], moments[-1], 4.0))[0]
        return float(counts.var() / counts.mean())

    assert spread(bursty) > 2 * spread(steady)
