from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest

from evaluators.model import Split
from evaluators.workloads import routes
from evaluators.workloads.routes import FEWEST_SEQUENCES, LAWS, GeneratedRoutes, RouteShape, TraceError, open_routes
from evaluators.workloads.trace_files import RoutedSequence, Trace

SMALL = RouteShape(layers=3, experts=32, top_k=4, tokens=700)
SEED = bytes(range(32))
TOP_K = 3


def every(trace: Trace) -> list[RoutedSequence]:
    return [sequence for sequences in trace.domains.values() for sequence in sequences]


def write(path: Path, **sequences: int) -> Path:
    """A trace whose tokens are all told apart by their ids: token n of a domain visits the n-th triple."""
    arrays: dict[str, np.ndarray] = {}
    for domain, count in sequences.items():
        lengths = np.full(count, 7)
        number = np.arange(7 * count)
        ids = np.stack([number // 60, 60 + number % 60, np.full(7 * count, 120)], axis=1)
        arrays |= {f"ids_{domain}": ids[:, None, :], f"len_{domain}": lengths}
    np.savez(path, **arrays)
    return path


def tokens_of(trace: Trace, domain: str) -> list[tuple[int, ...]]:
    return [tuple(row[0].tolist()) for sequence in trace.domains.get(domain, ()) for row in sequence.ids]


@pytest.mark.parametrize("split", list(Split))
def test_generated_routes_have_the_shape_that_was_asked_for(split: Split) -> None:
    trace = open_routes("generated").sequences(split, SEED, SMALL)
    assert (trace.layers, trace.experts, trace.top_k) == (3, 32, 4)
    assert sum(len(sequence.ids) for sequence in every(trace)) == 700
    assert LAWS[split].domains[0] <= len(trace.domains) <= LAWS[split].domains[1]
    for sequence in every(trace):
        assert sequence.ids.dtype == np.uint16
        assert sequence.ids.shape[1:] == (3, 4)
        assert (np.diff(sequence.ids.astype(int), axis=2) > 0).all()
        assert sequence.ids.max() < 32
        assert len(sequence.ids) <= LAWS[split].sequence_tokens[1]
        assert sequence.weights is not None
        assert sequence.weights.dtype == np.float32
        np.testing.assert_allclose(sequence.weights.sum(axis=2), 1, atol=1e-5)


def test_tokens_are_shared_evenly_between_domains() -> None:
    trace = GeneratedRoutes().sequences(Split.HIDDEN, SEED, SMALL)
    held = [sum(len(sequence.ids) for sequence in own) for own in trace.domains.values()]
    assert max(held) - min(held) <= 1


def test_seed_and_split_alone_decide_what_is_generated() -> None:
    source = GeneratedRoutes()

    def ids(split: Split, seed: bytes) -> np.ndarray:
        return np.concatenate([sequence.ids for sequence in every(source.sequences(split, seed, SMALL))])

    first = ids(Split.TRAIN, SEED)
    assert np.array_equal(first, ids(Split.TRAIN, SEED))
    assert not np.array_equal(first, ids(Split.TRAIN, bytes(32)))
    assert not np.array_equal(first, ids(Split.VALIDATION, SEED))


def test_domains_differ_in_what_they_visit_and_sequences_of_one_are_alike() -> None:
    shape = dataclasses.replace(SMALL, tokens=6000)
    trace = GeneratedRoutes().sequences(Split.TRAIN, SEED, shape)
    halves = []
    for own in trace.domains.values():
        middle = len(own) // 2
        for part in (own[:middle], own[middle:]):
            ids = np.concatenate([sequence.ids for sequence in part])
            halves.append(np.bincount(ids[:, 1].ravel(), minlength=32).astype(float))
    alike = np.corrcoef(halves)
    same = [alike[2 * d, 2 * d + 1] for d in range(len(trace.domains))]
    other = [alike[2 * d, 2 * e] for d in range(len(trace.domains)) for e in range(d)]
    assert min(same) > 0.9
    assert np.mean(other) < 0.6


def test_hidden_models_follow_laws_that_the_others_never_do() -> None:
    def overlap(split: Split, seed: int) -> float:
        shape = dataclasses.replace(SMALL, layers=1, tokens=1500)
        shared = tokens = 0
        for sequence in every(GeneratedRoutes().sequences(split, bytes([seed] * 32), shape)):
            seen = np.zeros((len(sequence.ids), 32), dtype=bool)
            np.put_along_axis(seen, sequence.ids[:, 0].astype(int), True, axis=1)
            shared += int((seen[1:] & seen[:-1]).sum())
            tokens += len(seen) - 1
        return shared / tokens

    train = [overlap(Split.TRAIN, seed) for seed in range(8)]
    hidden = [overlap(Split.HIDDEN, seed) for seed in range(8)]
    assert np.ptp(hidden) > 1.5 * np.ptp(train)


@pytest.mark.parametrize("counts", [{"a": 20, "b": 9}, {"a": 1, "b": 2}, {"a": 4}])
def test_a_recorded_trace_is_dealt_whole_and_disjoint_whatever_the_seed(tmp_path: Path, counts: dict[str, int]) -> None:
    source = open_routes(str(write(tmp_path / "t.npz", **counts)))
    for domain, count in counts.items():
        met: dict[Split, set[tuple[int, ...]]] = {}
        for split in Split:
            dealt = [tokens_of(source.sequences(split, bytes([seed] * 32)), domain) for seed in range(3)]
            assert sorted(dealt[0]) == sorted(dealt[1]) == sorted(dealt[2])
            assert len(set(dealt[0])) == len(dealt[0])
            met[split] = set(dealt[0])
        assert not met[Split.TRAIN] & met[Split.VALIDATION]
        assert not (met[Split.TRAIN] | met[Split.VALIDATION]) & met[Split.HIDDEN]
        assert len(set().union(*met.values())) == 7 * count


def test_the_seed_decides_the_order_of_recorded_sequences(tmp_path: Path) -> None:
    source = open_routes(str(write(tmp_path / "t.npz", a=30)))
    first, again, other = (tokens_of(source.sequences(Split.TRAIN, seed), "a") for seed in (SEED, SEED, bytes(32)))
    assert first == again != other


def test_few_sequences_are_cut_into_enough_pieces_of_consecutive_tokens(tmp_path: Path) -> None:
    source = open_routes(str(write(tmp_path / "t.npz", a=2)))
    pieces = [s for split in Split for s in source.sequences(split, SEED).domains["a"]]
    assert len(pieces) >= FEWEST_SEQUENCES
    for piece in pieces:
        number = piece.ids[:, 0, 0] * 60 + piece.ids[:, 0, 1] - 60
        assert (np.diff(number.astype(int)) == 1).all()


def test_a_trace_too_short_for_a_split_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.npz"
    np.savez(path, ids_a=np.arange(4).reshape(2, 1, 2), len_a=np.array([2]))
    with pytest.raises(TraceError, match="no domain has a sequence for split hidden"):
        open_routes(str(path)).sequences(Split.HIDDEN, SEED)


def test_digests_name_the_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, other = write(tmp_path / "1.npz", a=9), write(tmp_path / "2.npz", a=10)
    digests = [open_routes(name).digest for name in ("generated", str(path), str(other))]
    assert len(set(digests)) == 3
    assert {len(digest) for digest in digests} == {16}
    wider = {**LAWS, Split.HIDDEN: dataclasses.replace(LAWS[Split.HIDDEN], affinity=(0.0, 4.0))}
    monkeypatch.setattr(routes, "LAWS", wider)
    assert open_routes("generated").digest != digests[0]


def test_an_unknown_workload_and_too_few_tokens_are_refused() -> None:
    with pytest.raises(TraceError, match=r"no workload 'generatd'.*'own'"):
        open_routes("generatd")
    with pytest.raises(TraceError, match="ask for more tokens"):
        GeneratedRoutes().sequences(Split.HIDDEN, SEED, dataclasses.replace(SMALL, tokens=3))


def test_public_traces_give_routes_for_every_split() -> None:
    folder = Path(os.environ.get("EVOLVE_TRACES", ""))
    paths = [folder / "esft_dsv2lite_intent_summary.npz", folder / "qwen.route.csv"]
    if "EVOLVE_TRACES" not in os.environ or not all(path.exists() for path in paths):
        pytest.skip("EVOLVE_TRACES names no folder with the public traces")
    for path, shape in zip(paths, [(26, 64, 6), (48, 128, 6)], strict=True):
        source = open_routes(str(path))
        for split in Split:
            trace = source.sequences(split, SEED)
            assert (trace.layers, trace.experts, trace.top_k) == shape
            assert all(sequence.weights is not None for sequence in every(trace))
