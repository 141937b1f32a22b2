from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluators.audit.court import replayed
from evaluators.audit.guests import AnsweringGuest, RecordingGuest
from evaluators.eplb_speed.generated import generated_tasks
from evaluators.eplb_speed.problem import DECLARATION, REFERENCE_SPEED_UP, EplbSpeed
from evaluators.eplb_speed.relations import RELATIONS
from evaluators.eplb_speed.shapes import Shape
from evaluators.eplb_speed.suite import make_problem
from evaluators.eplb_speed.tasks import GeneratedLoads, PlanningTask
from evaluators.guest import CheckedGuest
from evaluators.judge import Judge
from evaluators.model import Evaluation, Outcome, Split
from evaluators.problem import Relation, seed_named
from evaluators.screen import screen_by
from evaluators.timing import Plan
from evaluators.workloads.generator import GeneratorConfig

SEED = bytes(range(32))
SHORT = Plan(fewest_rounds=4, most_rounds=4, most_warm_rounds=1)

GROUPED = Shape(layers=4, experts=32, top_k=4, num_slots=48, num_groups=8, num_nodes=2, num_gpus=8)


def small_task(shape: Shape = GROUPED) -> PlanningTask:
    law = GeneratorConfig(layers=shape.layers, experts=shape.experts, top_k=shape.top_k, tokens_per_window=4096)
    return PlanningTask(name="small", stratum="small", shape=shape, loads=GeneratedLoads(law=law, seed=SEED))


class InProcess(CheckedGuest):
    """A guest without a sandbox: calls a function of the test's own."""

    def __init__(self, rebalance: Callable[..., Any]) -> None:
        super().__init__()
        self._rebalance = rebalance

    def ask(self, arguments: Mapping[str, Any], timeout_seconds: float) -> tuple[object, float]:
        return self._rebalance(**arguments), 0.001


def program(problem: EplbSpeed, name: str) -> Callable[..., Any]:
    namespace: dict[str, Any] = {}
    exec(seed_named(problem, name).source, namespace)
    rebalance: Callable[..., Any] = namespace["rebalance"]
    return rebalance


@pytest.fixture
def problem() -> EplbSpeed:
    return make_problem("generated")


def small_problem(shape: Shape = GROUPED) -> EplbSpeed:
    """The problem with one workload that is quick to plan."""
    return EplbSpeed(lambda split, seed: [small_task(shape)], {"workloads": "small"})


@pytest.fixture(scope="module")
def judged() -> Iterator[Callable[[str], Evaluation]]:
    """Judges a program on the small workload, in a sandbox, for a few rounds."""
    judge = Judge(small_problem(), secret=SEED, clock=time.perf_counter, plan=SHORT)
    try:
        block = judge.block(Split.TRAIN, 0)
        yield lambda source: judge.evaluate(source, block)
    finally:
        judge.close()


def test_the_facts(problem: EplbSpeed) -> None:
    facts = problem.declaration
    assert facts is DECLARATION
    assert facts.timed
    assert facts.limits.processes == 0
    assert facts.limits.threads == 1
    assert f"def {facts.entry}({', '.join(facts.parameters)}):" in problem.statement
    assert f"log2({REFERENCE_SPEED_UP:g})" in problem.statement
    assert all(module in problem.statement for module in facts.allowed_imports)


def test_every_seed_passes_the_screen_and_the_checks(problem: EplbSpeed) -> None:
    assert {seed.name for seed in problem.seeds} == {"deepseek", "layer_heaps", "all_layers"}
    for seed in problem.seeds:
        assert screen_by(problem.declaration, seed.source) is None
        for shape in (GROUPED, replace(GROUPED, num_groups=1), replace(GROUPED, num_gpus=24, num_nodes=4)):
            measured = problem.play(small_task(shape), InProcess(program(problem, seed.name)))
            assert measured.objective == 0.0, "an audit's guest is as fast as itself"


def test_reference_lies_above_the_baseline_on_every_workload(problem: EplbSpeed) -> None:
    def no_seed(name: str) -> InProcess:
        raise AssertionError(f"the reference is a constant and runs no seed, not {name}")

    for task in generated_tasks(Split.TRAIN, SEED):
        assert problem.reference_objective(task, no_seed) == math.log2(REFERENCE_SPEED_UP) > 0
        assert problem.ceiling(task) == math.inf


def test_one_bad_plan_among_good_ones_is_refused(problem: EplbSpeed) -> None:
    honest = program(problem, "all_layers")
    calls = iter(range(100))

    def careless(**arguments: Any) -> np.ndarray:
        slots: np.ndarray = honest(**arguments)
        if next(calls) == 2:  # all copies of a node by falling weight, so that its first GPU gets the heaviest
            slots = np.sort(slots.reshape(len(slots), arguments["num_nodes"], -1), axis=2).reshape(slots.shape)
        return slots

    with pytest.raises(Exception, match="call 3: a balance of"):
        problem.play(small_task(), InProcess(careless))


def test_an_answer_remembered_from_another_call_is_refused(problem: EplbSpeed) -> None:
    honest = program(problem, "all_layers")
    kept: list[np.ndarray] = []

    def remember(**arguments: Any) -> np.ndarray:
        kept.append(honest(**arguments))
        return kept[0]

    with pytest.raises(Exception, match="call 2: "):
        problem.play(small_task(), InProcess(remember))


@pytest.mark.parametrize("relation", RELATIONS, ids=lambda relation: relation.name)
@pytest.mark.parametrize("shape", [GROUPED, replace(GROUPED, num_groups=1, num_nodes=4)], ids=["grouped", "global"])
def test_relations_hold(problem: EplbSpeed, relation: Relation, shape: Shape) -> None:
    task = small_task(shape)
    recorder = RecordingGuest(InProcess(program(problem, "deepseek")))
    problem.play(task, recorder)
    changed, change = relation.change(task, np.random.default_rng(3))
    replies = {index: change(exchange.value) for index, exchange in enumerate(recorder.exchanges)}
    different = any(
        not np.array_equal(replies[index], exchange.value)
        or not np.array_equal(np.asarray(exchange.arguments["load"]), np.asarray(changed.draw(index).arguments["load"]))
        for index, exchange in enumerate(recorder.exchanges)
    )
    assert different, "a relation that changes nothing shows nothing"
    problem.play(changed, AnsweringGuest(replayed(recorder.exchanges, dict(replies))))


def test_a_judged_program_is_timed_against_the_loops(judged: Callable[[str], Evaluation]) -> None:
    evaluation = judged(seed_named(small_problem(), "layer_heaps").source)
    assert evaluation.outcome is Outcome.OK, evaluation.reason
    (result,) = evaluation.workloads
    assert result.baseline == 0.0
    assert result.reference == math.log2(REFERENCE_SPEED_UP)
    assert result.objective <= result.ceiling
    assert result.metrics["speed_up"] == pytest.approx(2**result.objective)
    assert result.metrics["calls"] == 2 * SHORT.most_rounds


@pytest.mark.parametrize(
    ("body", "outcome", "words"),
    [
        ("return np.zeros((len(load), num_slots), dtype=np.int32)", Outcome.WRONG, "has no slot"),
        (
            "return np.tile(np.arange(num_slots, dtype=np.int32) % load.shape[1], (len(load), 1))",
            Outcome.WRONG,
            "sit on 2 nodes|a balance of",
        ),
        ("load[0] = 0\n    return None", Outcome.CRASHED, "read-only"),
        ("return None", Outcome.WRONG, "not None"),
    ],
    ids=["zeros", "contiguous", "writes its input", "nothing"],
)
def test_quick_but_wrong_is_refused(
    judged: Callable[[str], Evaluation], body: str, outcome: Outcome, words: str
) -> None:
    source = f"import numpy as np\n\n\ndef rebalance(load, num_slots, num_groups, num_nodes, num_gpus):\n    {body}\n"
    evaluation = judged(source)
    assert evaluation.outcome is outcome, evaluation.reason
    assert evaluation.score is None
    assert any(word in evaluation.reason for word in words.split("|")), evaluation.reason


def test_the_digest_knows_baseline_and_constants(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = make_problem("generated").digest
    monkeypatch.setattr("evaluators.eplb_speed.problem.TOLERANCE", 0.01)
    assert make_problem("generated").digest != before
    monkeypatch.undo()
    (tmp_path / "deepseek.py").write_text('"""Another baseline."""\n')
    monkeypatch.setattr("evaluators.eplb_speed.problem.FOLDER", tmp_path)
    assert make_problem("generated").digest != before
