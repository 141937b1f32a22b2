from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from evaluators.model import Split
from evaluators.workloads import own_streams
from evaluators.workloads.own_streams import PLANS, OwnStreams
from evaluators.workloads.trace_files import RoutedSequence, TraceError

SEED = bytes(range(32))


@pytest.fixture(scope="module")
def streams(own_folder: Path) -> OwnStreams:
    return OwnStreams(own_folder)


@pytest.mark.parametrize("split", list(Split))
def test_every_kind_is_drawn_as_often_and_names_never_depend_on_the_seed(streams: OwnStreams, split: Split) -> None:
    first, other = streams.draw(split, SEED), streams.draw(split, bytes(32))
    assert [stream.name for stream in first] == [stream.name for stream in other]
    assert len({stream.name for stream in first}) == len(first)
    plan = PLANS[split]
    kinds = Counter(stream.stratum for stream in first)
    assert set(kinds.values()) == {plan.draws}
    assert len(kinds) == 2 * len(plan.regimes) * len(plan.machines)
    assert any(not np.array_equal(a.loads, b.loads) for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize("split", list(Split))
def test_streams_fit_their_machines_and_lose_no_token(streams: OwnStreams, split: Split) -> None:
    for stream in streams.draw(split, SEED):
        assert stream.loads.shape[1:] == (3, 16)
        assert stream.loads.dtype == np.float32
        assert stream.num_slots >= 16
        assert stream.num_slots % stream.num_gpus == 0
        assert stream.warm_windows >= 1
        assert stream.scored_windows >= 3
        sums = stream.loads.sum(axis=2)
        assert (sums == sums[:, :1]).all()
        assert (sums % (50 * 4) == 0).all(), "windows are made of whole sequences of 50 tokens and 4 experts"


def test_a_seed_gives_one_block_and_splits_differ(streams: OwnStreams) -> None:
    first, again = streams.draw(Split.TRAIN, SEED), streams.draw(Split.TRAIN, SEED)
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a.loads, b.loads)
    named = {stream.name: stream for stream in streams.draw(Split.VALIDATION, SEED)}
    shared = [stream for stream in first if stream.name in named]
    assert shared
    assert any(not np.array_equal(stream.loads, named[stream.name].loads) for stream in shared)


def test_hidden_pieces_are_three_domains_for_random_lengths() -> None:
    def run(seed: int) -> list[tuple[float, int]]:
        pools = [[RoutedSequence(ids=np.full((1, 1, 1), domain, np.uint16), weights=None)] * 40
                 for domain in range(3)]  # fmt: skip
        members = own_streams._pieces(pools, np.random.default_rng(seed))
        return sorted((moment, int(sequence.ids[0, 0, 0])) for moment, sequence in members)

    lengths = set()
    for seed in range(5):
        domains = [domain for _, domain in run(seed)]
        assert domains == sorted(domains), "one domain after the other"
        counts = np.bincount(domains)
        assert len(counts) == 3
        assert counts.max() <= 40
        gaps = np.diff([moment for moment, _ in run(seed)])
        assert gaps.max() < 2 * gaps.min(), "sequences arrive at one rate"
        lengths.add(tuple(counts.tolist()))
    assert len(lengths) == 5


def test_too_little_data_is_refused(make_own: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="need 1 domains of 8 sequences"):
        OwnStreams(make_own(tmp_path / "own", sequences=12)).draw(Split.TRAIN, SEED)


def test_the_digest_names_files_and_rules(
    streams: OwnStreams, make_own: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = OwnStreams(make_own(tmp_path / "own", tokens=51))
    assert len({streams.digest, other.digest}) == 2
    before = streams.digest
    monkeypatch.setattr(own_streams, "OWN_STREAMS_VERSION", 99)
    assert streams.digest != before
