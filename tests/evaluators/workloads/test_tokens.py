from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from evaluators.workloads.generator import GeneratorConfig
from evaluators.workloads.tokens import TokenConfig, generate_tokens

V2_LITE = TokenConfig(popularity=GeneratorConfig(layers=26, experts=64, top_k=6))
SMALL = TokenConfig(popularity=GeneratorConfig(layers=4, experts=64, top_k=6))
SEED = bytes(range(32))


def visits(ids: np.ndarray, experts: int = 64) -> np.ndarray:
    """Whether a token visits an expert, ``(tokens, layers, experts)``."""
    result = np.zeros((*ids.shape[:2], experts), dtype=bool)
    np.put_along_axis(result, ids.astype(np.int64), True, axis=2)
    return result


def overlap(config: TokenConfig, seed: int, tokens: int = 1024) -> float:
    seen = visits(generate_tokens(config, np.random.default_rng(seed), tokens=tokens))
    return float((seen[1:] & seen[:-1]).sum(axis=2).mean())


@pytest.mark.parametrize("tokens", [1, 63, 64, 65, 200])
def test_every_token_visits_different_experts_in_rising_order(tokens: int) -> None:
    ids = generate_tokens(SMALL, SEED, tokens=tokens)
    assert ids.dtype == np.uint16
    assert ids.shape == (tokens, 4, 6)
    assert ids.max() < 64
    assert (np.diff(ids.astype(np.int64), axis=2) > 0).all()


def test_a_seed_gives_one_trace() -> None:
    first = generate_tokens(SMALL, SEED, tokens=100)
    np.testing.assert_array_equal(first, generate_tokens(SMALL, SEED, tokens=100))
    assert not np.array_equal(first, generate_tokens(SMALL, bytes(32), tokens=100))


def test_consecutive_tokens_share_about_1_7_of_6_experts() -> None:
    found = [overlap(V2_LITE, seed) for seed in range(5)]
    assert 1.6 < np.median(found) < 1.85
    assert min(found) > 1.5
    assert max(found) < 2.0


def test_repetition_is_what_makes_neighbours_alike() -> None:
    independent = dataclasses.replace(V2_LITE, repeat_probability=0.0, affinity=0.0)
    assert overlap(independent, 1) < 1.15
    assert overlap(dataclasses.replace(SMALL, repeat_probability=1.0, sequence_tokens=512), 1) > 5.9


def test_experts_prefer_successors_in_the_next_layer() -> None:
    def lift(config: TokenConfig) -> float:
        """Mean log ratio of P(next | expert) to P(next) for each expert's four likeliest successors."""
        seen = visits(generate_tokens(config, SEED, tokens=4096)).astype(np.float64)
        joint = seen[:, 1].T @ seen[:, 2] / np.maximum(seen[:, 1].sum(axis=0), 1)[:, None]
        ratio = np.log((joint + 1e-3) / (seen[:, 2].mean(axis=0) + 1e-3))
        return float(np.sort(ratio, axis=1)[:, -4:].mean())

    assert lift(SMALL) > lift(dataclasses.replace(SMALL, affinity=0.0)) + 0.4


def test_group_limited_tokens_stay_in_four_of_eight_groups() -> None:
    grouped = GeneratorConfig(layers=3, experts=256, top_k=8, groups=8, top_groups=4)
    ids = generate_tokens(TokenConfig(popularity=grouped), SEED, tokens=200)
    used = [len(set(row // 32)) for row in ids.reshape(-1, 8)]
    assert max(used) == 4
    free = dataclasses.replace(grouped, top_groups=8)
    ids = generate_tokens(TokenConfig(popularity=free), SEED, tokens=200)
    assert max(len(set(row // 32)) for row in ids.reshape(-1, 8)) > 4


@pytest.mark.parametrize("changes", [{"repeat_probability": 1.1}, {"successors": 65}, {"sequence_tokens": 0}])
def test_choices_that_cannot_be_sampled_are_refused(changes: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="got"):
        dataclasses.replace(SMALL, **changes)


def test_no_tokens_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one token"):
        generate_tokens(SMALL, SEED, tokens=0)
