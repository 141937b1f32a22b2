from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluators.block_coreset.blocks import BLOCKS, DRAWS, KINDS, SHARES, BlockStream, TokenBlock
from evaluators.block_coreset.bound import integer_bound, linear_bound
from evaluators.block_coreset.measures import choice_form, kept, rank
from evaluators.block_coreset.problem import GATE_SECONDS, BlockCoreset
from evaluators.block_coreset.reference import best_choice
from evaluators.block_coreset.suite import make_problem
from evaluators.guest import CheckedGuest
from evaluators.model import Outcome, Split
from evaluators.problem import ProblemError, RefusedError
from evaluators.replies import fault_of

TRACES = Path(os.environ.get("EVOLVE_TRACES", "no such folder"))
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


def by_frequency(ids: np.ndarray, budget: int, **_: object) -> np.ndarray:
    experts, counts = np.unique(ids, return_counts=True)
    return experts[np.argsort(-counts, kind="stable")[:budget]].astype(np.int32)


def no_seed(name: str) -> Any:
    pytest.fail(f"the reference needs no seed, not even {name}")


def random_block(seed: int, tokens: int, experts: int, k: int, share: float = 0.45) -> TokenBlock:
    rng = np.random.default_rng(seed)
    ids = np.argsort(rng.gumbel(size=(tokens, experts)) + rng.normal(size=experts), axis=1)[:, :k].astype(np.int32)
    weights = rng.dirichlet(np.full(k, 0.7), size=tokens).astype(np.float32)
    return TokenBlock(ids=ids, weights=weights, budget=max(1, round(share * len(np.unique(ids)))))


def small_stream(blocks: int = 6) -> BlockStream:
    return BlockStream(
        name="s", stratum="s", blocks=tuple(random_block(n, 24, 32, 4) for n in range(blocks)), experts=32
    )


@pytest.fixture(scope="module")
def problem() -> BlockCoreset:
    return make_problem("own")


def test_a_choice_is_worth_the_mean_and_the_fifth_percentile_of_what_tokens_keep() -> None:
    """Of 21 tokens the second lowest counts: with expert 1 alone 19 tokens keep .75, one .25 and one nothing."""
    ids = np.array([[1, 2]] * 20 + [[3, 4]], dtype=np.int32)
    weights = np.array([[0.75, 0.25]] * 19 + [[0.25, 0.75]] + [[0.5, 0.5]], dtype=np.float32)
    block = TokenBlock(ids=ids, weights=weights, budget=1)
    experts, mass = block.table
    assert experts.tolist() == [1, 2, 3, 4]
    measured = kept(mass, experts == 1)
    assert measured.low == 0.25
    assert measured.mean == pytest.approx((19 * 0.75 + 0.25) / 21)
    assert measured.objective == measured.mean + measured.low


@pytest.mark.parametrize(("tokens", "place"), [(1, 1), (20, 1), (21, 2), (32, 2), (40, 2), (41, 3), (64, 4)])
def test_the_fifth_percentile_is_the_token_at_a_twentieth(tokens: int, place: int) -> None:
    assert rank(tokens) == place


def test_what_a_candidate_sees_and_what_it_is_worth(problem: BlockCoreset) -> None:
    stream, guest = small_stream(), InProcess(by_frequency)
    measured = problem.play(stream, guest)
    for block, call, value in zip(stream.blocks, guest.calls, measured.series, strict=True):
        assert set(call) == set(problem.declaration.parameters)
        assert np.array_equal(call["ids"], block.ids)
        assert np.array_equal(call["weights"], block.weights)
        assert call["budget"] == block.budget
        held = np.where(np.isin(block.ids, by_frequency(block.ids, block.budget)), block.weights, 0).sum(axis=1)
        assert value == pytest.approx(held.mean() + np.sort(held)[1], abs=1e-6)
    assert measured.metrics["kept_mean"] + measured.metrics["kept_low"] == pytest.approx(100 * measured.objective)


@pytest.mark.parametrize("seed", range(6))
def test_bounds_hold_for_every_choice_and_the_reference_is_near_the_best(seed: int) -> None:
    block = random_block(seed, 22, 14, 3)
    _, mass = block.table
    best = max(kept(mass, np.array(chosen)).objective for chosen in combinations(range(mass.shape[1]), block.budget))
    reference = kept(mass, best_choice(mass, block.budget)).objective
    exact = integer_bound(mass, block.budget, nodes=10_000)
    assert exact.chosen is not None
    assert best <= exact.bound <= best + 1e-3
    assert kept(mass, exact.chosen).objective == pytest.approx(best, abs=1e-6)
    assert best <= linear_bound(mass, block.budget)
    assert reference >= best - 0.02
    assert reference <= best + 1e-12


def test_a_stopped_integer_program_still_bounds(problem: BlockCoreset) -> None:
    block = random_block(1, 32, 48, 6)
    _, mass = block.table
    reference = kept(mass, best_choice(mass, block.budget)).objective
    assert reference <= integer_bound(mass, block.budget, nodes=1).bound <= linear_bound(mass, block.budget) + 1e-4


def test_reference_and_ceiling_lie_in_order(problem: BlockCoreset) -> None:
    for number in range(3):
        for split in (Split.TRAIN, Split.HIDDEN):
            stream = problem.workloads(split, bytes([number]) * 32)[number]
            stream = dataclasses.replace(stream, blocks=stream.blocks[:3])
            baseline = problem.play(stream, InProcess(by_frequency)).objective
            assert baseline < problem.reference_objective(stream, no_seed) <= problem.ceiling(stream)


def test_all_experts_or_a_single_one_can_be_loaded(problem: BlockCoreset) -> None:
    block = random_block(3, 8, 6, 2)
    everything = dataclasses.replace(block, budget=len(np.unique(block.ids)))
    one = dataclasses.replace(block, budget=1)
    stream = BlockStream(name="s", stratum="s", blocks=(everything, one), experts=6)
    measured = problem.play(stream, InProcess(by_frequency))
    assert measured.series[0] == pytest.approx(2)
    assert measured.objective <= problem.reference_objective(stream, no_seed) <= problem.ceiling(stream) <= 2


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (lambda chosen: chosen.astype(np.int64), "dtype int32"),
        (lambda chosen: chosen[:-1], "shape"),
        (lambda chosen: np.append(chosen, chosen[:1]), "shape"),
        (lambda chosen: np.append(chosen[:-1], chosen[:1]), "is chosen 2 times"),
        (lambda chosen: np.append(chosen[:-1], np.int32(1000)), "no token of the block chose expert 1000"),
        (lambda chosen: np.append(chosen[:-1], np.int32(-1)), "no token of the block chose expert -1"),
        (lambda chosen: chosen.tolist(), "array of int32, not list"),
        (lambda chosen: None, "array of int32, not None"),
    ],
)
def test_an_illegal_choice_is_wrong_whenever_it_comes(
    problem: BlockCoreset, broken: Callable[[np.ndarray], object], words: str
) -> None:
    calls = iter(range(100))

    def late(**arguments: Any) -> object:
        chosen = by_frequency(**arguments)
        return broken(chosen) if next(calls) == 4 else chosen

    with pytest.raises(RefusedError, match=words) as caught:
        problem.play(small_stream(), InProcess(late))
    assert caught.value.outcome is Outcome.WRONG
    assert "call 5" in caught.value.reason


@pytest.mark.parametrize("budget", [1, 5])
def test_every_rule_is_broken_by_its_spoil_alone(budget: int) -> None:
    block = dataclasses.replace(random_block(0, 16, 24, 4), budget=budget)
    form = choice_form(block, block.table[0])
    honest = by_frequency(block.ids, budget)
    assert fault_of(honest, form) is None
    for rule in form.rules[0 if budget > 1 else 1 :]:
        for seed in range(5):
            spoilt = rule.spoil(honest, np.random.default_rng(seed))
            fault = fault_of(spoilt, form)
            assert fault is not None
            assert fault.check == rule.name
            assert fault_of(spoilt, form, frozenset({rule.name})) is None


def test_the_gate_holds_for_the_quicker_half_and_with_more_patience_for_all(problem: BlockCoreset) -> None:
    stream = small_stream()
    problem.play(stream, InProcess(by_frequency, lambda call: 0.4 if call % 2 else 0.9 * GATE_SECONDS))
    with pytest.raises(RefusedError, match="selecting takes 88 ms per call, the gate is 80 ms") as caught:
        problem.play(stream, InProcess(by_frequency, lambda call: 1.1 * GATE_SECONDS))
    assert caught.value.outcome is Outcome.TIMEOUT
    with pytest.raises(RefusedError, match="3 times that for all"):
        problem.play(stream, InProcess(by_frequency, lambda call: 2.0 if call % 2 else 0.001))


def test_relations_leave_the_objective_as_it_was(problem: BlockCoreset) -> None:
    stream = small_stream()
    choices = [by_frequency(block.ids, block.budget) for block in stream.blocks]
    plain = problem.play(stream, InProcess(by_frequency)).objective
    for relation in problem.relations:
        changed, change = relation.change(stream, np.random.default_rng(7))
        replies = iter([change(choice) for choice in choices])
        measured = problem.play(changed, InProcess(lambda replies=replies, **_: next(replies)))
        assert measured.objective == pytest.approx(plain, abs=1e-9), relation.name


@pytest.mark.parametrize(("workload", "splits"), [("own", tuple(Split)), ("generated", (Split.TRAIN,))])
def test_streams_are_functions_of_split_and_seed(workload: str, splits: tuple[Split, ...]) -> None:
    problem = make_problem(workload)
    for split in splits:
        first, again, other = (problem.workloads(split, bytes([n]) * 32) for n in (0, 0, 1))
        assert len(first) == len(KINDS[split]) * DRAWS[split] * len(SHARES)
        assert len({stream.name for stream in first}) == len(first)
        strata = [stream.stratum for stream in first]
        assert min(strata.count(stratum) for stratum in strata) == DRAWS[split]
        for one, same in zip(first, again, strict=True):
            assert len(one.blocks) == BLOCKS[split]
            for block, twin in zip(one.blocks, same.blocks, strict=True):
                assert np.array_equal(block.ids, twin.ids)
                assert np.array_equal(block.weights, twin.weights)
                assert 1 <= block.budget <= len(np.unique(block.ids))
                assert all(len(set(row)) == len(row) for row in block.ids.tolist())
                assert block.weights.sum(axis=1) == pytest.approx(1, abs=1e-5)
        assert any(
            not np.array_equal(one.blocks[0].ids, two.blocks[0].ids) for one, two in zip(first, other, strict=True)
        )


def test_splits_share_no_token(problem: BlockCoreset) -> None:
    """Consecutive tokens of one sequence, by ids and weights: whatever the seed, no two splits have one in common."""
    seen = {}
    for split in Split:
        runs: set[bytes] = set()
        for number in range(2):
            for stream in problem.workloads(split, bytes([number]) * 32):
                if stream.stratum.partition("/")[0] in ("32x32", "24x24", "48x48", "32x1"):
                    for block in stream.blocks:
                        runs.update(a.tobytes() + b.tobytes() for a, b in zip(block.ids, block.weights, strict=True))
        seen[split] = runs
    for one, two in combinations(Split, 2):
        shared = len(seen[one] & seen[two])
        # Documents repeat each other (see the traces' card), so a few tokens are routed alike.
        assert shared < 0.02 * min(len(seen[one]), len(seen[two]))


def test_diffusion_blocks_have_fewer_experts_than_batches(problem: BlockCoreset) -> None:
    """Neighbouring tokens share experts: what makes a block of one text cheaper than a batch of many."""
    distinct: dict[str, list[int]] = {}
    for stream in problem.workloads(Split.TRAIN, bytes(32)):
        kind = stream.stratum.partition("/")[0]
        distinct.setdefault(kind, []).extend(len(np.unique(block.ids)) for block in stream.blocks)
    assert np.mean(distinct["32x32"]) < 0.9 * np.mean(distinct["32x1"])


def test_the_digest_holds_workloads_and_constants(problem: BlockCoreset) -> None:
    assert problem.digest == make_problem("own").digest
    assert problem.digest != make_problem("generated").digest


def test_a_trace_without_gate_weights_is_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    ids = np.argsort(rng.random((240, 2, 16)), axis=2)[..., :4].astype(np.uint8)
    lengths = np.full(12, 20)
    np.savez(tmp_path / "plain.npz", ids_text=ids, len_text=lengths)
    with pytest.raises(ProblemError, match="no sequence with gate weights"):
        make_problem(str(tmp_path / "plain.npz"))
    weights = rng.random(ids.shape).astype(np.float16) + np.float16(0.1)
    np.savez(tmp_path / "weighted.npz", ids_text=ids, len_text=lengths, w_text=weights)
    stream = make_problem(str(tmp_path / "weighted.npz")).workloads(Split.TRAIN, bytes(32))[0]
    assert stream.experts == 16
    weights[0] = 0
    np.savez(tmp_path / "broken.npz", ids_text=ids, len_text=lengths, w_text=weights)
    with pytest.raises(ProblemError, match="not all 0 for any token"):
        make_problem(str(tmp_path / "broken.npz"))
    with pytest.raises(ProblemError, match="no workload 'no such'"):
        make_problem("no such")


@pytest.mark.skipif(not (TRACES / "qwen.route.csv").exists(), reason="no public traces here (EVOLVE_TRACES)")
def test_a_route_log_gives_blocks() -> None:
    stream = make_problem(str(TRACES / "qwen.route.csv")).workloads(Split.TRAIN, bytes(32))[0]
    assert stream.experts == 128
    assert len(stream.blocks[0].ids) == 32
