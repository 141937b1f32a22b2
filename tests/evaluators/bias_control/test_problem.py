from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluators.bias_control import laws
from evaluators.bias_control.measures import MU, routed
from evaluators.bias_control.problem import BiasControl, gate_seconds
from evaluators.bias_control.streams import BatchStream
from evaluators.bias_control.suite import make_problem
from evaluators.gates import TIME_GATE
from evaluators.guest import CheckedGuest
from evaluators.model import Outcome, Split
from evaluators.problem import ProblemError, RefusedError
from evaluators.registry import load_problem
from evaluators.workloads.own import FOLDER, MODELS
from evaluators.workloads.score_stream import ScoreStream
from evaluators.workloads.scores import open_scores

Update = Callable[..., Any]


class InProcess(CheckedGuest):
    """A guest without a sandbox: calls a function of the test's own and says how long it took."""

    def __init__(self, update: Update, seconds: Callable[[int], float] = lambda call: 0.001) -> None:
        super().__init__()
        self._update = update
        self._seconds = seconds
        self.calls: list[Mapping[str, Any]] = []

    def ask(self, arguments: Mapping[str, Any], timeout_seconds: float) -> tuple[object, float]:
        self.calls.append(arguments)
        return self._update(**arguments), self._seconds(len(self.calls))


def zeros(bias: np.ndarray, **_: object) -> np.ndarray:
    return np.zeros_like(bias)


def replayed(replies: list[np.ndarray]) -> Update:
    turns = iter(replies)
    return lambda **_: np.ascontiguousarray(next(turns))


@pytest.fixture(scope="module")
def problem() -> BiasControl:
    return make_problem("own")


@pytest.fixture(scope="module")
def stream(problem: BiasControl) -> BatchStream:
    """A short train stream that needs balance."""
    whole = max(problem.workloads(Split.TRAIN, bytes(32)), key=lambda s: -problem.play(s, InProcess(zeros)).objective)
    return dataclasses.replace(whole, picks=whole.picks[:8, :, :512], path=whole.path[:8])


def seed_function(problem: BiasControl, name: str) -> Update:
    namespace: dict[str, Any] = {}
    exec(next(seed.source for seed in problem.seeds if seed.name == name), namespace)
    update: Update = namespace["update"]
    return update


def test_routing_by_hand() -> None:
    """Three tokens, one visit each: all like expert 0; a bias of .25 moves the last, whose affinities are .2 apart."""
    affinity = np.array([[0.9, 0.1], [0.8, 0.3], [0.6, 0.4]], dtype=np.float32)
    lone = routed(affinity, np.zeros(2, np.float32), 1)
    assert (lone.load.tolist(), lone.kept, lone.violation) == ([3, 0], 1.0, 1.0)
    moved = routed(affinity, np.array([-0.25, 0], np.float32), 1)
    assert moved.load.tolist() == [2, 1]
    assert moved.kept == pytest.approx(2.1 / 2.3)
    assert moved.violation == pytest.approx(1 / 3)
    assert moved.objective == pytest.approx(2.1 / 2.3 - MU / 3)


def test_a_bias_is_judged_on_the_next_batch_alone(problem: BiasControl, stream: BatchStream) -> None:
    rng = np.random.default_rng(0)
    replies = [rng.normal(0, 0.05, stream.experts).astype(np.float32) for _ in range(7)]
    measured = problem.play(stream, InProcess(replayed(replies)))
    found = [routed(stream.affinity(n + 1), replies[n], stream.top_k) for n in range(7)]
    assert measured.series == tuple(batch.objective for batch in found)
    assert measured.metrics["max_vio"] == pytest.approx(np.mean([batch.violation for batch in found]))
    assert measured.metrics["kept"] == pytest.approx(100 * np.mean([batch.kept for batch in found]))


def test_what_a_candidate_sees_is_the_batch_that_was(problem: BiasControl, stream: BatchStream) -> None:
    replies = [np.full(stream.experts, 0.001 * n, dtype=np.float32) for n in range(7)]
    guest = InProcess(replayed(replies))
    problem.play(stream, guest)
    for number, call in enumerate(guest.calls):
        bias = replies[number - 1] if number else np.zeros(stream.experts)
        assert set(call) == {"affinity", "load", "bias", "top_k"}
        assert np.array_equal(call["affinity"], stream.affinity(number))
        assert np.array_equal(call["bias"], bias)
        assert np.array_equal(call["load"], routed(stream.affinity(number), bias.astype(np.float32), stream.top_k).load)
        assert call["load"].dtype == np.int32
        assert call["load"].sum() == stream.size * stream.top_k


def test_later_batches_change_nothing_that_a_candidate_has_seen(problem: BiasControl, stream: BatchStream) -> None:
    """No reading ahead: the calls up to a batch do not depend on the batches after it."""
    other = dataclasses.replace(stream, picks=np.concatenate([stream.picks[:4], stream.picks[:4]]))
    guests = [InProcess(seed_function(problem, "bip")) for _ in range(2)]
    for one, guest in zip((stream, other), guests, strict=True):
        problem.play(one, guest)
    same = [
        all(np.array_equal(ours[name], theirs[name]) for name in ("affinity", "load", "bias"))
        for ours, theirs in zip(guests[0].calls, guests[1].calls, strict=True)
    ]
    assert same[:4] == [True] * 4
    assert not same[4]


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (lambda good: good.astype(np.float64), "dtype float32"),
        (lambda good: good[:-1], "shape"),
        (lambda good: good * np.nan, "finite"),
        (lambda good: good.tolist(), "not list"),
        (lambda good: None, "not None"),
    ],
)
def test_an_illegal_bias_is_wrong_whenever_it_comes(
    problem: BiasControl, stream: BatchStream, broken: Callable[[np.ndarray], object], words: str
) -> None:
    calls = iter(range(10))

    def late(**arguments: Any) -> object:
        good = zeros(**arguments)
        return broken(good) if next(calls) == 2 else good

    with pytest.raises(RefusedError, match=words) as caught:
        problem.play(stream, InProcess(late))
    assert caught.value.outcome is Outcome.WRONG
    assert "call 3" in caught.value.reason


def test_a_bias_that_is_changed_after_the_reply_changes_nothing(problem: BiasControl, stream: BatchStream) -> None:
    """The judge has its own copy: an array that the program keeps and writes to later is not what it is handed back."""
    held = np.zeros(stream.experts, dtype=np.float32)
    given, came = [np.zeros(stream.experts)], []

    def sly(bias: np.ndarray, **_: object) -> np.ndarray:
        held[:] = 9.0
        came.append(bias.copy())
        held[:] = 0.01 * len(came) * np.arange(stream.experts)
        given.append(held.copy())
        return held

    problem.play(stream, InProcess(sly))
    assert len(came) > 2
    assert np.array_equal(came, given[:-1])


def test_the_gate_holds_for_the_quicker_half(problem: BiasControl, stream: BatchStream) -> None:
    gate = gate_seconds(stream.size, stream.experts)
    assert gate_seconds(1024, 64) == pytest.approx(0.090)
    problem.play(stream, InProcess(zeros, lambda call: 5 * gate if call <= 4 else 0.9 * gate))
    with pytest.raises(RefusedError, match=r"updating takes \d+ ms per step, the gate is 75 ms") as caught:
        problem.play(stream, InProcess(zeros, lambda call: 1.1 * gate))
    assert caught.value.outcome is Outcome.TIMEOUT
    assert caught.value.check == TIME_GATE


@pytest.mark.parametrize("number", range(3))
def test_baseline_reference_and_ceiling_come_in_this_order(problem: BiasControl, number: int) -> None:
    held = problem.workloads(Split.TRAIN, bytes([number]) * 32)[3 * number : 3 * number + 3]
    held = [dataclasses.replace(s, picks=s.picks[:6, :, :512], path=s.path[:6]) for s in held]
    none, baseline, bip = (
        np.mean([problem.play(s, InProcess(seed_function(problem, name))).objective for s in held])
        for name in ("none", "loss_free", "bip")
    )
    references = [problem.reference_objective(s, lambda name: InProcess(zeros)) for s in held]
    ceilings = [problem.ceiling(s) for s in held]
    assert none < baseline < bip < np.mean(references)
    assert all(r <= c <= r + 0.02 for r, c in zip(references, ceilings, strict=True))
    assert max(ceilings) <= 1


def test_relations_leave_the_objective_as_it_was(problem: BiasControl, stream: BatchStream) -> None:
    rng = np.random.default_rng(0)
    replies = [rng.normal(0, 0.1, stream.experts).astype(np.float32) for _ in range(7)]
    before = problem.play(stream, InProcess(replayed(replies))).objective
    for relation in problem.relations:
        changed, change = relation.change(stream, rng)
        after = problem.play(changed, InProcess(replayed([change(reply) for reply in replies]))).objective
        assert after == pytest.approx(before, abs=1e-9), relation.name
    spoilt = problem.play(stream, InProcess(replayed([np.roll(reply, 1) for reply in replies])))
    assert spoilt.objective != pytest.approx(before, abs=1e-4)


def test_blocks_follow_from_split_and_seed_alone(problem: BiasControl) -> None:
    block, again, other = (problem.workloads(Split.TRAIN, seed)[:3] for seed in (bytes(32), bytes(32), bytes([1]) * 32))
    assert [s.name for s in block] == [s.name for s in other]
    for one, same, different in zip(block, again, other, strict=True):
        assert np.array_equal(one.affinity(3), same.affinity(3))
        assert not np.array_equal(one.affinity(3), different.affinity(3))
    assert problem.digest != make_problem("generated").digest


def test_every_kind_is_drawn_at_least_twice_and_its_draws_meet_other_routers(problem: BiasControl) -> None:
    for split in Split:
        block = problem.workloads(split, bytes(32))
        assert len({s.name for s in block}) == len(block)
        for kind in laws.KINDS[split]:
            logits = [np.sort(s.logits.ravel())[::1000].tobytes() for s in block if s.stratum == kind.label]
            assert len(logits) == laws.DRAWS[split] >= 2
            assert len(set(logits)) == len(logits)
        for model in MODELS:
            assert sum(f"/own-{model}/" in s.name for s in block) == len(block) // len(MODELS)
    seen = {kind.label for split in (Split.TRAIN, Split.VALIDATION) for kind in laws.KINDS[split]}
    assert seen.isdisjoint(kind.label for kind in laws.KINDS[Split.HIDDEN])


def rows(block: list[BatchStream]) -> set[bytes]:
    return {np.sort(row).tobytes() for s in block for row in s.logits[-1]}


def test_splits_share_no_recorded_token(problem: BiasControl) -> None:
    blocks = [rows(list(problem.workloads(split, bytes([n]) * 32))) for n, split in enumerate(Split)]
    assert all(blocks)
    for first, second in ((0, 1), (0, 2), (1, 2)):
        assert not blocks[first] & blocks[second]


def test_experts_are_numbered_anew_in_every_stream(problem: BiasControl) -> None:
    """What a program could have learnt of a published router by heart is of no use: its experts have other numbers."""
    block = problem.workloads(Split.TRAIN, bytes(32))
    means = [s.logits[-1].mean(axis=0) for s in block]
    twins = [
        (one, other)
        for number, one in enumerate(means)
        for other in means[:number]
        if np.allclose(np.sort(one), np.sort(other))
    ]
    assert twins
    assert not any(np.allclose(one, other) for one, other in twins)


def test_drawn_tokens_keep_the_means_of_what_was_recorded_and_seldom_repeat(problem: BiasControl) -> None:
    whole = next(s for s in problem.workloads(Split.TRAIN, bytes(32)) if s.path[0] == s.path[-1] == int(s.path[0]))
    stream = dataclasses.replace(whole, picks=whole.picks[:8], path=whole.path[:8])
    affinity = np.concatenate([stream.affinity(batch) for batch in range(8)]).astype(np.float64)
    assert len(np.unique(affinity, axis=0)) > 0.9 * len(affinity)
    logits = np.log(affinity / (1 - affinity))
    shares = np.bincount(stream.domain[stream.picks[:, 0].ravel()], minlength=int(stream.domain.max()) + 1)
    step = int(stream.path[0])
    means = np.stack([stream.logits[step][stream.domain == d].mean(axis=0) for d in range(len(shares))])
    assert logits.mean(axis=0) == pytest.approx(shares @ means / shares.sum(), abs=0.25)
    assert logits.std() == pytest.approx(stream.logits[step].std(), rel=0.15)


def test_training_goes_from_step_to_step(problem: BiasControl) -> None:
    for split in Split:
        for s in problem.workloads(split, bytes(32)):
            kind = next(kind for kind in laws.KINDS[split] if kind.label == s.stratum)
            assert (2 - s.path[0], 2 - s.path[-1]) == pytest.approx(kind.training)
            assert (np.diff(s.path) >= 0).all()
    moved = problem.workloads(Split.TRAIN, bytes(32))[1]
    at = dataclasses.replace(moved, picks=moved.picks[:1].repeat(3, axis=0), path=np.array([1.0, 1.5, 2.0]))
    ends = [np.abs(at.affinity(n) - at.affinity(1)).mean() for n in (0, 2)]
    assert min(ends) > 0.01


class Few:
    """A source with the streams of one domain alone."""

    name, digest = "few", "0" * 16

    def streams(self, split: Split, seed: bytes) -> tuple[ScoreStream, ...]:
        return open_scores("own").streams(split, seed)[:9]


def test_a_source_with_one_domain_is_refused() -> None:
    with pytest.raises(Exception, match="layer 0 of loss_free needs two domains"):
        laws.draw_streams(Few(), Split.TRAIN, bytes(32))


def test_scores_from_a_file_are_as_good(problem: BiasControl) -> None:
    filed = make_problem(str(FOLDER / "loss_free_scores.npz"))
    assert filed.digest != problem.digest
    for split in Split:
        block = filed.workloads(split, bytes(32))
        assert len(block) == len(laws.KINDS[split]) * laws.DRAWS[split]
        assert block[0].affinity(1).shape == (laws.KINDS[split][0].size, 64)


def test_generated_hidden_streams_have_other_numbers_of_experts() -> None:
    generated = make_problem("generated")
    seen = {s.experts for n in range(3) for s in generated.workloads(Split.HIDDEN, bytes([n]) * 32)}
    assert seen - {64}
    assert {s.experts for s in generated.workloads(Split.TRAIN, bytes(32))} == {64}


def test_a_workload_that_is_none_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ProblemError, match=r"did you mean 'own'[\s\S]*hint: docs/bias_control.md"):
        make_problem("ownn")
    (tmp_path / "problem.py").write_text("from evaluators.bias_control.suite import make_problem\n")
    assert load_problem(str(tmp_path), "generated").declaration.name == "bias_control"
