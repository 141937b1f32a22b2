from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from evaluators.eplb_speed.generated import KINDS, generated_digest, generated_tasks
from evaluators.eplb_speed.recorded import MACHINES, recorded_tasks
from evaluators.eplb_speed.suite import make_problem
from evaluators.eplb_speed.tasks import PlanningTask
from evaluators.model import Split
from evaluators.problem import ProblemError
from evaluators.workloads.routes import RecordedRoutes
from evaluators.workloads.trace_files import RoutedSequence, Trace

SEED = bytes(range(32))
TRACES = os.environ.get("EVOLVE_TRACES", "")


def small_trace(experts: int = 16) -> Trace:
    """Two domains of a dozen short sequences, each with favourites of its own."""
    rng = np.random.default_rng(1)
    domains = {}
    for name in ("code", "prose"):
        liking = rng.random((3, experts))
        domains[name] = tuple(
            RoutedSequence(
                ids=np.argsort(rng.random((40, 3, experts)) * liking, axis=2)[:, :, :2].astype(np.uint16), weights=None
            )
            for _ in range(12)
        )
    return Trace(digest="0" * 64, layers=3, top_k=2, experts=experts, domains=domains)


def load_of(task: PlanningTask, number: int) -> NDArray[np.float32]:
    """What a call of that number is asked."""
    load = task.draw(number).arguments["load"]
    assert isinstance(load, np.ndarray)
    return load


@pytest.mark.parametrize("split", list(Split))
def test_workloads_are_a_function_of_split_and_seed(split: Split) -> None:
    first, again, other = (generated_tasks(split, seed) for seed in (SEED, SEED, bytes(32)))
    assert len({task.name for task in first}) == len(first)
    assert [task.name for task in first] == [task.name for task in other]
    for one, two, three in zip(first[:1], again[:1], other[:1], strict=True):
        assert np.array_equal(load_of(one, 3), load_of(two, 3))
        assert not np.array_equal(load_of(one, 3), load_of(three, 3))


def test_splits_share_neither_kind_nor_load() -> None:
    names = [{task.stratum for task in generated_tasks(split, SEED)} for split in Split]
    assert not set.intersection(*names)
    assert sum(map(len, names)) == len(set.union(*names))
    labels = {split: {kind.shape.label for kind in kinds} for split, kinds in KINDS.items()}
    assert not labels[Split.HIDDEN] & (labels[Split.TRAIN] | labels[Split.VALIDATION])
    assert "58x256/32gpu/288" in labels[Split.VALIDATION], "what the published figures are for"


def test_every_call_brings_another_load() -> None:
    task = generated_tasks(Split.TRAIN, SEED)[0]
    loads = [load_of(task, number) for number in range(8)]
    assert len({load.tobytes() for load in loads}) == 8
    # Not one popularity with other noise: what was hot in one call says nothing about the next.
    flat = np.log1p(np.stack([load.ravel() for load in loads]))
    apart = np.corrcoef(flat)[np.triu_indices(8, k=1)]
    assert np.abs(apart).max() < 0.2


def test_loads_are_read_as_tokens_of_the_declared_shape() -> None:
    for split in Split:
        for task in generated_tasks(split, SEED):
            load = task.loads(0)
            assert load.dtype == np.float32
            assert load.shape == (task.shape.layers, task.shape.experts)
            assert np.array_equal(load, np.round(load))
            assert (load.sum(axis=1) == load[0].sum()).all()


def test_a_sparse_law_leaves_experts_idle_and_makes_ties() -> None:
    task = next(task for task in generated_tasks(Split.HIDDEN, SEED) if "sparse" in task.name)
    load = task.loads(0)
    assert load.max() < 1000
    assert all(len(np.unique(row)) < len(row) for row in load)


def test_workloads_travel_to_other_workers() -> None:
    task = generated_tasks(Split.TRAIN, SEED)[0]
    there = pickle.loads(pickle.dumps(task))
    assert np.array_equal(load_of(there, 1), load_of(task, 1))


def test_the_digest_names_the_definition() -> None:
    assert generated_digest() == generated_digest()
    assert make_problem("generated").digest == make_problem("generated").digest
    assert len(make_problem("generated").digest) == 16


def test_loads_are_counted_over_pieces_of_a_trace() -> None:
    source = RecordedRoutes("small", small_trace())
    for split in Split:
        tasks = recorded_tasks(source, split, SEED)
        assert tasks
        for task in tasks:
            assert task.shape.experts == 16
            loads = [load_of(task, number) for number in range(6)]
            assert len({load.tobytes() for load in loads}) == 6
            # Each token visits two experts in every layer, so all layers count the same tokens.
            assert all((load.sum(axis=1) == load[0].sum()).all() and load[0].sum() % 2 == 0 for load in loads)
    labels = [{task.shape.label for task in recorded_tasks(source, split, SEED)} for split in Split]
    assert labels[0] != labels[2]


def test_splits_of_a_trace_share_no_sequence() -> None:
    source = RecordedRoutes("small", small_trace())
    held = [
        {sequence.ids.tobytes() for pool in source.sequences(split, SEED).domains.values() for sequence in pool}
        for split in Split
    ]
    assert not (held[0] & held[1] | held[0] & held[2] | held[1] & held[2])


def test_a_model_too_small_for_any_machine_is_one_clear_error() -> None:
    with pytest.raises(ProblemError, match="too small"):
        recorded_tasks(RecordedRoutes("tiny", small_trace(experts=4)), Split.TRAIN, SEED)
    assert min(gpus for machines in MACHINES.values() for gpus, _, _ in machines) == 4


def test_an_unusable_trace_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ProblemError, match=r"cannot use the workload .*missing.npz: .*\nhint: see docs/eplb_speed.md"):
        make_problem(str(tmp_path / "missing.npz"))


@pytest.mark.skipif(not TRACES, reason="EVOLVE_TRACES names no folder with public traces")
def test_a_public_trace_makes_workloads() -> None:
    problem = make_problem(str(Path(TRACES) / "esft_dsv2lite_intent_summary.npz"))
    assert problem.digest != make_problem("generated").digest
    for split in Split:
        for task in problem.workloads(split, SEED):
            assert (task.shape.layers, task.shape.experts) == (26, 64)
            load = load_of(task, 0)
            # Genuine routing is uneven: published DeepSeek-V2-Lite loads peak at several times the mean.
            assert 2 < (load.max(axis=1) / load.mean(axis=1)).mean() < 12
