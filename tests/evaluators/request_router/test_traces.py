from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluators.model import Split
from evaluators.request_router.problem import RequestRouter
from evaluators.request_router.traces import INSTANCES, read_trace, replay, trace_traffic
from evaluators.workloads.trace_files import TraceError

TRACES = os.environ.get("EVOLVE_TRACES", "")
MOONCAKE = Path(TRACES) / "mooncake_synthetic_trace.jsonl"


def entry(number: int, **changes: Any) -> dict[str, Any]:
    """A request a second and a half, four to a tick of 6 s."""
    facts = {
        "timestamp": 6000 * (number // 4),
        "input_length": 1000 + number,
        "output_length": 5,
        "hash_ids": [number % 9, 1000 + number],
    }
    return {**facts, **changes}


def write(folder: Path, entries: list[dict[str, Any]]) -> Path:
    path = folder / "trace.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in entries))
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write(tmp_path, [entry(number) for number in range(1200)])


def test_splits_take_disjoint_stretches_of_time(path: Path) -> None:
    trace = read_trace(path)
    lengths: dict[Split, set[int]] = {}
    for split in Split:
        for seed in (bytes(32), bytes([1]) * 32):
            for data in trace_traffic(trace, split, seed):
                lengths.setdefault(split, set()).update(request.input_tokens for request in data.requests)
                assert len(data.fleet) == INSTANCES
    train, validation, hidden = lengths.values()
    assert train
    assert validation
    assert not train & (validation | hidden)
    assert not validation & hidden


def test_replay_spreads_ticks_and_keeps_what_is_shared(path: Path) -> None:
    requests = read_trace(path).requests[:400]
    data = replay("r", requests, 2.0, 400, np.random.default_rng(0))
    moments = data.arrivals
    assert len(np.unique(moments)) == len(moments)
    assert moments[-1] == pytest.approx(600 / 2, rel=0.02)
    assert np.diff(moments).max() < 3.01
    roots = {request.blocks[0] for request in data.requests}
    assert len(roots) == 9
    assert not roots & set(range(9)), "hashes have other names"


def test_a_blocks_deal_depends_on_the_seed_alone(path: Path) -> None:
    trace = read_trace(path)
    assert trace_traffic(trace, Split.TRAIN, bytes(32)) == trace_traffic(trace, Split.TRAIN, bytes(32))
    assert trace_traffic(trace, Split.TRAIN, bytes(32)) != trace_traffic(trace, Split.TRAIN, bytes([1]) * 32)
    renamed = path.rename(path.with_name("renamed.jsonl"))
    for ours, theirs in zip(
        trace_traffic(trace, Split.TRAIN, bytes(32)),
        trace_traffic(read_trace(renamed), Split.TRAIN, bytes(32)),
        strict=True,
    ):
        assert ours.requests == theirs.requests


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"hash_ids": []}, "line 8: 0 hash_ids for 1007 tokens"),
        ({"hash_ids": [1, 2, 3]}, "line 8: 3 hash_ids"),
        ({"hash_ids": [1, 1]}, "none twice"),
        ({"input_length": 0}, "line 8"),
        ({"timestamp": "soon"}, "line 8 is no request .* ValueError"),
        ({"hash_ids": None}, "line 8 is no request .* TypeError"),
        ({"timestamp": float("nan")}, "line 8: its timestamp nan is no moment"),
        ({"input_length": float("inf")}, "line 8 is no request .* OverflowError"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    entries = [entry(number, **(changes if number == 7 else {})) for number in range(1200)]
    with pytest.raises(TraceError, match=words):
        read_trace(write(tmp_path, entries))


def test_a_short_trace_and_one_of_a_single_moment_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="899 requests; three splits need 900"):
        read_trace(write(tmp_path, [entry(number) for number in range(899)]))
    with pytest.raises(TraceError, match="one timestamp"):
        read_trace(write(tmp_path, [entry(number, timestamp=5) for number in range(1000)]))
    stuck = read_trace(
        write(tmp_path, [entry(number, timestamp=max(0, 10 * (number - 500))) for number in range(1200)])
    )
    with pytest.raises(TraceError, match="400 requests of one split have one timestamp"):
        trace_traffic(stuck, Split.TRAIN, bytes(32))
    (tmp_path / "binary.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TraceError, match="cannot be read as text"):
        read_trace(tmp_path / "binary.jsonl")


@pytest.mark.skipif(not MOONCAKE.is_file(), reason="EVOLVE_TRACES names no folder with Mooncake's synthetic trace")
def test_routers_come_in_the_known_order_on_mooncake(problem: RequestRouter, seed_guest: Any) -> None:
    """Whole trace, cold caches, 1.5 times the recorded rate."""
    data = replay("mooncake", read_trace(MOONCAKE).requests, 1.5, 10_000, np.random.default_rng(0))
    data = replace(data, warm_requests=len(data.requests) % data.stretches)
    names = ["round_robin", "least_tokens", "prefix_hash", "dualmap", "min_ttft"]
    goodput = [problem.play(data, seed_guest(name)).metrics["goodput"] / 100 for name in names]
    assert goodput == sorted(goodput)
    assert goodput == pytest.approx([0.36, 0.51, 0.62, 0.845, 0.91], abs=0.03)
    assert problem.reference_objective(data, seed_guest) == pytest.approx(0.95, abs=0.02)
    assert problem.ceiling(data) <= 0.97
