"""``eplb`` on the project's own traces, stood in for by small ones."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from evaluators.eplb import suite
from evaluators.eplb.suite import make_problem
from evaluators.model import Split
from evaluators.problem import ProblemError
from evaluators.workloads.own import MODELS
from evaluators.workloads.own_streams import PLANS, OwnStreams

DOMAINS = ("data", "othercode", "prose", "python")


@pytest.fixture
def own_folder(tmp_path: Path) -> Path:
    """Three layers of 64 experts, top-4; a domain prefers a quarter of the experts."""
    rng = np.random.default_rng(0)
    sequences, tokens = 36, 40
    for model in MODELS:
        arrays: dict[str, np.ndarray] = {}
        for number, domain in enumerate(DOMAINS):
            scores = rng.random((sequences * tokens, 3, 64))
            scores[:, :, 16 * number : 16 * number + 16] += 0.3
            ids = np.sort(np.argsort(-scores, axis=2)[:, :, :4], axis=2).astype(np.uint8)
            arrays |= {f"ids_{domain}": ids, f"len_{domain}": np.full(sequences, tokens)}
        np.savez(tmp_path / f"{model}.npz", **arrays)
        np.savez(tmp_path / f"{model}_weights.npz", **arrays)
        scored = {f"scores_{domain}": np.zeros((1, 2, 3, 64)) for domain in DOMAINS}
        scored |= {f"tokens_{domain}": np.arange(2) for domain in DOMAINS}
        facts = {"step": np.array([1]), "layer": np.arange(3), "bias": np.zeros((1, 3, 64))}
        np.savez(tmp_path / f"{model}_scores.npz", **facts, **scored)
    return tmp_path


def test_own_traces_make_another_workload_set(own_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suite, "OwnStreams", partial(OwnStreams, own_folder))
    problem = make_problem("own")
    assert problem.digest != make_problem("generated").digest
    for split in Split:
        drawn = problem.workloads(split, bytes(32))
        kinds = len(MODELS) * len(PLANS[split].regimes) * len(PLANS[split].machines)
        assert len(drawn) == kinds * PLANS[split].draws
        assert all(stream.num_slots >= 64 for stream in drawn)
        assert all(problem.ceiling(stream) <= 1 for stream in drawn)


def test_without_the_data_the_error_says_so_and_what_to_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suite, "OwnStreams", partial(OwnStreams, tmp_path))
    with pytest.raises(ProblemError, match=r"own traces are not there.*\nhint: use --workload generated"):
        make_problem("own")


@pytest.mark.parametrize(("text", "meant"), [("ow", "'own'"), ("generate", "'generated'")])
def test_a_misspelt_workload_is_named(text: str, meant: str) -> None:
    with pytest.raises(ProblemError, match=f"no workload '{text}', and no such file; did you mean {meant}"):
        make_problem(text)
