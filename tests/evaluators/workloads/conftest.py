from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from evaluators.workloads.generator import GeneratorConfig
from evaluators.workloads.regimes import MixConfig
from evaluators.workloads.tokens import TokenConfig, route_sequences

DOMAINS = ("data", "othercode", "prose", "python")
LAYERS, EXPERTS, TOP_K = 3, 16, 4


def write_own(folder: Path, *, sequences: int = 36, tokens: int = 50) -> Path:
    """Small traces of both models in the layout of the project's own; every fourth sequence has gate weights."""
    folder.mkdir(exist_ok=True)
    law = GeneratorConfig(layers=LAYERS, experts=EXPERTS, top_k=TOP_K, mix=MixConfig(domains=len(DOMAINS)))
    for number, model in enumerate(("loss_free", "unbalanced")):
        rng = np.random.default_rng(number)
        domains = np.repeat(np.arange(len(DOMAINS)), sequences)
        lengths = np.full(len(domains), tokens)
        routed = route_sequences(TokenConfig(popularity=law), rng, domains=domains, lengths=lengths)
        plain: dict[str, np.ndarray] = {}
        weighted: dict[str, np.ndarray] = {}
        scores: dict[str, np.ndarray] = {
            "step": np.array([5, 90]),
            "layer": np.arange(LAYERS),
            "bias": np.zeros((2, LAYERS, EXPERTS), np.float32),
        }
        cut = sequences // 4 * tokens
        for index, domain in enumerate(DOMAINS):
            mine = slice(index * sequences * tokens, (index + 1) * sequences * tokens)
            ids = routed.ids[mine].astype(np.uint8)
            weighted |= {
                f"ids_{domain}": ids[:cut],
                f"w_{domain}": routed.weights[mine][:cut].astype(np.float16),
                f"len_{domain}": lengths[: sequences // 4],
            }
            plain |= {f"ids_{domain}": ids[cut:], f"len_{domain}": lengths[sequences // 4 : sequences]}
            scores[f"scores_{domain}"] = rng.random((2, 6, LAYERS, EXPERTS)).astype(np.float16)
            scores[f"tokens_{domain}"] = np.arange(6) * 4
        np.savez_compressed(folder / f"{model}.npz", **plain)
        np.savez_compressed(folder / f"{model}_weights.npz", **weighted)
        np.savez_compressed(folder / f"{model}_scores.npz", **scores)
    return folder


@pytest.fixture(scope="session")
def own_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_own(tmp_path_factory.mktemp("own"))


@pytest.fixture(scope="session")
def make_own() -> Callable[..., Path]:
    return write_own
