"""The generated routing against bands measured on recorded routing (DeepSeek-V2-Lite, ESFT; see docs/placement.md)."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest

from evaluators.placement.law import AffinityLaw, draw_router, route
from evaluators.workloads.trace_files import read_trace

TRACES = os.environ.get("EVOLVE_TRACES")
ESFT = Path(TRACES or ".") / "esft_dsv2lite_intent_summary.npz"

LAW = AffinityLaw(layers=20, experts=64, top_k=6, domains=2, sequence_tokens=32)

# Mean square contingency (sum of squared canonical correlations) of the experts of two layers, 1 and 16 layers apart,
# and expert max/mean. Measured: intent 1.32, 1.01, 3.8; summary 0.99, 0.71, 4.3.
NEAR, FAR, PEAK = (0.7, 1.6), (0.5, 1.3), (2.5, 5.6)


def sample(law: AffinityLaw, seed: int, sequences: int = 128) -> np.ndarray:
    rng = np.random.default_rng(seed)
    router = draw_router(law, rng)
    return route(router, np.zeros(sequences, dtype=np.int64), rng)


def contingency(ids: np.ndarray, experts: int, distance: int) -> float:
    """Mean over pairs of layers so far apart; what independent visits of as many tokens would show is taken off."""
    marks = np.zeros((*ids.shape[:2], experts), dtype=np.float32)
    np.put_along_axis(marks, ids.astype(np.int64), 1, axis=2)
    found = []
    for layer in range(0, ids.shape[1] - distance, 3):
        table = marks[:, layer].T @ marks[:, layer + distance]
        table /= table.sum()
        flat = np.outer(table.sum(axis=1), table.sum(axis=0))
        noise = (experts - 1) ** 2 / (len(ids) * ids.shape[2] ** 2)
        found.append(((table - flat) ** 2 / np.maximum(flat, 1e-12)).sum() - noise)
    return float(np.mean(found))


def peak(ids: np.ndarray, experts: int) -> float:
    loads = np.stack([np.bincount(layer.ravel(), minlength=experts) for layer in ids.transpose(1, 0, 2)])
    return float((loads.max(axis=1) / loads.mean(axis=1)).mean())


@pytest.mark.parametrize("seed", range(3))
def test_the_default_law_lies_in_the_measured_bands(seed: int) -> None:
    ids = sample(LAW, seed)
    near, far = contingency(ids, 64, 1), contingency(ids, 64, 16)
    assert NEAR[0] < near < NEAR[1]
    assert FAR[0] < far < FAR[1]
    assert far < near
    assert PEAK[0] < peak(ids, 64) < PEAK[1]


@pytest.mark.skipif(not ESFT.exists(), reason="EVOLVE_TRACES names no folder with the ESFT trace")
def test_recorded_routing_lies_in_the_same_bands() -> None:
    for sequences in read_trace(ESFT).domains.values():
        ids = np.concatenate([sequence.ids for sequence in sequences])
        assert NEAR[0] < contingency(ids, 64, 1) < NEAR[1]
        assert FAR[0] < contingency(ids, 64, 16) < FAR[1]
        assert PEAK[0] < peak(ids, 64) < PEAK[1]


def test_affinity_and_persistence_do_what_they_say() -> None:
    weak = dataclasses.replace(LAW, affinity=2.0, popularity_scale=1.0)
    assert contingency(sample(weak, 0), 64, 1) < 0.5 * contingency(sample(LAW, 0), 64, 1)
    fleeting = dataclasses.replace(LAW, persistence=0.8)
    assert contingency(sample(fleeting, 0), 64, 16) < 0.1


def test_visits_are_legal_and_repeatable() -> None:
    ids = sample(LAW, 1, sequences=4)
    assert ids.shape == (128, 20, 6)
    assert ids.dtype == np.uint16
    ordered = np.sort(ids, axis=2)
    assert (ordered[:, :, 1:] > ordered[:, :, :-1]).all()
    assert ordered.max() < 64
    assert np.array_equal(ids, sample(LAW, 1, sequences=4))


@pytest.mark.parametrize(
    "wrong", [{"top_k": 64}, {"persistence": 1.5}, {"word_share": 0.8, "sequence_share": 0.3}, {"words": 0}]
)
def test_a_law_that_cannot_be_sampled_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="got AffinityLaw"):
        dataclasses.replace(LAW, **wrong)
