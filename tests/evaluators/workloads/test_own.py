from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from evaluators.model import Split
from evaluators.workloads.own import HIDDEN_DOMAIN, MODELS, OwnRoutes, deal_own, read_own, read_scores
from evaluators.workloads.trace_files import Trace, TraceError

SEED = bytes(range(32))


def tokens_of(trace: Trace) -> set[bytes]:
    return {sequence.ids.tobytes() for own in trace.domains.values() for sequence in own}


def test_a_model_has_the_sequences_of_both_files_the_weighted_ones_first(own_folder: Path) -> None:
    trace = read_own("loss_free", own_folder)
    assert (trace.layers, trace.experts, trace.top_k) == (3, 16, 4)
    assert list(trace.domains) == ["data", "othercode", "prose", "python"]
    for sequences in trace.domains.values():
        assert [sequence.weights is not None for sequence in sequences] == [True] * 9 + [False] * 27
    assert read_own("unbalanced", own_folder).digest != trace.digest


def test_scores_come_by_domain(own_folder: Path) -> None:
    scores = read_scores("unbalanced", own_folder)
    assert scores.step.tolist() == [5, 90]
    assert scores.bias.shape == (2, 3, 16)
    assert {array.shape for array in scores.affinity.values()} == {(2, 6, 3, 16)}
    assert {array.dtype for array in scores.affinity.values()} == {np.dtype(np.float16)}
    assert scores.layer.tolist() == [0, 1, 2]
    assert {tuple(array.tolist()) for array in scores.tokens.values()} == {(0, 4, 8, 12, 16, 20)}


def test_one_domain_is_for_hidden_alone_and_splits_share_nothing(own_folder: Path) -> None:
    trace = read_own("loss_free", own_folder)
    dealt = {split: deal_own(trace, split) for split in Split}
    assert HIDDEN_DOMAIN not in dealt[Split.TRAIN]
    assert HIDDEN_DOMAIN not in dealt[Split.VALIDATION]
    assert dealt[Split.HIDDEN][HIDDEN_DOMAIN] == trace.domains[HIDDEN_DOMAIN]
    for domain in ("data", "prose", "python"):
        ids = [id(sequence) for split in Split for sequence in dealt[split][domain]]
        assert sorted(ids) == sorted(id(sequence) for sequence in trace.domains[domain])


def test_the_seed_picks_model_and_order(own_folder: Path) -> None:
    source = OwnRoutes.open(own_folder)
    drawn = [source.sequences(Split.TRAIN, bytes([seed] * 32)) for seed in range(12)]
    assert len({trace.digest for trace in drawn}) == len(MODELS)
    first, again = (source.sequences(Split.TRAIN, SEED) for _ in range(2))
    assert [s.ids.tobytes() for s in first.domains["prose"]] == [s.ids.tobytes() for s in again.domains["prose"]]
    same = [trace for trace in drawn if trace.digest == drawn[0].digest]
    assert all(tokens_of(trace) == tokens_of(same[0]) for trace in same)
    assert len({trace.domains["prose"][0].ids.tobytes() for trace in same}) > 1


def test_each_model_can_be_had_alone(own_folder: Path) -> None:
    source = OwnRoutes.open(own_folder)
    alone = source.variants
    assert [variant.name for variant in alone] == ["own-loss_free", "own-unbalanced"]
    assert len({source.digest, *(variant.digest for variant in alone)}) == 3
    for variant, model in zip(alone, MODELS, strict=True):
        for seed in range(4):
            trace = variant.sequences(Split.HIDDEN, bytes([seed] * 32))
            assert trace.digest == read_own(model, own_folder).digest


def test_missing_data_says_so_and_what_to_use(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match=r"own traces are not there.*use 'generated'.*bench/traces/train.py"):
        OwnRoutes.open(tmp_path)


def test_files_that_do_not_fit_together_are_refused(make_own: Callable[..., Path], tmp_path: Path) -> None:
    folder = make_own(tmp_path / "own")
    np.savez(folder / "loss_free.npz", ids_data=np.zeros((5, 2, 1), np.uint8), len_data=np.array([5]))
    with pytest.raises(TraceError, match="of different models"):
        read_own("loss_free", folder)
    np.savez(folder / "unbalanced_scores.npz", step=np.array([1]), bias=np.zeros((1, 3, 16)))
    with pytest.raises(TraceError, match="needs arrays step, layer, bias, scores_<domain> and tokens_<domain>"):
        read_scores("unbalanced", folder)
    arrays = {"bias": np.zeros((1, 3, 16)), "scores_a": np.zeros((1, 2, 3, 8)), "tokens_a": np.arange(2)}
    np.savez(folder / "unbalanced_scores.npz", step=np.array([1]), layer=np.arange(3), **arrays)
    with pytest.raises(TraceError, match="has affinities"):
        read_scores("unbalanced", folder)
