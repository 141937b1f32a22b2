"""Calibrated generator of expert loads for deployments whose routing nobody can ship.

Log-normal expert popularity with a part common to all domains, a mix of domains that moves by regime, slow
drift, rare hot experts and over-dispersed counts. The constants were fitted to routing traces of
DeepSeek-V2-Lite (the expert scores published with ESFT, arXiv:2407.01906); tests hold the result to the bands
measured there.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from evaluators.workloads.regimes import MixConfig, Regime, mix_path

# Raise with every change of what a seed gives: scores of different versions never compare.
GENERATOR_VERSION = 1
SEED_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratorConfig:
    """The law that expert loads are drawn from.

    Args:
        layers: MoE layers.
        experts: routed experts per layer.
        top_k: experts that each token visits per layer.
        groups: expert groups of the router, a divisor of ``experts``; 1 for ungrouped routing. Restricts the
            choice of single tokens (see ``tokens.py``); loads per window do not depend on it.
        top_groups: how many groups one token may use.
        mix: domains and how their mix moves.
        domain_correlation: share of the variance of log popularity that all domains have in common.
        spread_low: smallest standard deviation of log popularity (nats) that a layer can have.
        spread_high: largest such deviation; layers are uniform in between.
        early_layers: how many of the first layers are flatter.
        early_factor: by how much their standard deviation is multiplied.
        drift_sd: standard deviation of the change of log popularity (nats) from one window to the next.
        drift_reversion: share of the accumulated drift that is forgotten per window (Ornstein-Uhlenbeck).
        hot_probability: chance, per window and layer, that one random expert is hot.
        hot_factor: by how much the popularity of a hot expert is multiplied.
        busiest_share: largest part of a window's tokens that popularity alone sends to one expert; the
            busiest of the traces saw 61 %.
        sequences_per_window: requests that share a window; more of them average out.
        tokens_per_window: tokens routed per window; each layer's loads sum to ``tokens_per_window * top_k``.
        sequence_concentration: Dirichlet concentration of one sequence's expert shares around popularity.
    """

    layers: int
    experts: int
    top_k: int
    groups: int = 1
    top_groups: int = 1
    mix: MixConfig = field(default_factory=MixConfig)
    domain_correlation: float = 0.15
    spread_low: float = 0.6
    spread_high: float = 1.05
    early_layers: int = 2
    early_factor: float = 0.8
    drift_sd: float = 0.02
    drift_reversion: float = 0.02
    hot_probability: float = 0.02
    hot_factor: float = 3.0
    busiest_share: float = 0.65
    sequences_per_window: int = 16
    tokens_per_window: int = 8192
    sequence_concentration: float = 2000.0

    def __post_init__(self) -> None:
        """Refuse a law that cannot be sampled."""
        if not (self.layers >= 1 and 1 <= self.top_k < self.experts):
            raise ValueError(f"needs layers >= 1 and 1 <= top_k < experts, got {self}")
        if self.experts % self.groups or not 1 <= self.top_groups <= self.groups:
            raise ValueError(f"groups must divide experts and 1 <= top_groups <= groups, got {self}")
        if self.top_groups * (self.experts // self.groups) < self.top_k:
            raise ValueError(f"top_groups groups hold fewer than top_k experts, got {self}")
        if not 0 <= self.domain_correlation <= 1 or not 0 < self.drift_reversion <= 1:
            raise ValueError(f"domain_correlation and drift_reversion are shares in [0, 1], got {self}")
        if not self.top_k / self.experts < self.busiest_share <= 1:
            raise ValueError(f"busiest_share lies between top_k / experts and 1, got {self}")
        if min(self.sequences_per_window, self.tokens_per_window) < 1 or self.sequence_concentration <= 0:
            raise ValueError(f"a window needs tokens, sequences and a concentration above 0, got {self}")


def random_generator(seed: bytes | np.random.Generator) -> np.random.Generator:
    """Make the one source of randomness of a stream from a secret of 32 bytes; a generator passes through.

    Raises:
        ValueError: the seed is not 32 bytes long.
    """
    if isinstance(seed, np.random.Generator):
        return seed
    if len(seed) != SEED_BYTES:
        raise ValueError(f"a workload seed has {SEED_BYTES} bytes, got {len(seed)}; use derive_seed")
    return np.random.default_rng(np.random.SeedSequence(int.from_bytes(seed, "big")))


def derive_seed(seed: bytes, label: str) -> bytes:
    """Derive the 32-byte seed of one stream, so that adding a stream leaves all others as they were."""
    return hmac.digest(seed, label.encode(), "sha256")


def log_popularity(config: GeneratorConfig, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw log popularity ``sqrt(rho) * sigma_l * g[l, e] + sqrt(1 - rho) * sigma_l * h[l, d, e]``.

    Returns:
        float64 ``(layers, domains, experts)`` in nats, not normalised.
    """
    spread = rng.uniform(config.spread_low, config.spread_high, size=(config.layers, 1, 1))
    spread[: config.early_layers] *= config.early_factor
    common = rng.standard_normal((config.layers, 1, config.experts))
    own = rng.standard_normal((config.layers, config.mix.domains, config.experts))
    rho = config.domain_correlation
    result: NDArray[np.float64] = spread * (np.sqrt(rho) * common + np.sqrt(1 - rho) * own)
    return result


def generate(
    config: GeneratorConfig, seed: bytes | np.random.Generator, *, regime: Regime, windows: int
) -> NDArray[np.float32]:
    """Draw the expert loads of consecutive windows.

    Returns:
        float32 ``(windows, layers, experts)`` of whole token counts, oldest window first; every layer of
        every window sums to ``tokens_per_window * top_k``.

    Raises:
        ValueError: no window was asked for, or the seed is not 32 bytes long.
    """
    if windows < 1:
        raise ValueError(f"a stream needs at least one window, got {windows}")
    rng = random_generator(seed)
    popularity = np.exp(log_popularity(config, rng))
    popularity /= popularity.sum(axis=2, keepdims=True)
    mix = mix_path(regime, windows, config.mix, rng)
    # (windows, domains) x (layers, domains, experts) -> (windows, layers, experts)
    shares: NDArray[np.float64] = np.tensordot(mix, popularity, axes=(1, 1))
    shares *= np.exp(_drift(config, windows, rng))
    _heat(shares, config, rng)
    shares /= shares.sum(axis=2, keepdims=True)
    _limit(shares, config.busiest_share / config.top_k)
    return _count(shares, config, rng)


def _drift(config: GeneratorConfig, windows: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Ornstein-Uhlenbeck drift ``(windows, layers, experts)`` in nats, begun in its stationary law."""
    keep = 1 - config.drift_reversion
    drift = rng.standard_normal((windows, config.layers, config.experts))
    drift[1:] *= config.drift_sd
    drift[0] *= config.drift_sd / np.sqrt(1 - keep**2)
    for window in range(1, windows):
        drift[window] += keep * drift[window - 1]
    return drift


def _heat(shares: NDArray[np.float64], config: GeneratorConfig, rng: np.random.Generator) -> None:
    """Multiply one random expert's share in a few (window, layer) pairs, in place."""
    hot = rng.random(shares.shape[:2]) < config.hot_probability
    expert = rng.integers(config.experts, size=shares.shape[:2])
    window, layer = np.nonzero(hot)
    shares[window, layer, expert[hot]] *= config.hot_factor


def _limit(shares: NDArray[np.float64], most: float) -> None:
    """Cut shares above ``most`` and give the rest to the other experts in proportion, in place."""
    while True:
        rows = np.nonzero(shares.max(axis=2) > most * (1 + 1e-9))
        if not rows[0].size:
            return
        row = shares[rows]
        full = row >= most * (1 - 1e-9)
        room = 1 - most * full.sum(axis=1, keepdims=True)
        rest = np.where(full, 0.0, row)
        shares[rows] = np.where(full, most, rest * room / rest.sum(axis=1, keepdims=True))


def _count(shares: NDArray[np.float64], config: GeneratorConfig, rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw token counts around the shares: multinomial over a Dirichlet-perturbed distribution.

    The concentration grows with the sequences in the window, because their deviations average out.
    """
    concentration = config.sequence_concentration * config.sequences_per_window
    perturbed = rng.standard_gamma(shares * concentration)
    perturbed /= perturbed.sum(axis=2, keepdims=True)
    counts = rng.multinomial(config.tokens_per_window * config.top_k, perturbed)
    return counts.astype(np.float32)
