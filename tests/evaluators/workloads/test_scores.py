from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluators.model import Split
from evaluators.workloads.own import HIDDEN_DOMAIN, MODELS, read_scores
from evaluators.workloads.score_stream import ScoreStream
from evaluators.workloads.scores import PIECES, TraceError, open_scores

SEED = bytes(range(32))


def rows_of(streams: tuple[ScoreStream, ...]) -> set[bytes]:
    return {row.tobytes() for stream in streams for row in stream.affinity}


def write_scores(folder: Path, tokens: int = 40, **more: Any) -> Path:
    rng = np.random.default_rng(3)
    arrays: dict[str, Any] = {
        "step": np.array([5, 90]),
        "layer": np.array([2]),
        "bias": np.zeros((2, 1, 16), np.float32),
        "scores_a": rng.random((2, tokens, 1, 16)).astype(np.float16),
        "tokens_a": np.arange(tokens) * 4,
    }
    path = folder / "mine_scores.npz"
    np.savez_compressed(path, **(arrays | more))
    return path


def test_own_streams_share_no_token_between_splits_and_lose_none() -> None:
    source = open_scores("own")
    streams = {split: source.streams(split, SEED) for split in Split}
    for one, other in itertools.combinations(Split, 2):
        assert not rows_of(streams[one]) & rows_of(streams[other])
    for model in MODELS:
        recorded = {
            row.astype(np.float32).tobytes()
            for affinity in read_scores(model).affinity.values()
            for row in affinity[2, :, 1]
        }
        held = [s for own in streams.values() for s in own if (s.model, s.layer, s.step) == (model, 4, 2)]
        assert rows_of(tuple(held)) == recorded
        assert sum(len(s.affinity) for s in held) == len(recorded)
        sequences = [(s.domain, number) for s in held for number in set(s.sequence.tolist())]
        assert len(set(sequences)) == len(sequences)


def test_own_splits_are_of_like_size_and_one_domain_is_for_hidden_alone() -> None:
    source = open_scores("own")
    for split in Split:
        sizes = {(s.model, s.domain): len(s.affinity) for s in source.streams(split, SEED)}
        assert ("loss_free", HIDDEN_DOMAIN) in sizes if split is Split.HIDDEN else len(sizes) == 8
        assert all(100 <= size <= 160 for (_, domain), size in sizes.items() if domain != HIDDEN_DOMAIN)


def test_own_streams_hold_what_was_recorded() -> None:
    scores = read_scores("loss_free")
    stream = next(s for s in open_scores("own").streams(Split.TRAIN, SEED) if (s.layer, s.step) == (4, 1))
    assert (stream.model, stream.domain, stream.top_k) == ("loss_free", next(iter(scores.affinity)), 6)
    assert stream.affinity.dtype == np.float32
    assert stream.affinity.shape[1] == 64
    recorded = scores.affinity[stream.domain][1, :, 1].astype(np.float32)
    assert rows_of((stream,)) <= {row.tobytes() for row in recorded}
    assert (stream.bias == scores.bias[1, 1]).all()
    assert (np.diff(stream.sequence) >= 0).all()


def test_the_seed_changes_what_is_generated_and_nothing_that_is_recorded() -> None:
    own, law = open_scores("own"), open_scores("generated")
    assert rows_of(own.streams(Split.TRAIN, SEED)) == rows_of(own.streams(Split.TRAIN, bytes(32)))
    once, again, other = (law.streams(Split.TRAIN, seed) for seed in (SEED, SEED, bytes(32)))
    assert [s.affinity.tobytes() for s in once] == [s.affinity.tobytes() for s in again]
    assert not rows_of(once) & rows_of(other)
    assert not rows_of(once) & rows_of(law.streams(Split.VALIDATION, SEED))


@pytest.mark.parametrize("workload", ["own", "generated"])
@pytest.mark.parametrize("split", Split)
def test_layers_and_steps_are_of_the_same_tokens_and_values_in_range(workload: str, split: Split) -> None:
    streams = open_scores(workload).streams(split, SEED)
    assert [(s.model, s.domain, s.layer, s.step) for s in streams] == [
        (*key, layer, step)
        for key in dict.fromkeys((s.model, s.domain) for s in streams)
        for layer in dict.fromkeys(s.layer for s in streams)
        for step in range(3)
    ]
    for _, held in itertools.groupby(streams, key=lambda s: (s.model, s.domain)):
        same = list(held)
        assert len({(s.affinity.shape, s.sequence.tobytes()) for s in same}) == 1
        assert len({s.affinity.tobytes() for s in same}) == len(same)
    for s in streams:
        assert s.affinity.min() >= 0
        assert s.affinity.max() <= 1
        assert s.bias.shape == s.affinity.shape[1:]
        assert 1 <= s.top_k < len(s.bias)


def figures(streams: list[ScoreStream]) -> tuple[float, float, float]:
    """Busiest expert over the mean, experts that neighbours share of top_k, mean of the logits: averages."""
    busiest, shared, level = [], [], []
    for s in streams:
        chosen = s.affinity >= np.sort(s.affinity, axis=1)[:, -s.top_k, None]
        busiest.append(chosen.mean(axis=0).max() * s.affinity.shape[1] / s.top_k)
        shared.append((chosen[1:] & chosen[:-1]).sum(axis=1).mean())
        clipped = np.clip(s.affinity, 1e-4, 1 - 1e-4)
        level.append(np.log(clipped / (1 - clipped)).mean())
    return float(np.mean(busiest)), float(np.mean(shared)), float(np.mean(level))


def test_the_law_lies_in_the_bands_of_the_own_records() -> None:
    own = open_scores("own").streams(Split.TRAIN, SEED)
    law = [s for n in range(3) for s in open_scores("generated").streams(Split.TRAIN, bytes([n] * 32))]
    for step, (load, overlap, level) in enumerate([(2.5, 0.8, 0.2), (1.2, 0.5, 0.9), (1.2, 0.5, 1.2)]):
        is_, should = (figures([s for s in held if s.step == step]) for held in (law, own))
        assert abs(is_[0] - should[0]) < load
        assert abs(is_[1] - should[1]) < overlap
        assert abs(is_[2] - should[2]) < level


def test_a_file_without_sequences_is_cut_into_pieces_of_neighbours(tmp_path: Path) -> None:
    source = open_scores(str(write_scores(tmp_path, top_k=np.array(4))))
    streams = [source.streams(split, SEED) for split in Split]
    assert source.name == "mine"
    assert sum(len(held[0].affinity) for held in streams) == 40
    assert sorted(int(n) for held in streams for n in set(held[0].sequence.tolist())) == list(range(PIECES))
    assert {s.top_k for held in streams for s in held} == {4}


def test_a_file_with_its_traces_beside_it_is_dealt_by_sequences(make_own: Callable[..., Path], tmp_path: Path) -> None:
    source = open_scores(str(make_own(tmp_path / "own", tokens=5) / "loss_free_scores.npz"))
    streams = [source.streams(split, SEED) for split in Split]
    assert {s.top_k for held in streams for s in held} == {4}
    # Every fourth token of sequences of five: 0 4 | 8 | 12 | 16 | 20.
    mine = [s for held in streams for s in held if (s.domain, s.layer, s.step) == ("prose", 0, 0)]
    assert sorted(number for s in mine for number in s.sequence.tolist()) == [0, 0, 1, 2, 3, 4]
    assert sorted(len(s.sequence) for s in mine) == [2, 2, 2]
    assert not set(mine[0].sequence.tolist()) & set(mine[1].sequence.tolist())


def test_digests_follow_the_contents(tmp_path: Path) -> None:
    first = open_scores(str(write_scores(tmp_path, top_k=np.array(4)))).digest
    assert open_scores(str(write_scores(tmp_path, top_k=np.array(4)))).digest == first
    other = {
        open_scores(str(write_scores(tmp_path, top_k=np.array(3)))).digest,
        open_scores(str(write_scores(tmp_path, tokens=41, top_k=np.array(4)))).digest,
        open_scores("own").digest,
        open_scores("generated").digest,
    }
    assert len(other | {first}) == 5


def test_what_cannot_be_used_is_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="no workload 'ownn', and no such file; did you mean 'own'"):
        open_scores("ownn")
    wrong = tmp_path / "trace.npz"
    np.savez(wrong, a=np.zeros(1))
    with pytest.raises(TraceError, match=r"a file named NAME_scores.npz"):
        open_scores(str(wrong))
    with pytest.raises(TraceError, match="add an array top_k"):
        open_scores(str(write_scores(tmp_path)))
    with pytest.raises(TraceError, match="top_k is 16 with 16 experts"):
        open_scores(str(write_scores(tmp_path, top_k=np.array(16))))
    logits = np.full((2, 40, 1, 16), -2.0, np.float16)
    with pytest.raises(TraceError, match=r"leave 0\.\.1; record them after the sigmoid"):
        open_scores(str(write_scores(tmp_path, top_k=np.array(4), scores_a=logits)))
    with pytest.raises(TraceError, match="needs different tokens of 3 sequences or more, in rising order"):
        open_scores(str(write_scores(tmp_path, top_k=np.array(4), tokens_a=np.zeros(40, np.int32))))
