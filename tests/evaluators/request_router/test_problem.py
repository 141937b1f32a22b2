from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from evaluators.model import Outcome, Split
from evaluators.problem import ProblemError, RefusedError
from evaluators.registry import load_problem
from evaluators.request_router.bounds import least_work
from evaluators.request_router.problem import CALL_SECONDS, DECLARATION, GATE_EVERY, GATE_SECONDS, RequestRouter
from evaluators.request_router.suite import make_problem
from evaluators.request_router.traffic import Traffic
from evaluators.request_router.workloads import build, definitions

Make = Callable[..., Traffic]


def first(**_: object) -> np.ndarray:
    return np.array([0], dtype=np.int32)


def in_turn() -> Callable[..., np.ndarray]:
    turns = iter(range(10**6))
    return lambda view, **_: np.array([next(turns) % view.shape[1]], dtype=np.int32)


@pytest.fixture(scope="session")
def train(problem: RequestRouter) -> list[Traffic]:
    return list(problem.workloads(Split.TRAIN, bytes(range(32))))


def test_the_objective_by_hand(problem: RequestRouter, traffic: Make, guest: Any) -> None:
    # On one instance prompts of 1.024 s come at once: first tokens after 1, 2, 3 and 4 x 1.024 s, limit 2.1 s.
    data = traffic([0, 0, 0, 0], [(1, 2), (3, 4), (5, 6), (7, 8)], objective_seconds=2.1)
    measured = problem.play(data, guest(first))
    late = 1.024 * np.array([1, 2, 3, 4]) / 2.1
    assert measured.series == pytest.approx((1 - 0.05 * late[:2].mean(), -0.05 * late[2:].mean()))
    assert measured.metrics["goodput"] == 50.0
    assert measured.metrics["p50_ttft"] == pytest.approx(late[1:3].mean())
    assert measured.metrics["hit"] == 0.0
    assert set(measured.metrics) == {metric.name for metric in DECLARATION.metrics}


def test_the_price_of_waiting_is_capped(problem: RequestRouter, traffic: Make, guest: Any) -> None:
    data = traffic([0, 0], [(1, 2), (3, 4)], objective_seconds=0.01)
    assert problem.play(data, guest(first)).objective == -1.0


def test_what_a_candidate_sees(problem: RequestRouter, train: list[Traffic], guest: Any) -> None:
    data, played = train[3], guest(in_turn())
    problem.play(data, played)
    assert len(played.calls) == len(data.requests)
    for call, request in zip(played.calls, data.requests, strict=True):
        assert set(call) == {*DECLARATION.parameters, "timeout"}, "and never the length of its answer"
        assert call["now_seconds"] == request.arrival_seconds
        assert 0 <= call["age_seconds"] < data.view_seconds
        assert call["blocks"].tolist() == list(request.blocks)
        assert call["view"].shape == (6, len(data.fleet))
        assert call["timeout"] == CALL_SECONDS
    speeds = {speeds.factors for speeds in data.fleet}
    assert len(speeds) > 1, "which no argument shows but by its effects"


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (lambda **_: np.array([0]), "dtype int32"),
        (lambda **_: np.int32(0), "array of int32"),
        (lambda **_: np.array(0, dtype=np.int32), "shape"),
        (lambda **_: np.array([0, 1], dtype=np.int32), "shape"),
        (lambda **_: np.array([-1], dtype=np.int32), "instances from 0 on must lie in 0..1, found -1"),
        (lambda **_: np.array([2], dtype=np.int32), "found 2"),
        (lambda **_: None, "not None"),
    ],
)
def test_an_illegal_choice_is_wrong(
    problem: RequestRouter, traffic: Make, guest: Any, broken: Callable[..., Any], words: str
) -> None:
    calls = iter(range(100))
    late = guest(lambda **arguments: broken(**arguments) if next(calls) == 3 else first())
    with pytest.raises(RefusedError, match=words) as caught:
        problem.play(traffic([0, 1, 2, 3], [(1,)] * 4), late)
    assert caught.value.outcome is Outcome.WRONG
    assert "call 4" in caught.value.reason


def test_the_gate_holds_for_the_quicker_half_and_with_patience_for_all(
    problem: RequestRouter, traffic: Make, guest: Any
) -> None:
    data = traffic([0.1 * number for number in range(100)], [(1,)] * 100)
    hiccups = guest(first, lambda call: 0.8 if call % 5 < 2 else 0.9 * GATE_SECONDS)
    assert problem.play(data, hiccups).metrics["route_us"] > 1e5
    slow = guest(first, lambda call: 1.1 * GATE_SECONDS)
    with pytest.raises(RefusedError, match="routing takes 110 ms per request, the gate is 100 ms") as caught:
        problem.play(data, slow)
    assert caught.value.outcome is Outcome.TIMEOUT
    hog = guest(first, lambda call: 1.4 if call % 5 < 2 else 0.9 * GATE_SECONDS)
    with pytest.raises(RefusedError, match="and 4 times that for all"):
        problem.play(data, hog)
    hopeless = guest(first, lambda call: 10 * GATE_SECONDS)
    with pytest.raises(RefusedError, match="routing takes 1000 ms per request"):
        problem.play(data, hopeless)
    assert len(hopeless.calls) == 3 * GATE_EVERY, "it ends early"


def test_marks_are_in_order(problem: RequestRouter, train: list[Traffic], seed_guest: Any) -> None:
    spans = []
    for data in train:
        baseline = problem.play(data, seed_guest(DECLARATION.baseline)).objective
        reference = problem.reference_objective(data, seed_guest)
        assert max(baseline, reference) <= problem.ceiling(data)
        spans.append(reference - baseline)
    assert np.mean(spans) > 0.03


def test_every_split_is_bounded(problem: RequestRouter, seed_guest: Any) -> None:
    for split, step in ((Split.VALIDATION, 3), (Split.HIDDEN, 7)):
        for number, definition in enumerate(definitions(split)[::step]):
            data = build(definition, bytes([number]) * 32)
            reference = problem.reference_objective(data, seed_guest)
            turns = problem.play(data, seed_guest("round_robin")).objective
            assert turns < reference <= problem.ceiling(data) <= 1.0


def test_cheap_tricks_do_not_pay(problem: RequestRouter, train: list[Traffic], guest: Any, seed_guest: Any) -> None:
    """One instance for all, or long prompts put away on one, are worth less than the baseline."""

    def long_ones_away(input_tokens: int, view: np.ndarray, **_: object) -> np.ndarray:
        last = view.shape[1] - 1
        return np.array([last if input_tokens > 20_000 else int(np.argmin(view[2, :last]))], dtype=np.int32)

    for data in train[:2]:
        baseline = problem.play(data, seed_guest(DECLARATION.baseline)).objective
        assert problem.play(data, guest(first)).objective < baseline - 0.3
        assert problem.play(data, guest(long_ones_away)).objective < baseline


def test_draws_depend_on_the_seed_alone(problem: RequestRouter, train: list[Traffic]) -> None:
    definition = definitions(Split.TRAIN)[1]
    first, again, other = (build(definition, bytes([seed]) * 32) for seed in (0, 0, 1))
    assert first == again
    known = {block for data in (first, *train) for request in data.requests for block in request.blocks}
    assert not known & {block for request in other.requests for block in request.blocks}
    assert [data.name for data in train] == [definition.name for definition in definitions(Split.TRAIN)]


def test_the_load_is_as_declared(problem: RequestRouter, train: list[Traffic]) -> None:
    for definition, data in zip(definitions(Split.TRAIN), train, strict=True):
        span = data.requests[-1].arrival_seconds - data.requests[0].arrival_seconds
        assert sum(least_work(data)) / span / len(data.fleet) == pytest.approx(definition.load)
        assert [request.arrival_seconds for request in data.requests] == sorted(data.arrivals)


def test_splits_meet_other_fleets() -> None:
    laws = {split: {definition.stratum for definition in definitions(split)} for split in Split}
    assert not laws[Split.TRAIN] & laws[Split.HIDDEN]
    assert not laws[Split.TRAIN] & laws[Split.VALIDATION]
    hidden = definitions(Split.HIDDEN)
    assert {definition.fleet.instances for definition in hidden} == {4, 6, 10, 12, 20, 32}
    assert any(definition.fleet.restarts for definition in hidden)
    assert len({definition.name for definition in hidden}) == 24


def test_the_digest_names_the_definition(problem: RequestRouter, tmp_path: Any) -> None:
    assert problem.digest == make_problem("generated").digest
    assert len(problem.digest) == 16
    trace = tmp_path / "trace.jsonl"
    lines = [
        json.dumps({"timestamp": 50 * n, "input_length": 900, "output_length": 9, "hash_ids": [n % 7, 100 + n]})
        for n in range(1200)
    ]
    trace.write_text("\n".join(lines))
    traced = make_problem(str(trace))
    assert traced.digest != problem.digest
    assert len(traced.workloads(Split.TRAIN, bytes(32))) == 3


def test_a_workload_that_is_not_there_is_one_clear_error(tmp_path: Any) -> None:
    with pytest.raises(ProblemError, match=r"no workload '/nowhere'.*\nhint: use 'generated'"):
        make_problem("/nowhere")
    (tmp_path / "problem.py").write_text("from evaluators.request_router.suite import make_problem\n")
    (tmp_path / "bad.jsonl").write_text('{"timestamp": 1}\n')
    with pytest.raises(ProblemError, match=r"line 1 is no request.*\nhint: docs/request_router.md"):
        load_problem(str(tmp_path), str(tmp_path / "bad.jsonl"))
