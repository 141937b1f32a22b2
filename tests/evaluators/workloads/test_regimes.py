from __future__ import annotations

import numpy as np
import pytest

from evaluators.workloads.regimes import SIMPLE_REGIMES, MixConfig, Regime, mix_path

WINDOWS = 60


def path(regime: Regime, seed: int = 0, **changes: float) -> np.ndarray:
    return mix_path(regime, WINDOWS, MixConfig(**changes), np.random.default_rng(seed))


def switches(mix: np.ndarray) -> np.ndarray:
    return np.flatnonzero(np.abs(np.diff(mix, axis=0)).max(axis=1) > 1e-9) + 1


@pytest.mark.parametrize("regime", list(Regime))
@pytest.mark.parametrize("windows", [1, 2, 7, 30])
def test_every_path_is_a_mix_in_every_window(regime: Regime, windows: int) -> None:
    mix = mix_path(regime, windows, MixConfig(), np.random.default_rng(3))
    assert mix.shape == (windows, 6)
    assert (mix >= 0).all()
    np.testing.assert_allclose(mix.sum(axis=1), 1)


def test_stationary_never_moves() -> None:
    assert switches(path(Regime.STATIONARY)).size == 0


def test_drifting_bends_every_twelve_windows_and_never_jumps() -> None:
    for seed in range(10):
        mix = path(Regime.DRIFTING, seed)
        assert np.abs(np.diff(mix, axis=0)).max() <= 1 / 12 + 1e-9
        bends = np.flatnonzero(np.abs(np.diff(mix, 2, axis=0)).max(axis=1) > 1e-9)
        assert 4 <= len(set(bends // 2)) <= 12
        assert switches(mix).size > 40


def test_abrupt_stays_within_its_bounds() -> None:
    for seed in range(10):
        stays = np.diff(switches(path(Regime.ABRUPT, seed, stay_low=3, stay_high=7, concentration=1.0)))
        assert stays.min() >= 3
        assert stays.max() <= 7


def test_recurring_returns_to_the_same_two_mixes_at_a_steady_beat() -> None:
    for seed in range(10):
        mix = path(Regime.RECURRING, seed, concentration=1.0)
        assert len(np.unique(mix, axis=0)) == 2
        beats = np.diff(switches(mix))
        assert len(set(beats.tolist())) == 1
        assert 2 <= beats[0] <= 5


def test_piecewise_shows_several_regimes_in_one_stream() -> None:
    still = moving = 0
    for seed in range(10):
        steps = np.abs(np.diff(path(Regime.PIECEWISE, seed, concentration=1.0), axis=0)).max(axis=1)
        still += int((steps < 1e-9).sum())
        moving += int(((steps > 1e-9) & (steps < 1 / 12)).sum())
    assert still > 100
    assert moving > 50


def test_small_concentration_lets_few_domains_dominate() -> None:
    sharp = np.mean([path(Regime.STATIONARY, seed)[0].max() for seed in range(200)])
    blurred = np.mean([path(Regime.STATIONARY, seed, concentration=5.0)[0].max() for seed in range(200)])
    assert sharp > 0.75
    assert blurred < 0.4


@pytest.mark.parametrize("regime", SIMPLE_REGIMES)
def test_the_generator_decides_everything(regime: Regime) -> None:
    np.testing.assert_array_equal(path(regime, 5), path(regime, 5))
    assert not np.array_equal(path(regime, 5), path(regime, 6))


@pytest.mark.parametrize(
    "changes",
    [{"domains": 1}, {"concentration": 0.0}, {"drift_windows": 0}, {"stay_low": 0}, {"segment_low": 13}],
)
def test_a_mix_that_cannot_be_drawn_is_refused(changes: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"needs"):
        MixConfig(**changes)
