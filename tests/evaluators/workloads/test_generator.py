from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest

from evaluators.workloads.generator import (
    GeneratorConfig,
    derive_seed,
    generate,
    log_popularity,
    random_generator,
)
from evaluators.workloads.regimes import SIMPLE_REGIMES, MixConfig, Regime

SEED = bytes(range(32))
V2_LITE = GeneratorConfig(layers=26, experts=64, top_k=6)
SHAPES = {
    "26x64": V2_LITE,
    "36x128": GeneratorConfig(layers=36, experts=128, top_k=4),
    "48x128": GeneratorConfig(layers=48, experts=128, top_k=8),
    "58x256": GeneratorConfig(layers=58, experts=256, top_k=8, tokens_per_window=32768, sequences_per_window=64),
}


def expert_peak(loads: np.ndarray) -> np.ndarray:
    """Max over mean of expert load, per window and layer."""
    return loads.max(axis=2) / loads.mean(axis=2)


def gpu_peak(loads: np.ndarray, gpus: int = 8) -> np.ndarray:
    """Max over mean of GPU load with experts laid out in their order, per window and layer."""
    held = loads.reshape(*loads.shape[:2], gpus, -1).sum(axis=3)
    return held.max(axis=2) / held.mean(axis=2)


def draws(config: GeneratorConfig, regime: Regime, seeds: int) -> np.ndarray:
    return np.concatenate([generate(config, rng(s), regime=regime, windows=12) for s in range(seeds)])


def rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("regime", list(Regime))
def test_loads_are_whole_tokens_and_none_is_lost(shape: str, regime: Regime) -> None:
    config = SHAPES[shape]
    loads = generate(config, SEED, regime=regime, windows=4)
    assert loads.dtype == np.float32
    assert loads.shape == (4, config.layers, config.experts)
    np.testing.assert_array_equal(loads, np.round(loads))
    assert loads.min() >= 0
    assert loads.max() <= config.tokens_per_window
    assert (loads.sum(axis=2, dtype=np.float64) == config.tokens_per_window * config.top_k).all()


def test_a_seed_gives_one_stream() -> None:
    first = generate(V2_LITE, SEED, regime=Regime.ABRUPT, windows=5)
    np.testing.assert_array_equal(first, generate(V2_LITE, SEED, regime=Regime.ABRUPT, windows=5))
    other = generate(V2_LITE, derive_seed(SEED, "other"), regime=Regime.ABRUPT, windows=5)
    assert not np.array_equal(first, other)


def test_all_bytes_of_a_seed_count() -> None:
    for position in (0, 15, 31):
        changed = bytearray(SEED)
        changed[position] ^= 1
        assert random_generator(bytes(changed)).random() != random_generator(SEED).random()


def test_a_seed_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes, got 4"):
        generate(V2_LITE, b"1234", regime=Regime.ABRUPT, windows=5)


def test_derived_seeds_differ_by_label_and_by_secret() -> None:
    seeds = {derive_seed(secret, label) for secret in (SEED, bytes(32)) for label in ("a", "b")}
    assert len(seeds) == 4
    assert {len(seed) for seed in seeds} == {32}


# The bands come from DeepSeek-V2-Lite traces, whose windows of one domain peak at 2.1 to 6.7 (5 to 95 %).
@pytest.mark.parametrize("regime", SIMPLE_REGIMES)
def test_expert_peaks_lie_in_the_measured_band_at_the_traced_shape(regime: Regime) -> None:
    peaks = expert_peak(draws(V2_LITE, regime, 20))
    assert 3.3 < np.median(peaks) < 5.6
    assert ((peaks > 2.1) & (peaks < 6.7)).mean() > 0.8
    assert ((peaks > 3.3) & (peaks < 5.6)).mean() > 0.4


def test_peaks_of_a_stream_average_within_the_measured_band() -> None:
    averages = np.array(
        [
            expert_peak(generate(V2_LITE, rng(seed), regime=regime, windows=12)).mean()
            for seed in range(20)
            for regime in SIMPLE_REGIMES
        ]
    )
    assert ((averages > 3.3) & (averages < 5.6)).mean() > 0.8


@pytest.mark.parametrize("regime", SIMPLE_REGIMES)
def test_gpu_peaks_lie_in_the_measured_band_at_the_traced_shape(regime: Regime) -> None:
    peaks = gpu_peak(draws(V2_LITE, regime, 20))
    assert 1.3 < np.median(peaks) < 1.7
    assert ((peaks > 1.3) & (peaks < 1.7)).mean() > 0.5
    assert (peaks < 2.3).mean() > 0.98


def test_wider_routers_have_higher_expert_and_lower_gpu_peaks() -> None:
    wide = draws(SHAPES["58x256"], Regime.ABRUPT, 3)
    narrow = draws(V2_LITE, Regime.ABRUPT, 20)
    assert np.median(expert_peak(wide)) > np.median(expert_peak(narrow)) + 0.7
    assert np.median(gpu_peak(wide)) < 1.3


def test_domains_correlate_as_measured() -> None:
    correlations = []
    for seed in range(10):
        popularity = np.exp(log_popularity(V2_LITE, rng(seed)))
        shares = popularity / popularity.sum(axis=2, keepdims=True)
        by_domain = shares.transpose(1, 0, 2).reshape(V2_LITE.mix.domains, -1)
        correlations.append(np.corrcoef(by_domain)[np.triu_indices(V2_LITE.mix.domains, 1)])
    found = np.concatenate(correlations)
    assert ((found > 0.04) & (found < 0.23)).mean() > 0.95


def test_first_layers_are_flatter() -> None:
    spread = np.mean([log_popularity(V2_LITE, rng(seed)).std(axis=2).mean(axis=1) for seed in range(30)], axis=0)
    assert spread[:2].mean() == pytest.approx(0.8 * spread[2:].mean(), rel=0.06)


def bare(**changes: float) -> GeneratorConfig:
    """A law without drift, hot experts or sampling noise worth mentioning."""
    quiet = dataclasses.replace(
        V2_LITE,
        drift_sd=0.0,
        hot_probability=0.0,
        tokens_per_window=10**7,
        sequences_per_window=10**5,
        mix=MixConfig(domains=2, concentration=5.0),
    )
    return dataclasses.replace(quiet, **changes)


def steps(config: GeneratorConfig, windows: int = 30) -> np.ndarray:
    """Change of log load from window to window."""
    return np.diff(np.log(generate(config, SEED, regime=Regime.STATIONARY, windows=windows)), axis=0)


def test_drift_moves_log_popularity_by_two_percent_a_window() -> None:
    assert steps(bare()).std() < 0.006
    assert steps(bare(drift_sd=0.02)).std() == pytest.approx(0.02, rel=0.05)


def test_one_in_fifty_layers_has_a_hot_expert() -> None:
    jumps = np.abs(steps(bare(hot_probability=0.02, busiest_share=1.0), 200)).max(axis=2) > 0.5
    # A hot window shows as two steps, up and down.
    assert jumps.mean() == pytest.approx(0.04, abs=0.008)


def test_sampling_noise_has_the_declared_concentration() -> None:
    config = bare(sequences_per_window=16)
    loads = generate(config, SEED, regime=Regime.STATIONARY, windows=200)
    shares = loads / loads.sum(axis=2, keepdims=True)
    mean = shares.mean(axis=0)
    concentration = ((mean * (1 - mean)).sum() / shares.var(axis=0).sum()) - 1
    assert concentration == pytest.approx(16 * 2000, rel=0.05)


def test_no_expert_is_busier_than_allowed() -> None:
    config = bare(spread_low=3.0, spread_high=3.0, early_layers=0, busiest_share=0.5)
    loads = generate(config, SEED, regime=Regime.STATIONARY, windows=3)
    assert loads.max() < 0.51 * config.tokens_per_window
    assert (loads > 0.49 * config.tokens_per_window).sum(axis=2).min() >= 2


@pytest.mark.parametrize(
    "changes",
    [
        {"layers": 0},
        {"top_k": 64},
        {"groups": 5},
        {"groups": 8, "top_groups": 9},
        {"groups": 32, "top_groups": 2},
        {"domain_correlation": 1.5},
        {"drift_reversion": 0.0},
        {"busiest_share": 0.05},
        {"tokens_per_window": 0},
        {"sequence_concentration": 0.0},
    ],
)
def test_a_law_that_cannot_be_sampled_is_refused(changes: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"got GeneratorConfig"):
        dataclasses.replace(V2_LITE, **changes)


def test_a_stream_without_windows_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one window"):
        generate(V2_LITE, SEED, regime=Regime.ABRUPT, windows=0)


def test_the_public_trace_and_the_generator_agree() -> None:
    folder = os.environ.get("EVOLVE_TRACES")
    path = Path(folder or "") / "esft_dsv2lite_intent_summary.npz"
    if folder is None or not path.exists():
        pytest.skip("EVOLVE_TRACES names no folder with esft_dsv2lite_intent_summary.npz")
    with np.load(path, allow_pickle=False) as archive:
        domains = [archive[f"ids_{name}"] for name in ("intent", "summary")]
    experts, gpus, totals = [], [], []
    for ids in domains:
        layers = [np.bincount(ids[:, layer].ravel(), minlength=64) for layer in range(ids.shape[1])]
        loads = np.stack(layers)[None].astype(np.float64)
        experts.append(np.median(expert_peak(loads)))
        gpus.append(np.median(gpu_peak(loads)))
        totals.append(loads.ravel() / loads.sum())
    assert all(3.3 < peak < 5.6 for peak in experts)
    assert all(1.3 < peak < 1.7 for peak in gpus)
    assert 0.04 < np.corrcoef(totals)[0, 1] < 0.23
    ours = draws(V2_LITE, Regime.STATIONARY, 20)
    assert np.median(expert_peak(ours)) == pytest.approx(np.mean(experts), rel=0.15)
    assert np.median(gpu_peak(ours)) == pytest.approx(np.mean(gpus), rel=0.1)
