from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluators.guest import CheckedGuest
from evaluators.model import Outcome, Split
from evaluators.placement import recorded
from evaluators.placement.machines import DRAWS, KINDS, build, draws
from evaluators.placement.measures import costs
from evaluators.placement.periods import Deployment, gate_seconds
from evaluators.placement.problem import LEAST_TIMEOUT_SECONDS, PATIENCE, TIME_GATE, Placing
from evaluators.placement.suite import make_problem
from evaluators.problem import ProblemError, RefusedError
from evaluators.registry import load_problem

TRACES = os.environ.get("EVOLVE_TRACES")
ESFT = Path(TRACES or ".") / "esft_dsv2lite_intent_summary.npz"

Place = Callable[..., Any]


class InProcess(CheckedGuest):
    """A guest without a sandbox: calls a function of the test's own and says how long it took."""

    def __init__(self, place: Place, seconds: Callable[[int], float] = lambda call: 0.001) -> None:
        super().__init__()
        self._place = place
        self._seconds = seconds
        self.calls: list[Mapping[str, Any]] = []

    def ask(self, arguments: Mapping[str, Any], timeout_seconds: float) -> tuple[object, float]:
        self.calls.append({**arguments, "timeout": timeout_seconds})
        return self._place(**arguments), self._seconds(len(self.calls))


@pytest.fixture(scope="module")
def problem() -> Placing:
    return make_problem("generated")


@pytest.fixture(scope="module")
def small() -> Deployment:
    """The cheapest kind of train."""
    return build(draws(Split.TRAIN)[0], bytes(32))


def seed_function(problem: Placing, name: str) -> Place:
    namespace: dict[str, Any] = {}
    exec(next(seed.source for seed in problem.seeds if seed.name == name), namespace)
    place: Place = namespace["place"]
    return place


def in_order(load: np.ndarray, num_gpus: int, **_: object) -> np.ndarray:
    layers, experts = load.shape
    return np.tile(np.arange(experts, dtype=np.int32) // (experts // num_gpus), (layers, 1))


def test_a_placement_is_judged_on_the_next_period_alone(problem: Placing, small: Deployment) -> None:
    measured = problem.play(small, InProcess(in_order))
    placement = in_order(small.load[0], small.num_gpus)
    found = [costs(placement, small.transitions[n], small.load[n], small.num_gpus, 1) for n in small.scored]
    assert measured.series == pytest.approx([cost.objective for cost in found])
    assert len(measured.series) == 4
    assert measured.metrics["crossing"] == pytest.approx(100 * np.mean([cost.crossing for cost in found]))
    assert measured.metrics["imbalance"] == pytest.approx(100 * np.mean([cost.imbalance for cost in found]))


def test_what_a_candidate_sees_is_the_sum_of_the_past(problem: Placing, small: Deployment) -> None:
    guest = InProcess(in_order)
    problem.play(small, guest)
    assert len(guest.calls) == 4
    for call, period in zip(guest.calls, small.scored, strict=True):
        assert call["transitions"].dtype == call["load"].dtype == np.float32
        assert np.array_equal(call["transitions"], small.transitions[:period].sum(axis=0))
        assert np.array_equal(call["load"], small.load[:period].sum(axis=0))
        assert (call["num_gpus"], call["num_nodes"]) == (small.num_gpus, small.num_nodes)


def test_the_scored_period_changes_nothing_that_a_candidate_has_seen(problem: Placing, small: Deployment) -> None:
    """No reading ahead: the calls up to a period do not depend on the counts of that period or a later one."""
    guests = [InProcess(in_order), InProcess(in_order)]
    other = Deployment(
        name="o",
        transitions=np.concatenate([small.transitions[:3], small.transitions[:2]]),
        load=np.concatenate([small.load[:3], small.load[:2]]),
        num_gpus=8,
        num_nodes=1,
        gate_seconds=small.gate_seconds,
    )
    for deployment, guest in zip((small, other), guests, strict=True):
        problem.play(deployment, guest)
    for ours, theirs in list(zip(guests[0].calls, guests[1].calls, strict=True))[:3]:
        assert np.array_equal(ours["transitions"], theirs["transitions"])
    assert not np.array_equal(guests[0].calls[3]["transitions"], guests[1].calls[3]["transitions"])


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (lambda good: good.astype(np.int64), "dtype int32"),
        (lambda good: good[:, :-1], "shape"),
        (lambda good: good * 0, "GPU 0 holds 64 experts"),
        (lambda good: good + 1, "GPUs must lie in"),
        (lambda good: good.tolist(), "not list"),
        (lambda good: None, "not None"),
    ],
)
def test_an_illegal_placement_is_wrong_whenever_it_comes(
    problem: Placing, small: Deployment, broken: Callable[[np.ndarray], object], words: str
) -> None:
    calls = iter(range(10))

    def late(**arguments: Any) -> object:
        good = in_order(**arguments)
        return broken(good) if next(calls) == 2 else good

    with pytest.raises(RefusedError, match=words) as caught:
        problem.play(small, InProcess(late))
    assert caught.value.outcome is Outcome.WRONG
    assert "call 3" in caught.value.reason


def test_the_gate_holds_for_the_mean_without_the_slowest_call(problem: Placing, small: Deployment) -> None:
    gate = small.gate_seconds
    hiccup = InProcess(in_order, lambda call: 3 * gate if call == 2 else 0.9 * gate)
    problem.play(small, hiccup)
    assert hiccup.calls[0]["timeout"] == max(LEAST_TIMEOUT_SECONDS, PATIENCE * gate)
    slow = InProcess(in_order, lambda call: 1.1 * gate)
    with pytest.raises(RefusedError, match=r"placing takes \d+ ms per period, the gate is 230 ms") as caught:
        problem.play(small, slow)
    assert caught.value.outcome is Outcome.TIMEOUT
    assert caught.value.check == TIME_GATE
    hopeless = InProcess(in_order, lambda call: 9 * gate)
    with pytest.raises(RefusedError):
        problem.play(small, hopeless)
    assert len(hopeless.calls) == 2


def test_gates_grow_with_the_table(problem: Placing) -> None:
    assert [gate_seconds(*shape) for shape in ((26, 64), (48, 128), (16, 256), (60, 384))] == [0.23, 0.425, 0.5, 0.7]


@pytest.mark.parametrize("number", range(2))
def test_baseline_reference_and_ceiling_come_in_this_order(problem: Placing, number: int) -> None:
    deployment = build(draws(Split.TRAIN)[0], bytes([number]) * 32)
    baseline = problem.play(deployment, InProcess(seed_function(problem, "lpt"))).objective
    swapped = problem.play(deployment, InProcess(seed_function(problem, "swaps"))).objective
    reference = problem.reference_objective(deployment, lambda name: InProcess(in_order))
    ceiling = problem.ceiling(deployment)
    assert problem.play(deployment, InProcess(in_order)).objective < baseline < reference - 0.05
    assert max(swapped, reference) < ceiling < 0


def test_relations_leave_the_objective_as_it_was(problem: Placing) -> None:
    """On a machine of two nodes, with placements of no pattern."""
    rng = np.random.default_rng(0)
    deployment = Deployment(
        name="r",
        transitions=rng.poisson(3, (3, 4, 16, 16)).astype(np.uint16),
        load=rng.poisson(50, (3, 5, 16)).astype(np.uint16),
        num_gpus=4,
        num_nodes=2,
        gate_seconds=1.0,
    )
    replies = [rng.permuted(np.tile(np.arange(16) // 4, (5, 1)), axis=1).astype(np.int32) for _ in deployment.scored]
    before = problem.play(deployment, InProcess(replayed(replies))).objective
    for relation in problem.relations:
        changed, change = relation.change(deployment, rng)
        after = problem.play(changed, InProcess(replayed([change(reply) for reply in replies]))).objective
        assert after == pytest.approx(before, abs=1e-12), relation.name
    spoilt = problem.play(deployment, InProcess(replayed([np.roll(reply, 1, axis=1) for reply in replies])))
    assert spoilt.objective != pytest.approx(before, abs=1e-6)


def replayed(replies: list[np.ndarray]) -> Place:
    turns = iter(replies)
    return lambda **_: np.ascontiguousarray(next(turns))


def test_splits_and_seeds_give_other_deployments_and_the_same_again(problem: Placing) -> None:
    block = problem.workloads(Split.TRAIN, bytes(32))
    first, again = block[0], block[:1][0]
    other = problem.workloads(Split.TRAIN, bytes([1]) * 32)[0]
    assert first.name == again.name == other.name
    assert np.array_equal(first.transitions, again.transitions)
    assert not np.array_equal(first.transitions, other.transitions)
    assert problem.digest == make_problem("generated").digest
    assert len(block) == DRAWS[Split.TRAIN] * len(KINDS[Split.TRAIN])
    with pytest.raises(IndexError):
        block[len(block)]


def test_every_kind_is_drawn_at_least_twice_and_hidden_machines_are_new() -> None:
    for split in Split:
        names = [draw.name for draw in draws(split)]
        assert len(set(names)) == len(names)
        assert DRAWS[split] >= 2
    seen = {machine for split in (Split.TRAIN, Split.VALIDATION) for machine, _ in KINDS[split]}
    hidden = {machine for machine, _ in KINDS[Split.HIDDEN]}
    assert len(hidden - seen) >= 4
    assert {machine for machine, _ in KINDS[Split.TRAIN]}.isdisjoint(hidden)


@pytest.fixture
def trace_file(tmp_path: Path) -> Path:
    rng = np.random.default_rng(1)
    arrays = {}
    for domain in ("prose", "code"):
        lengths = np.full(36, 20, dtype=np.int32)
        ids = np.argsort(rng.random((int(lengths.sum()), 3, 16)), axis=2)[:, :, :4].astype(np.uint8)
        arrays |= {f"ids_{domain}": ids, f"len_{domain}": lengths}
    np.savez(tmp_path / "trace.npz", **arrays)
    return tmp_path / "trace.npz"


def test_a_trace_makes_another_set_whose_splits_share_no_sequence(problem: Placing, trace_file: Path) -> None:
    traced = make_problem(str(trace_file))
    assert traced.digest != problem.digest
    tokens = []
    for split in Split:
        deployments = traced.workloads(split, bytes(32))
        assert [d.num_gpus for d in deployments] == [8] * recorded.DRAWS[split]
        assert all(d.load.shape == (5, 3, 16) and d.transitions.shape == (5, 2, 16, 16) for d in deployments)
        held = deployments[0].load.sum(axis=(1, 2))
        assert held.min() >= 0.8 * held.mean()
        tokens.append(int(held.sum()) // (3 * 4))
        traced.play(deployments[0], InProcess(in_order))
    assert sum(tokens) == 72 * 20, "every sequence falls into one split, and none is lost"


def test_a_trace_that_cannot_be_placed_is_one_clear_error(tmp_path: Path) -> None:
    ids = np.argsort(np.random.default_rng(0).random((90, 3, 10)), axis=2)[:, :, :2].astype(np.uint8)
    np.savez(tmp_path / "t.npz", ids_a=np.minimum(ids, 9), len_a=np.full(9, 10))
    path = tmp_path / "t.npz"
    with pytest.raises(ProblemError, match=r"16 experts|two on each") as caught:
        make_one_layer(tmp_path)
    assert "hint: docs/placement.md" in str(caught.value)
    assert make_problem(str(path)).workloads(Split.TRAIN, bytes(32))
    with pytest.raises(ProblemError, match="nowhere"):
        make_problem(str(tmp_path / "nowhere.npz"))


def make_one_layer(folder: Path) -> None:
    """Eight experts: no machine gives each GPU two of them."""
    ids = np.argsort(np.random.default_rng(0).random((90, 3, 8)), axis=2)[:, :, :2].astype(np.uint8)
    np.savez(folder / "few.npz", ids_a=ids, len_a=np.full(9, 10))
    make_problem(str(folder / "few.npz"))


def test_a_users_folder_can_name_it(tmp_path: Path) -> None:
    (tmp_path / "problem.py").write_text("from evaluators.placement.suite import make_problem\n")
    assert load_problem(str(tmp_path)).declaration.name == "placement"


@pytest.mark.skipif(not ESFT.exists(), reason="EVOLVE_TRACES names no folder with the ESFT trace")
def test_recorded_routing_has_the_known_headroom() -> None:
    """DeepSeek-V2-Lite on 8 GPUs: 87.5 % cross without affinity, 74.2 % are known at a maximum of 1.05 of the mean."""
    traced = make_problem(str(ESFT))
    deployment = traced.workloads(Split.TRAIN, bytes(32))[0]
    counts = deployment.transitions.sum(axis=0), deployment.load.sum(axis=0)
    from evaluators.placement.reference import best_known

    lazy = costs(seed_function(traced, "lpt")(None, counts[1], 8, 1).astype(np.int32), *counts, 8, 1)
    found = costs(best_known(*counts, 8, 1), *counts, 8, 1)
    assert lazy.crossing == pytest.approx(0.875, abs=0.01)
    assert found.crossing < 0.742
    assert found.imbalance < 0.05
