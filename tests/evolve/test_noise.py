from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from evolve.selectors import SELECTORS

BENCH = Path(__file__).parents[2] / "bench" / "noise.py"


@pytest.fixture(scope="module")
def noise() -> Iterator[ModuleType]:
    """The benchmark that runs the whole search on pure noise."""
    spec = importlib.util.spec_from_file_location("noise_bench", BENCH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.mark.parametrize("selector", sorted(SELECTORS))
def test_nothing_is_claimed_where_there_is_nothing_to_be_found(noise: ModuleType, selector: str) -> None:
    claims = [noise.run_once(selector, seed=seed, candidates=40, sigma=0.05) for seed in range(3)]
    assert sum(claim.covers_zero for claim in claims) >= 2
    assert all(0 < claim.half_width <= 2.0 for claim in claims), "in % of the objective"
    assert sum(claim.named_winner for claim in claims) <= 1
    assert all(claim.naive > 0.3 for claim in claims), "the highest score seen is luck, and looks like progress"


def test_confirmations_are_few(noise: ModuleType) -> None:
    claim = noise.run_once("adaptive", seed=11, candidates=60, sigma=0.05)
    assert claim.confirmations <= 0.25 * claim.evaluations
