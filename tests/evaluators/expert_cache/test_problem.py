from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluators.expert_cache.laws import LAWS, draws_of
from evaluators.expert_cache.measures import WINDOWS, series_of
from evaluators.expert_cache.problem import PATIENCE, TIMEOUT_SECONDS, ExpertCacheProblem
from evaluators.expert_cache.session import Session
from evaluators.expert_cache.suite import make_problem
from evaluators.model import Outcome, Split
from evaluators.problem import ProblemError, RefusedError

SEED = bytes(range(32))


def zeros(state: np.ndarray, **_: object) -> np.ndarray:
    return np.zeros(state.shape, dtype=np.float32)


def ones(state: np.ndarray, **_: object) -> np.ndarray:
    return np.ones(state.shape, dtype=np.float32)


def program(problem: ExpertCacheProblem, name: str) -> Any:
    """A seed's entry, with a memory of its own."""
    namespace: dict[str, Any] = {"__name__": "candidate"}
    exec(next(seed.source for seed in problem.seeds if seed.name == name), namespace)
    return namespace["value"]


@pytest.fixture(scope="module")
def problem() -> ExpertCacheProblem:
    return make_problem("generated")


@pytest.fixture(scope="module")
def sessions(problem: ExpertCacheProblem) -> list[Session]:
    return list(problem.workloads(Split.TRAIN, SEED))


def test_what_a_policy_sees(problem: ExpertCacheProblem, sessions: list[Session], in_process: Any) -> None:
    guest, session = in_process(zeros), sessions[0]
    problem.play(session, guest)
    assert len(guest.calls) == len(session.visits)
    names = (*problem.declaration.parameters, "timeout")
    assert all(tuple(call) == names for call in guest.calls)
    first = guest.calls[0]
    assert (first["step"], first["layer"], first["timeout"]) == (0, 0, TIMEOUT_SECONDS)
    assert np.array_equal(first["state"], session.cached.astype(np.int8))
    for call, visit in zip(guest.calls, session.visits, strict=True):
        assert call["ids"] is visit.ids
        assert call["ids"].shape == call["weights"].shape == call["guess"].shape


def test_a_guess_tells_the_next_layer_and_nothing_else(sessions: list[Session]) -> None:
    """Right to the declared share, different experts, none at the last layer: the next token stays unknown."""
    law = LAWS[Split.TRAIN][0]
    session = sessions[0]
    right = []
    for visit, successor in zip(session.visits[:-1], session.visits[1:], strict=True):
        if visit.layer == session.layers - 1:
            assert (visit.guess == -1).all()
            continue
        assert all(len(set(row)) == law.top_k for row in visit.guess.tolist())
        right += [np.isin(a, b).mean() for a, b in zip(visit.guess, successor.ids, strict=True)]
    assert law.accuracy[0] - 0.05 < np.mean(right) < law.accuracy[1] + 0.05


def test_the_objective_is_the_hit_rate_by_bytes_where_nothing_is_fetched_ahead(
    problem: ExpertCacheProblem, sessions: list[Session], in_process: Any
) -> None:
    for session in sessions[:2]:
        measured = problem.play(session, in_process(zeros))
        assert len(measured.series) == WINDOWS
        assert measured.objective == pytest.approx(1 - measured.metrics["moved"] / 100)
        assert measured.metrics["overlap"] == pytest.approx(0, abs=1e-6)


def test_the_series_has_the_objective_as_its_mean(sessions: list[Session]) -> None:
    stalls = np.random.default_rng(0).random(len(sessions[0].visits))
    expected = 1 - stalls.sum() / sessions[0].uncached_seconds
    assert np.mean(series_of(sessions[0], stalls)) == pytest.approx(expected)


def test_baseline_reference_and_ceiling_are_in_this_order(problem: ExpertCacheProblem, in_process: Any) -> None:
    for seed in range(2):
        for session in problem.workloads(Split.TRAIN, bytes([seed]) * 32)[:3]:
            baseline = problem.play(session, in_process(program(problem, "lru"))).objective
            reference = problem.reference_objective(session, in_process)
            assert baseline + 0.1 < reference <= problem.ceiling(session) + 1e-9 <= 1 + 1e-9


def test_the_gap_between_reference_and_ceiling_is_small(problem: ExpertCacheProblem, sessions: list[Session]) -> None:
    gaps = [problem.ceiling(session) - problem.reference_objective(session, zeros) for session in sessions]
    assert 0 <= np.mean(gaps) < 0.04


@pytest.mark.parametrize("lazy", [zeros, ones])
def test_replies_without_thought_are_the_baseline(
    problem: ExpertCacheProblem, sessions: list[Session], in_process: Any, lazy: Any
) -> None:
    """Ties leave by recency, and nothing is fetched for something worth as much."""
    session = sessions[2]
    baseline = problem.play(session, in_process(program(problem, "lru")))
    assert problem.play(session, in_process(lazy)).series == pytest.approx(baseline.series)


def test_fetching_at_random_costs(problem: ExpertCacheProblem, sessions: list[Session], in_process: Any) -> None:
    rng = np.random.default_rng(0)

    def noise(state: np.ndarray, **_: object) -> np.ndarray:
        return rng.random(state.shape, dtype=np.float32)

    session = sessions[0]
    assert problem.play(session, in_process(noise)).objective < problem.play(session, in_process(zeros)).objective


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (lambda state: np.zeros(state.shape), "dtype float32"),
        (lambda state: np.zeros(state.shape[1:], dtype=np.float32), "shape"),
        (lambda state: np.full(state.shape, np.nan, dtype=np.float32), "finite"),
        (lambda state: np.full(state.shape, np.inf, dtype=np.float32), "finite"),
        (lambda state: None, "not None"),
    ],
)
def test_an_illegal_reply_is_wrong_whenever_it_comes(
    problem: ExpertCacheProblem, sessions: list[Session], in_process: Any, broken: Any, words: str
) -> None:
    calls = iter(range(10_000))

    def late(state: np.ndarray, **_: object) -> object:
        return broken(state) if next(calls) == 7 else zeros(state)

    with pytest.raises(RefusedError, match=words) as caught:
        problem.play(sessions[0], in_process(late))
    assert caught.value.outcome is Outcome.WRONG
    assert "call 8" in caught.value.reason


def test_the_gate_holds_for_the_quicker_half_and_for_all(
    problem: ExpertCacheProblem, sessions: list[Session], in_process: Any
) -> None:
    session = sessions[0]
    gate = session.gate_seconds
    problem.play(session, in_process(zeros, lambda call: PATIENCE * gate * (call % 3 == 0)))
    slow = in_process(zeros, lambda call: 1.1 * gate)
    with pytest.raises(RefusedError, match="deciding takes") as caught:
        problem.play(session, slow)
    assert caught.value.outcome is Outcome.TIMEOUT
    hopeless = in_process(zeros, lambda call: 0.9 * TIMEOUT_SECONDS)
    with pytest.raises(RefusedError, match="deciding takes"):
        problem.play(session, hopeless)
    assert len(hopeless.calls) <= 128


def test_blocks_depend_on_the_seed_alone(problem: ExpertCacheProblem, sessions: list[Session]) -> None:
    again = problem.workloads(Split.TRAIN, SEED)
    other = problem.workloads(Split.TRAIN, bytes(32))
    for one, two, three in zip(sessions, again, other, strict=True):
        assert (one.name, one.capacity_bytes) == (two.name, two.capacity_bytes)
        assert all(np.array_equal(a.guess, b.guess) for a, b in zip(one.visits, two.visits, strict=True))
        assert one.capacity_bytes != three.capacity_bytes
    assert problem.digest == make_problem("generated").digest
    assert len({session.name for session in sessions}) == len(sessions) == draws_of(Split.TRAIN) * 3


def test_splits_differ_in_shape_and_every_stratum_is_drawn_again(problem: ExpertCacheProblem) -> None:
    shapes = {split: {(law.layers, law.experts, law.top_k) for law in LAWS[split]} for split in Split}
    assert not shapes[Split.TRAIN] & shapes[Split.HIDDEN]
    assert not shapes[Split.VALIDATION] & shapes[Split.HIDDEN]
    assert all(draws_of(split) >= 2 for split in Split)


@pytest.mark.parametrize("relation", range(5))
def test_relations_leave_the_objective(
    problem: ExpertCacheProblem, sessions: list[Session], in_process: Any, relation: int
) -> None:
    """With a policy that fetches ahead, which the audit's baseline does not; its values are all different."""
    policy = program(problem, "fate_like_prefetch")
    tie = np.random.default_rng(1).random((12, 64)) * 1e-3
    replies = []

    def noted(**arguments: Any) -> np.ndarray:
        value = policy(**arguments)
        replies.append(np.where(value > 0, value + tie, value).astype(np.float32))
        return replies[-1]

    measured = problem.play(sessions[0], in_process(noted))
    rule = problem.relations[relation]
    session, change = rule.change(sessions[0], np.random.default_rng(2))
    changed = iter([change(reply) for reply in replies])
    assert problem.play(session, in_process(lambda **_: next(changed))).objective == pytest.approx(measured.objective)


def small_trace(path: Path, experts: int = 16) -> Path:
    rng = np.random.default_rng(1)
    arrays = {}
    for domain in ("prose", "code"):
        lengths = np.full(30, 40, dtype=np.int32)
        ids = np.argsort(rng.random((int(lengths.sum()), 3, experts)), axis=2)[:, :, :4].astype(np.uint8)
        arrays |= {f"ids_{domain}": ids, f"len_{domain}": lengths}
    np.savez(path, **arrays)
    return path


def test_a_trace_file_makes_another_workload_set(problem: ExpertCacheProblem, tmp_path: Path, in_process: Any) -> None:
    traced = make_problem(str(small_trace(tmp_path / "trace.npz")))
    assert traced.digest != problem.digest
    for split in Split:
        for session in traced.workloads(split, SEED):
            assert (session.layers, session.experts) == (3, 16)
            assert session.visits[0].weights[0].tolist() == [0.25] * 4
            assert traced.reference_objective(session, in_process) <= traced.ceiling(session) + 1e-9


def test_a_recorded_route_log_brings_its_sizes() -> None:
    folder = Path(os.environ.get("EVOLVE_TRACES", ""))
    if "EVOLVE_TRACES" not in os.environ or not (folder / "qwen.route.csv").exists():
        pytest.skip("EVOLVE_TRACES names no folder with qwen.route.csv")
    recorded = make_problem(str(folder / "qwen.route.csv"))
    session = recorded.workloads(Split.HIDDEN, SEED)[0]
    assert (session.layers, session.experts) == (48, 128)
    assert set(session.expert_bytes.tolist()) == {3_059_712, 2_654_208}


def test_what_cannot_be_used_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "text.npz").write_text("not an npz")
    with pytest.raises(ProblemError, match=r"text\.npz.*\nhint: docs/expert_cache.md"):
        make_problem(str(tmp_path / "text.npz"))
    with pytest.raises(ProblemError, match="no workload 'nowhere'"):
        make_problem("nowhere")
    rng = np.random.default_rng(0)
    ids = np.argsort(rng.random((12, 3, 8)), axis=2)[:, :, :2].astype(np.uint8)
    np.savez(tmp_path / "short.npz", ids_prose=ids, len_prose=np.full(6, 2))
    with pytest.raises(ProblemError, match="forward passes, need 12"):
        make_problem(str(tmp_path / "short.npz"))
