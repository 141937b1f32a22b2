"""How the mix of domains in a serving deployment's traffic moves from window to window."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray


class Regime(StrEnum):
    """The law by which the domain mix moves."""

    STATIONARY = "stationary"
    DRIFTING = "drifting"
    ABRUPT = "abrupt"
    RECURRING = "recurring"
    PIECEWISE = "piecewise"


SIMPLE_REGIMES = (Regime.STATIONARY, Regime.DRIFTING, Regime.ABRUPT, Regime.RECURRING)


@dataclass(frozen=True, slots=True, kw_only=True)
class MixConfig:
    """Where domain mixes come from and how long each lasts; all durations count windows.

    Args:
        domains: kinds of traffic, each with its own expert popularity; at least 2.
        concentration: Dirichlet parameter of each domain when a mix is drawn. Below 1, few domains dominate.
        drift_windows: how long a drifting mix travels in a straight line from one drawn mix to the next.
        stay_low: shortest stay at one mix, in the abrupt regime.
        stay_high: longest stay at one mix, inclusive, in the abrupt regime.
        half_period_low: shortest stay at one of the two mixes of the recurring regime.
        half_period_high: longest such stay, inclusive; drawn once for a stretch, so the switches are regular.
        segment_low: shortest segment of the piecewise regime.
        segment_high: longest segment, inclusive.
    """

    domains: int = 6
    concentration: float = 0.1
    drift_windows: int = 12
    stay_low: int = 4
    stay_high: int = 12
    half_period_low: int = 2
    half_period_high: int = 5
    segment_low: int = 4
    segment_high: int = 12

    def __post_init__(self) -> None:
        """Refuse what no mix can be drawn from."""
        if self.domains < 2 or self.concentration <= 0 or self.drift_windows < 1:
            raise ValueError(f"needs >= 2 domains, concentration > 0 and drift_windows >= 1, got {self}")
        for name in ("stay", "half_period", "segment"):
            low, high = getattr(self, f"{name}_low"), getattr(self, f"{name}_high")
            if not 1 <= low <= high:
                raise ValueError(f"needs 1 <= {name}_low <= {name}_high, got {low} and {high}")


Mix = NDArray[np.float64]


def mix_path(regime: Regime, windows: int, config: MixConfig, rng: np.random.Generator) -> Mix:
    """Share of each domain in each window.

    Returns:
        float64 ``(windows, domains)``; rows sum to 1.
    """
    if regime is Regime.PIECEWISE:
        return _piecewise(windows, config, rng)
    return _SIMPLE[regime](windows, config, rng)


def _draw(count: int, config: MixConfig, rng: np.random.Generator) -> Mix:
    """Draw mixes ``(count, domains)``."""
    return rng.dirichlet(np.full(config.domains, config.concentration), size=count)


def _stationary(windows: int, config: MixConfig, rng: np.random.Generator) -> Mix:
    return np.repeat(_draw(1, config, rng), windows, axis=0)


def _drifting(windows: int, config: MixConfig, rng: np.random.Generator) -> Mix:
    # A random phase keeps the bends from falling on the same window of every stream.
    at = (np.arange(windows) + rng.uniform(0, config.drift_windows)) / config.drift_windows
    stops = _draw(int(at[-1]) + 2, config, rng)
    leg = at.astype(np.int64)
    forward = (at - leg)[:, None]
    path: Mix = stops[leg] * (1 - forward) + stops[leg + 1] * forward
    return path


def _abrupt(windows: int, config: MixConfig, rng: np.random.Generator) -> Mix:
    stays = rng.integers(config.stay_low, config.stay_high, size=windows, endpoint=True)
    # The first stay was under way when the stream began.
    stays[0] = rng.integers(1, stays[0], endpoint=True)
    mixes = np.repeat(_draw(windows, config, rng), stays, axis=0)
    return mixes[:windows]


def _recurring(windows: int, config: MixConfig, rng: np.random.Generator) -> Mix:
    half_period = int(rng.integers(config.half_period_low, config.half_period_high, endpoint=True))
    phase = int(rng.integers(2 * half_period))
    which = (np.arange(windows) + phase) // half_period % 2
    return _draw(2, config, rng)[which]


def _piecewise(windows: int, config: MixConfig, rng: np.random.Generator) -> Mix:
    pieces: list[Mix] = []
    filled = 0
    while filled < windows:
        length = int(rng.integers(config.segment_low, config.segment_high, endpoint=True))
        regime = SIMPLE_REGIMES[int(rng.integers(len(SIMPLE_REGIMES)))]
        pieces.append(mix_path(regime, length, config, rng))
        filled += length
    return np.concatenate(pieces)[:windows]


_SIMPLE: dict[Regime, Callable[[int, MixConfig, np.random.Generator], Mix]] = {
    Regime.STATIONARY: _stationary,
    Regime.DRIFTING: _drifting,
    Regime.ABRUPT: _abrupt,
    Regime.RECURRING: _recurring,
}
