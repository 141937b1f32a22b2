from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from evaluators.model import Split
from evaluators.workloads.trace_files import read_trace
from evaluators.workloads.traces import (
    TraceError,
    TraceOptions,
    split_sequences,
    trace_digest,
    trace_streams,
)

SEED = bytes(range(32))
LAYERS, EXPERTS, TOP_K = 2, 60, 3


def write(path: Path, **sequences: int) -> Path:
    """A trace whose sequence ``n`` of a domain sends all its tokens to experts 3n to 3n + 2 (mod 60)."""
    arrays: dict[str, np.ndarray] = {}
    for domain, count in sequences.items():
        lengths = np.random.default_rng(count).integers(60, 90, size=count)
        home = np.repeat(np.arange(count) * 3 % EXPERTS, lengths)
        ids = np.broadcast_to(home[:, None, None] + np.arange(TOP_K), (lengths.sum(), LAYERS, TOP_K))
        arrays |= {f"ids_{domain}": ids.astype(np.uint8), f"len_{domain}": lengths}
    np.savez(path, **arrays)
    return path


def lengths(path: Path, split: Split) -> dict[str, list[int]]:
    pools = split_sequences(read_trace(path), split)
    return {domain: sorted(len(sequence.ids) for sequence in pool) for domain, pool in pools.items()}


def test_splits_share_no_sequence_and_lose_none(tmp_path: Path) -> None:
    trace = read_trace(write(tmp_path / "t.npz", a=20, b=13))
    for domain, sequences in trace.domains.items():
        dealt = [id(sequence) for split in Split for sequence in split_sequences(trace, split)[domain]]
        assert sorted(dealt) == sorted(id(sequence) for sequence in sequences)
        sizes = [len(split_sequences(trace, split)[domain]) for split in Split]
        assert max(sizes) - min(sizes) <= 1


def test_hidden_sequences_stay_hidden_whatever_the_seed(tmp_path: Path) -> None:
    # Every sequence has experts of its own here, so loads tell which sequences a stream met.
    path = write(tmp_path / "t.npz", a=20)
    met = {split: set() for split in Split}
    for split in Split:
        for seed in (SEED, bytes(32), bytes([7] * 32)):
            for stream in trace_streams(path, split, seed):
                met[split] |= set(np.flatnonzero(stream.loads.sum(axis=(0, 1))).tolist())
    assert not met[Split.TRAIN] & met[Split.VALIDATION]
    assert not (met[Split.TRAIN] | met[Split.VALIDATION]) & met[Split.HIDDEN]


def test_a_stream_uses_every_sequence_of_its_split_once(tmp_path: Path) -> None:
    path = write(tmp_path / "t.npz", a=90, b=60)
    for split in Split:
        held = {domain: sum(tokens) for domain, tokens in lengths(path, split).items()}
        expected = {"a": held["a"], "b": held["b"], "a-b": sum(held.values()), "b-a": sum(held.values())}
        for stream in trace_streams(path, split, SEED):
            _, domains, _ = stream.name.split("/")
            per_layer = stream.loads.sum(axis=(0, 2))
            assert per_layer.tolist() == [expected[domains] * TOP_K] * LAYERS


def test_windows_are_made_of_whole_sequences(tmp_path: Path) -> None:
    path = write(tmp_path / "t.npz", a=20)
    tokens = {len(sequence.ids) for sequence in read_trace(path).domains["a"]}
    for stream in trace_streams(path, Split.TRAIN, SEED):
        assert set(stream.loads[stream.loads > 0].astype(int).tolist()) <= tokens


def test_long_traces_fill_all_windows_and_short_ones_fewer(tmp_path: Path) -> None:
    long = trace_streams(write(tmp_path / "long.npz", a=270), Split.TRAIN, SEED)[0]
    assert (long.warm_windows, long.scored_windows) == (6, 24)
    short = trace_streams(write(tmp_path / "short.npz", a=60), Split.TRAIN, SEED)[0]
    assert 4 < len(short.loads) < 12
    assert short.warm_windows == len(short.loads) // 4
    assert short.loads.sum(axis=2).min() >= 128 * TOP_K
    least = trace_streams(write(tmp_path / "least.npz", a=12), Split.TRAIN, SEED)[0]
    assert (least.warm_windows, least.scored_windows) == (1, 3)
    assert least.loads.sum(axis=2).min() > 0


def test_too_few_sequences_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match=r"too few sequences for split hidden: \{'a': 3, 'b': 2\}.*12 in all"):
        trace_streams(write(tmp_path / "t.npz", a=11, b=6), Split.HIDDEN, SEED)


@pytest.mark.parametrize("counts", [{"a": 12, "b": 12}, {"a": 12, "b": 300}, {"a": 300, "b": 12}, {"a": 40, "b": 9}])
def test_which_streams_there_are_never_depends_on_the_seed(tmp_path: Path, counts: dict[str, int]) -> None:
    path = write(tmp_path / "t.npz", **counts)
    for split in Split:
        names = set()
        for seed in range(6):
            streams = trace_streams(path, split, bytes([seed] * 32))
            names.add(tuple(stream.name for stream in streams))
            assert all(stream.loads.sum(axis=2).min() > 0 for stream in streams)
            assert all(stream.warm_windows >= 1 and stream.scored_windows >= 3 for stream in streams)
        assert len(names) == 1


def test_three_domains_make_nine_streams_of_three_regimes(tmp_path: Path) -> None:
    names = [s.name for s in trace_streams(write(tmp_path / "t.npz", a=30, b=30, c=30), Split.TRAIN, SEED)]
    assert names == [
        *(f"2x64/{domain}/stationary" for domain in "abc"),
        *(f"2x64/{pair}/drifting" for pair in ("a-b", "b-c", "c-a")),
        *(f"2x64/{pair}/abrupt" for pair in ("a-b", "b-c", "c-a")),
    ]


def test_mixed_streams_move_from_the_first_domain_to_the_second(tmp_path: Path) -> None:
    path = tmp_path / "t.npz"
    ids = np.broadcast_to(np.arange(3), (9000, LAYERS, 3)).astype(np.uint8)
    tokens = np.full(300, 30)
    np.savez(path, ids_a=ids, len_a=tokens, ids_b=ids + 8, len_b=tokens)
    streams = {stream.name: stream for stream in trace_streams(path, Split.TRAIN, SEED)}
    shares = {}
    for regime in ("drifting", "abrupt"):
        loads = streams[f"2x16/a-b/{regime}"].loads
        shares[regime] = loads[:, 0, 8:].sum(axis=1) / loads[:, 0].sum(axis=1)
    windows = len(shares["drifting"])
    straight = (np.arange(windows) + 0.5) / windows
    assert np.abs(shares["drifting"] - straight).max() < 0.25
    pure = (shares["abrupt"] == 0) | (shares["abrupt"] == 1)
    assert pure.sum() >= len(pure) - 1
    assert shares["abrupt"][0] == 0
    assert shares["abrupt"][-1] == 1


def test_a_seed_decides_the_order_only(tmp_path: Path) -> None:
    path = write(tmp_path / "t.npz", a=60)
    first, again, other = (trace_streams(path, Split.TRAIN, seed)[0].loads for seed in (SEED, SEED, bytes(32)))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    np.testing.assert_array_equal(first.sum(axis=0), other.sum(axis=0))


def test_the_deployment_follows_from_the_trace_or_is_told(tmp_path: Path) -> None:
    path = write(tmp_path / "t.npz", a=60)
    stream = trace_streams(path, Split.TRAIN, SEED)[0]
    assert stream.loads.dtype == np.float32
    assert stream.loads.shape[1:] == (LAYERS, 64)
    assert (stream.num_slots, stream.num_gpus, stream.num_nodes, stream.gate_seconds) == (80, 8, 1, 0.15)
    told = TraceOptions(experts=60, num_slots=72, num_gpus=4, num_nodes=2, warm_windows=2, scored_windows=3)
    stream = trace_streams(path, Split.TRAIN, SEED, told)[0]
    assert stream.loads.shape == (5, LAYERS, 60)
    assert (stream.num_slots, stream.num_gpus, stream.num_nodes, stream.warm_windows) == (72, 4, 2, 2)
    assert TraceOptions(num_gpus=32).slots(60) == 96


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"num_gpus": 6, "num_nodes": 4}, "gpus % nodes"),
        ({"num_slots": 81}, "slots % gpus"),
        ({"num_gpus": 0}, "at least 1"),
        ({"min_tokens": 0}, "at least 1"),
        ({"warm_windows": 1, "scored_windows": 2}, "at least 4 windows"),
        ({"warm_windows": 4, "scored_windows": 0}, "at least 4 windows"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, int], says: str) -> None:
    with pytest.raises(TraceError, match=says):
        TraceOptions(**options)


def test_a_machine_too_small_for_the_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="56 slots for 64 experts"):
        trace_streams(write(tmp_path / "t.npz", a=60), Split.TRAIN, SEED, TraceOptions(num_slots=56))


def test_the_digest_names_files_and_options(tmp_path: Path) -> None:
    path, other = write(tmp_path / "1.npz", a=60), write(tmp_path / "2.npz", a=61)
    digests = {trace_digest(path), trace_digest(other), trace_digest(path, TraceOptions(min_tokens=64))}
    assert len(digests) == 3
    assert {len(digest) for digest in digests} == {16}
    assert trace_digest(path) == trace_digest(path, TraceOptions())


def test_the_public_trace_gives_streams_for_every_split() -> None:
    path = Path(os.environ.get("EVOLVE_TRACES", "")) / "esft_dsv2lite_intent_summary.npz"
    if "EVOLVE_TRACES" not in os.environ or not path.exists():
        pytest.skip("EVOLVE_TRACES names no folder with esft_dsv2lite_intent_summary.npz")
    for split in Split:
        streams = trace_streams(path, split, SEED)
        assert len(streams) == 6
        assert {stream.loads.shape[1:] for stream in streams} == {(26, 64)}
        assert {stream.num_slots for stream in streams} == {80}
