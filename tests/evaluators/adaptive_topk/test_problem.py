from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluators.adaptive_topk.measures import TIME_PRICE, Allowance, mask_form, routed
from evaluators.adaptive_topk.prices import even_load, objective, solve
from evaluators.adaptive_topk.problem import GATE_SECONDS, AdaptiveTopK
from evaluators.adaptive_topk.streams import BURST, DRAWS, KINDS, TokenStream
from evaluators.adaptive_topk.suite import make_problem
from evaluators.guest import CheckedGuest
from evaluators.model import Outcome, Split
from evaluators.problem import ProblemError, RefusedError
from evaluators.replies import fault_of

Select = Callable[..., Any]


class InProcess(CheckedGuest):
    """A guest without a sandbox: calls a function of the test's own and says how long it took."""

    def __init__(self, select: Select, seconds: Callable[[int], float] = lambda call: 0.001) -> None:
        super().__init__()
        self._select = select
        self._seconds = seconds
        self.calls: list[Mapping[str, Any]] = []

    def ask(self, arguments: Mapping[str, Any], timeout_seconds: float) -> tuple[object, float]:
        self.calls.append(arguments)
        return self._select(**arguments), self._seconds(len(self.calls))


def plain(scores: np.ndarray, top_k: int, visits_left: int, places_left: int, most: int, **_: object) -> np.ndarray:
    """As many best experts for every token as the budget allows."""
    tokens = len(scores)
    visits = min(most, visits_left * tokens // places_left)
    counts = np.clip(visits // tokens + (np.arange(tokens) < visits % tokens), 1, top_k)
    mask: np.ndarray = np.argsort(np.argsort(-scores, axis=1), axis=1) < counts[:, None]
    return mask.astype(np.int8)


def no_seed(name: str) -> Any:
    pytest.fail(f"the reference needs no seed, not even {name}")


def random_stream(
    seed: int, steps: int = 4, layers: int = 2, tokens: int = 8, experts: int = 16, top_k: int = 4, budget: float = 2.2
) -> TokenStream:
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(steps, layers, tokens, experts)) * (1 + np.arange(layers))[:, None, None]
    logits += rng.normal(size=(layers, 1, experts))
    scores = (1 / (1 + np.exp(2 - logits))).astype(np.float32)
    return TokenStream(name="s", stratum="s", scores=scores, top_k=top_k, gpus=4, budget=budget)


@pytest.fixture(scope="module")
def problem() -> AdaptiveTopK:
    return make_problem("own")


def test_a_call_is_worth_what_the_statement_says() -> None:
    """Two tokens, four experts on two GPUs, at most two each: masses .75 .25 - - and .5 .5 - -."""
    stream = TokenStream(
        name="s",
        stratum="s",
        scores=np.array([[[[0.6, 0.2, 0.1, 0.0], [0.0, 0.3, 0.3, 0.1]]]], dtype=np.float32),
        top_k=2,
        gpus=2,
        budget=1.5,
    )
    mask = np.array([[True, False, False, False], [False, True, True, False]])
    measured = routed(stream.mass[0], mask, 2, even_load(stream))
    assert even_load(stream) == 1.5
    assert measured.lost == pytest.approx((0.25**2 + 0) / 2)
    assert measured.kept == pytest.approx(0.875)
    assert measured.peak == pytest.approx(2 / 1.5)
    assert measured.objective == pytest.approx(-0.03125 - TIME_PRICE * (2 / 1.5 - 1))
    assert measured.visits == 3


def test_more_than_the_best_experts_keep_is_no_gain() -> None:
    """Each token's top_k best are all there is to keep, whatever else it could visit."""
    stream = random_stream(0)
    best = np.argsort(np.argsort(-stream.mass, axis=2), axis=2) < stream.top_k
    for mass, mask in zip(stream.mass, best, strict=True):
        assert routed(mass, mask, 4, 1.0).kept == pytest.approx(1)
        assert routed(mass, mask, 4, 1.0).lost == pytest.approx(0)


def _legal_masks(tokens: int, experts: int, top_k: int) -> list[np.ndarray]:
    rows = [
        np.isin(np.arange(experts), chosen)
        for count in range(1, top_k + 1)
        for chosen in combinations(range(experts), count)
    ]
    return [np.array(mask) for mask in product(rows, repeat=tokens)]


@pytest.mark.parametrize("seed", range(6))
def test_the_bound_holds_for_every_solution_and_the_reference_is_near_the_best(seed: int) -> None:
    """Two calls of two tokens with four experts: all 10,000 pairs of masks."""
    small = random_stream(seed, steps=2, layers=1, tokens=2, experts=4, top_k=2, budget=1.5)
    stream = dataclasses.replace(small, gpus=2)
    masks = [mask for mask in _legal_masks(2, 4, 2) if mask.sum() <= stream.most_of_call]
    even = even_load(stream)
    values = [
        [
            (routed(mass, mask, 2, even).objective, int(mask.sum()))
            for mask in masks
            if mask.sum() <= stream.most_of_call
        ]
        for mass in stream.mass
    ]
    best = max((a + b) / 2 for a, used in values[0] for b, more in values[1] if used + more <= stream.visits)
    marks = solve(stream)
    assert best <= marks.bound
    assert marks.reference <= best + 1e-12
    assert marks.reference >= best - 0.03


@pytest.mark.parametrize("seed", range(4))
def test_the_reference_keeps_the_rules(seed: int) -> None:
    stream = random_stream(seed, steps=6, budget=1.3 + 0.6 * seed)
    marks = solve(stream)
    visits = marks.masks.sum(axis=2)
    assert visits.min() >= 1
    assert visits.max() <= stream.top_k
    assert visits.sum() <= stream.visits
    assert visits.sum(axis=1).max() <= stream.most_of_call
    assert marks.reference == pytest.approx(objective(stream, marks.masks))


def test_reference_and_ceiling_lie_in_order(problem: AdaptiveTopK) -> None:
    for number in range(3):
        for split in (Split.TRAIN, Split.HIDDEN):
            stream = problem.workloads(split, bytes([number]) * 32)[number]
            baseline = problem.play(stream, InProcess(plain)).objective
            assert baseline < problem.reference_objective(stream, no_seed) < problem.ceiling(stream)


def test_the_reference_replayed_gets_what_it_is_said_to_be_worth(problem: AdaptiveTopK) -> None:
    """It keeps within the budget, but may spend early what later calls of a plain order could not refuse."""
    stream = random_stream(3, steps=6)
    masks = iter(solve(stream).masks.astype(np.int8))
    measured = problem.play(stream, InProcess(lambda **_: next(masks)))
    assert measured.objective == pytest.approx(problem.reference_objective(stream, no_seed))


def test_what_a_candidate_sees(problem: AdaptiveTopK) -> None:
    stream, guest = random_stream(1), InProcess(plain)
    measured = problem.play(stream, guest)
    visits, places = stream.visits, stream.places
    for number, call in enumerate(guest.calls):
        assert set(call) == set(problem.declaration.parameters)
        assert np.array_equal(call["scores"], stream.scores[number // 2, number % 2]), "this call and no other"
        assert (call["layer"], call["num_layers"], call["num_gpus"], call["top_k"]) == (number % 2, 2, 4, 4)
        assert (call["visits_left"], call["places_left"]) == (visits, places)
        assert call["most"] == min(int(BURST * 2.2 * 8), visits - places + 8)
        visits, places = visits - int(plain(**call).sum()), places - 8
    assert places == 0
    assert len(measured.series) == 8
    assert measured.metrics["spent"] == pytest.approx(100 * (stream.visits - visits) / stream.visits)


def test_who_spends_all_at_once_goes_on_with_one_expert_a_token(problem: AdaptiveTopK) -> None:
    def spendthrift(scores: np.ndarray, top_k: int, most: int, **_: object) -> np.ndarray:
        return plain(scores, top_k, most, len(scores), most)

    stream, guest = random_stream(2, steps=10, budget=1.5), InProcess(spendthrift)
    measured = problem.play(stream, guest)
    assert guest.calls[0]["most"] == int(BURST * 1.5 * 8)
    assert guest.calls[-1]["most"] == 8
    assert measured.metrics["spent"] == 100
    assert measured.objective < problem.play(stream, InProcess(plain)).objective


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (lambda mask: mask.astype(np.int32), "dtype int8"),
        (lambda mask: mask[:, :-1], "shape"),
        (lambda mask: -mask, "marks must lie in 0..1, found -1"),
        (lambda mask: mask * (np.arange(8) > 0)[:, None].astype(np.int8), "token 0 visits no expert"),
        (lambda mask: mask | (np.arange(8) == 1)[:, None].astype(np.int8), "token 1 visits 16 experts, more than 4"),
        (
            lambda mask: (np.arange(16)[None] < np.full((8, 1), 4)).astype(np.int8),
            "32 visits, and the call may have 24",
        ),
        (lambda mask: mask.tolist(), "array of int8, not list"),
        (lambda mask: None, "array of int8, not None"),
    ],
)
def test_an_illegal_mask_is_wrong_whenever_it_comes(
    problem: AdaptiveTopK, broken: Callable[[np.ndarray], object], words: str
) -> None:
    calls = iter(range(100))

    def late(**arguments: Any) -> object:
        mask = plain(**arguments)
        return broken(mask) if next(calls) == 4 else mask

    with pytest.raises(RefusedError, match=words) as caught:
        problem.play(random_stream(0), InProcess(late))
    assert caught.value.outcome is Outcome.WRONG
    assert "call 5" in caught.value.reason


def test_every_rule_is_broken_by_its_spoil_alone() -> None:
    form = mask_form(Allowance(tokens=8, experts=16, top_k=4, visits=20))
    honest = (np.arange(16)[None] < np.full((8, 1), 2)).astype(np.int8)
    assert fault_of(honest, form) is None
    for rule in form.rules:
        for seed in range(5):
            spoilt = rule.spoil(honest, np.random.default_rng(seed))
            fault = fault_of(spoilt, form)
            assert fault is not None
            assert fault.check == rule.name
            assert fault_of(spoilt, form, frozenset({rule.name})) is None


def test_every_call_has_less_than_all_tokens_could_take(problem: AdaptiveTopK) -> None:
    """So that the budget binds in every call, the first one too."""
    for split in Split:
        for kind in KINDS[split]:
            assert BURST * kind.share < 1


def test_the_gate_holds_for_the_quicker_half_and_with_more_patience_for_all(problem: AdaptiveTopK) -> None:
    stream = random_stream(0)
    problem.play(stream, InProcess(plain, lambda call: 0.3 if call % 2 else 0.9 * GATE_SECONDS))
    with pytest.raises(RefusedError, match="selecting takes 88 ms per call, the gate is 80 ms") as caught:
        problem.play(stream, InProcess(plain, lambda call: 1.1 * GATE_SECONDS))
    assert caught.value.outcome is Outcome.TIMEOUT
    with pytest.raises(RefusedError, match="3 times that for all"):
        problem.play(stream, InProcess(plain, lambda call: 2.0 if call % 2 else 0.001))


def test_relations_leave_the_objective_as_it_was(problem: AdaptiveTopK) -> None:
    stream, guest = random_stream(5), InProcess(plain)
    value = problem.play(stream, guest).objective
    masks = [plain(**call) for call in guest.calls]
    for relation in problem.relations:
        changed, change = relation.change(stream, np.random.default_rng(7))
        replies = iter([np.ascontiguousarray(change(mask)) for mask in masks])
        measured = problem.play(changed, InProcess(lambda replies=replies, **_: next(replies)))
        assert measured.objective == pytest.approx(value, abs=1e-9), relation.name


@pytest.mark.parametrize("workload", ["own", "generated"])
def test_streams_are_functions_of_split_and_seed(workload: str) -> None:
    problem = make_problem(workload)
    for split in Split:
        first, again, other = (problem.workloads(split, bytes([n]) * 32) for n in (0, 0, 1))
        strata = [stream.stratum for stream in first]
        assert len({stream.name for stream in first}) == len(first)
        assert set(strata) == {kind.label for kind in KINDS[split]}
        assert min(strata.count(stratum) for stratum in strata) == DRAWS[split]
        for one, same in zip(first, again, strict=True):
            assert np.array_equal(one.scores, same.scores)
            assert len(one.calls) >= 24
            assert one.scores.shape[3] % one.gpus == 0
            assert one.visits >= one.places
        assert any(one.scores.tobytes() != two.scores.tobytes() for one, two in zip(first, other, strict=True))


def test_splits_share_no_token_and_a_stream_repeats_none(problem: AdaptiveTopK) -> None:
    seen = {}
    for split in Split:
        rows = set()
        for number in range(2):
            for stream in problem.workloads(split, bytes([number]) * 32):
                # By their affinities in order: experts are numbered anew in every stream.
                own = [np.sort(row).tobytes() for row in stream.scores[:, -1].reshape(-1, stream.scores.shape[3])]
                assert len(set(own)) >= 0.98 * len(own)  # documents repeat each other
                rows.update(own)
        seen[split] = rows
    for one, two in combinations(Split, 2):
        assert not seen[one] & seen[two]


def test_experts_are_numbered_anew_in_every_stream(problem: AdaptiveTopK) -> None:
    """What is popular in one stream says nothing of another's numbers."""
    first, *others = [s for s in problem.workloads(Split.TRAIN, bytes(32)) if s.scores.shape[3] == 64]
    popular = first.scores.mean(axis=(0, 2))
    related = [np.corrcoef(popular[0], other.scores.mean(axis=(0, 2))[0])[0, 1] for other in others]
    assert np.abs(related).mean() < 0.35


def test_the_digest_holds_workloads_and_constants(problem: AdaptiveTopK) -> None:
    assert problem.digest == make_problem("own").digest
    assert problem.digest != make_problem("generated").digest


def test_what_holds_no_affinities_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "x_scores.npz", nothing=np.zeros(3))
    with pytest.raises(ProblemError, match="cannot use the affinities"):
        make_problem(str(tmp_path / "x_scores.npz"))
    with pytest.raises(ProblemError, match="no workload 'no such'"):
        make_problem("no such")
