from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluators.guest import CheckedGuest
from evaluators.model import Outcome, Split
from evaluators.problem import ProblemError, RefusedError
from evaluators.token_dispatch.hardware import H100, Model
from evaluators.token_dispatch.measures import plain_plan, step_time
from evaluators.token_dispatch.problem import GATE_SECONDS, TokenDispatch
from evaluators.token_dispatch.reference import search
from evaluators.token_dispatch.steps import Deployment, DispatchStream, StepLaw, draw_steps
from evaluators.token_dispatch.suite import DRAWS, KINDS, make_problem

Dispatch = Callable[..., Any]
TRACES = Path(os.environ.get("EVOLVE_TRACES", "no such folder"))


class InProcess(CheckedGuest):
    """A guest without a sandbox: calls a function of the test's own and says how long it took."""

    def __init__(self, dispatch: Dispatch, seconds: Callable[[int], float] = lambda call: 0.001) -> None:
        super().__init__()
        self._dispatch = dispatch
        self._seconds = seconds
        self.calls: list[Mapping[str, Any]] = []

    def ask(self, arguments: Mapping[str, Any], timeout_seconds: float) -> tuple[object, float]:
        self.calls.append(arguments)
        return self._dispatch(**arguments), self._seconds(len(self.calls))


def at_owners(load: np.ndarray, owner: np.ndarray, **_: object) -> np.ndarray:
    plan = np.zeros_like(load)
    plan[np.arange(len(owner)), owner] = load.sum(axis=1)
    return plan


def no_seed(name: str) -> Any:
    pytest.fail(f"the reference needs no seed, not even {name}")


def small_stream(num_nodes: int = 1) -> DispatchStream:
    """Six steps of 16 experts on 4 GPUs."""
    model = Model(experts=16, top_k=2, hidden=1024, intermediate=1024)
    deployment = Deployment(model=model, gpu=H100, num_gpus=4, num_nodes=num_nodes, label="small")
    law = StepLaw(tokens_low=20_000, tokens_high=100_000, focused=0.8)
    steps = draw_steps(deployment, law, np.random.default_rng(num_nodes), 6)
    return DispatchStream(name="s", stratum="s", steps=steps)


@pytest.fixture(scope="module")
def problem() -> TokenDispatch:
    return make_problem("generated")


def test_the_baseline_is_zero_by_definition_and_the_reference_is_better(problem: TokenDispatch) -> None:
    stream = small_stream()
    measured = problem.play(stream, InProcess(at_owners))
    assert measured.series == (0.0,) * 6
    assert measured.metrics["speedup"] == 1.0
    assert measured.metrics["experts_moved"] == 0.0
    reference = problem.reference_objective(stream, no_seed)
    assert 0 < reference <= problem.ceiling(stream)


def test_a_plan_is_worth_the_logarithm_of_its_speed_up(problem: TokenDispatch) -> None:
    stream = small_stream()
    plans = {step.load.tobytes(): search(step).plan for step in stream.steps}
    measured = problem.play(stream, InProcess(lambda load, **_: plans[load.tobytes()]))
    expected = [
        np.log2(step_time(s, plain_plan(s)).total_us / step_time(s, plans[s.load.tobytes()]).total_us)
        for s in stream.steps
    ]
    assert measured.series == pytest.approx(expected)
    assert measured.objective == pytest.approx(problem.reference_objective(stream, no_seed))
    assert measured.metrics["speedup"] == pytest.approx(2 ** np.mean(expected))
    assert measured.metrics["worst_speedup"] == pytest.approx(2 ** np.min(expected))
    assert measured.metrics["experts_moved"] > 0


def test_what_a_candidate_sees(problem: TokenDispatch) -> None:
    stream, guest = small_stream(num_nodes=2), InProcess(at_owners)
    problem.play(stream, guest)
    for step, call in zip(stream.steps, guest.calls, strict=True):
        assert set(call) == set(problem.declaration.parameters)
        assert np.array_equal(call["load"], step.load), "this step and no other"
        assert np.array_equal(call["owner"], step.owner)
        assert (call["num_gpus"], call["num_nodes"]) == (4, 2)
        assert call["hardware"].tolist() == list(dataclasses.astuple(step.costs))


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (lambda plan: plan.astype(np.int64), "dtype int32"),
        (lambda plan: plan[:, :3], "shape"),
        (lambda plan: plan * 0, "the plan computes 0"),
        (lambda plan: plan.tolist(), "array of int32, not list"),
        (lambda plan: None, "array of int32, not None"),
        (
            lambda plan: plan - np.eye(16, 4, dtype=np.int32) + np.eye(16, 4, 1, dtype=np.int32),
            "tokens must be 0 or more",
        ),
        (lambda plan: np.eye(1, 4, dtype=np.int32) * plan.sum(axis=1, keepdims=True).astype(np.int32), "MiB"),
    ],
)
def test_an_illegal_plan_is_wrong_whenever_it_comes(
    problem: TokenDispatch, broken: Callable[[np.ndarray], object], words: str
) -> None:
    calls = iter(range(100))

    def late(**arguments: Any) -> object:
        plan = at_owners(**arguments)
        return broken(plan) if next(calls) == 4 else plan

    with pytest.raises(RefusedError, match=words) as caught:
        problem.play(small_stream(), InProcess(late))
    assert caught.value.outcome is Outcome.WRONG
    assert "call 5" in caught.value.reason


def test_the_gate_holds_for_the_quicker_half_and_with_more_patience_for_all(problem: TokenDispatch) -> None:
    stream = small_stream()
    hiccups = InProcess(at_owners, lambda call: 0.4 if call % 2 else 0.9 * GATE_SECONDS)
    assert problem.play(stream, hiccups).metrics["plan_ms"] > 2000 * GATE_SECONDS
    too_slow = InProcess(at_owners, lambda call: 1.1 * GATE_SECONDS)
    with pytest.raises(RefusedError, match="planning takes 88 ms per step, the gate is 80 ms") as caught:
        problem.play(stream, too_slow)
    assert caught.value.outcome is Outcome.TIMEOUT
    with pytest.raises(RefusedError, match="and 3 times that for all"):
        problem.play(stream, InProcess(at_owners, lambda call: 3.0 if call % 2 else 0.001))
    hopeless = InProcess(at_owners, lambda call: 0.9)
    with pytest.raises(RefusedError, match="planning takes 900 ms"):
        problem.play(stream, hopeless)
    assert len(hopeless.calls) == 4


@pytest.mark.parametrize("num_nodes", [1, 2])
def test_relations_leave_the_objective_as_it_was(problem: TokenDispatch, num_nodes: int) -> None:
    stream = small_stream(num_nodes)
    plans = [search(step).plan for step in stream.steps]
    for relation in problem.relations:
        changed, change = relation.change(stream, np.random.default_rng(7))
        replies = iter([change(plan) for plan in plans])
        measured = problem.play(changed, InProcess(lambda replies=replies, **_: np.ascontiguousarray(next(replies))))
        assert measured.objective == pytest.approx(problem.play(stream, _replay(plans)).objective, abs=1e-9)


def _replay(plans: list[np.ndarray]) -> InProcess:
    replies = iter(plans)
    return InProcess(lambda **_: next(replies))


def test_blocks_are_functions_of_split_and_seed(problem: TokenDispatch) -> None:
    for split in Split:
        first, again, other = (problem.workloads(split, bytes([n]) * 32) for n in (0, 0, 1))
        assert len(first) == len(KINDS[split]) * DRAWS[split]
        assert len({stream.name for stream in first}) == len(first)
        for a, b, c in zip(first, again, other, strict=True):
            assert all(np.array_equal(x.load, y.load) for x, y in zip(a.steps, b.steps, strict=True))
            assert not np.array_equal(a.steps[0].load, c.steps[0].load)
            assert len(a.steps) >= 2
    names = [{kind.deployment.label for kind in KINDS[split]} for split in Split]
    assert not names[0] & names[2], "hidden has machines of its own"
    assert problem.digest == make_problem("generated").digest


def test_plain_expert_parallelism_is_always_legal(problem: TokenDispatch) -> None:
    for split in Split:
        for stream in problem.workloads(split, bytes([5]) * 32):
            assert problem.play(stream, InProcess(at_owners)).objective == 0.0


def npz_trace(folder: Path) -> Path:
    rng = np.random.default_rng(1)
    arrays = {}
    for domain in ("prose", "code"):
        lengths = np.full(12, 48, dtype=np.int32)
        skew = rng.standard_normal((1, 3, 16))
        ids = np.argsort(skew + rng.random((int(lengths.sum()), 3, 16)), axis=2)[:, :, :4].astype(np.uint8)
        arrays |= {f"ids_{domain}": ids, f"len_{domain}": lengths}
    np.savez(folder / "trace.npz", **arrays)
    return folder / "trace.npz"


def test_a_trace_makes_another_workload_set(problem: TokenDispatch, tmp_path: Path) -> None:
    traced = make_problem(str(npz_trace(tmp_path)))
    assert traced.digest != problem.digest
    for split in Split:
        streams = traced.workloads(split, bytes(32))
        assert {step.load.shape for stream in streams for step in stream.steps} == {(16, 8), (16, 16)}
        assert all(traced.play(stream, InProcess(at_owners)).objective == 0.0 for stream in streams)
        again = traced.workloads(split, bytes(32))
        assert all(np.array_equal(a.steps[0].load, b.steps[0].load) for a, b in zip(streams, again, strict=True))


def test_a_trace_that_cannot_be_used_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "bad.npz").write_text("not an npz")
    for workload in (str(tmp_path / "bad.npz"), str(tmp_path / "absent.npz")):
        with pytest.raises(ProblemError, match=r"cannot use the workload.*\nhint: use 'generated'"):
            make_problem(workload)


@pytest.mark.skipif(not (TRACES / "qwen.route.csv").exists(), reason="EVOLVE_TRACES names no folder with a route log")
def test_a_public_route_log_can_be_dispatched() -> None:
    traced = make_problem(str(TRACES / "qwen.route.csv"))
    stream = traced.workloads(Split.TRAIN, bytes(32))[0]
    assert 0 <= traced.reference_objective(stream, no_seed) <= traced.ceiling(stream)
