from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from evaluators.eplb.measures import balance
from evaluators.eplb.problem import HISTORY_WINDOWS, MIGRATION_COST, PATIENCE, Eplb
from evaluators.eplb.suite import make_problem
from evaluators.guest import CheckedGuest
from evaluators.model import Outcome, Split
from evaluators.problem import ProblemError, RefusedError
from evaluators.registry import load_problem
from evaluators.workloads.stream import LoadStream

Plan = Callable[..., Any]


class InProcess(CheckedGuest):
    """A guest without a sandbox: calls a function of the test's own and says how long it took."""

    def __init__(self, plan: Plan, seconds: Callable[[int], float] = lambda call: 0.001) -> None:
        super().__init__()
        self._plan = plan
        self._seconds = seconds
        self.calls: list[Mapping[str, Any]] = []

    def ask(self, arguments: Mapping[str, Any], timeout_seconds: float) -> tuple[object, float]:
        self.calls.append({**arguments, "timeout": timeout_seconds})
        return self._plan(**arguments), self._seconds(len(self.calls))


def stream(windows: int = 24, gate_seconds: float = 0.15) -> LoadStream:
    """Two layers, four experts on two GPUs of three slots; loads change every window."""
    rng = np.random.default_rng(0)
    loads = rng.integers(1, 100, size=(windows, 2, 4)).astype(np.float32)
    return LoadStream(
        name="s", loads=loads, num_slots=6, num_gpus=2, num_nodes=1, warm_windows=2, gate_seconds=gate_seconds
    )


def fixed(**_: object) -> np.ndarray:
    return np.array([[0, 1, 2, 3, 0, 1]] * 2, dtype=np.int32)


@pytest.fixture
def problem() -> Eplb:
    return make_problem("generated")


def test_a_plan_is_judged_on_the_next_window_and_pays_for_what_it_moves(problem: Eplb) -> None:
    other = np.array([[3, 2, 1, 0, 3, 2]] * 2, dtype=np.int32)

    def alternate(previous: np.ndarray | None, **_: object) -> np.ndarray:
        return other if previous is not None and (previous == fixed()).all() else fixed()

    data = stream(windows=5)
    measured = problem.play(data, InProcess(alternate))
    plans = [fixed(), other, fixed()]
    expected = [float(balance(p, data.loads[2 + i], 2).mean()) for i, p in enumerate(plans)]
    # GPU 0 goes from {0, 1, 2} to {3, 2, 1}, GPU 1 from {3, 0, 1} to {0, 3, 2}: one of three slots each.
    charge = MIGRATION_COST / 3
    assert measured.series == pytest.approx((expected[0], expected[1] - charge, expected[2] - charge))
    assert measured.metrics["balance"] == pytest.approx(np.mean(expected))
    assert measured.metrics["moved"] == pytest.approx(100 * 2 / 9)


def test_what_a_candidate_sees(problem: Eplb) -> None:
    data, guest = stream(windows=24), InProcess(fixed)
    problem.play(data, guest)
    assert len(guest.calls) == 22
    assert guest.calls[0]["previous"] is None
    assert guest.calls[0]["history"].shape == (2, 2, 4)
    assert guest.calls[-1]["history"].shape == (HISTORY_WINDOWS, 2, 4)
    assert np.array_equal(guest.calls[-1]["history"], data.loads[23 - HISTORY_WINDOWS : 23]), "never the next window"
    assert (guest.calls[1]["previous"] == fixed()).all()
    assert [guest.calls[3][k] for k in ("num_slots", "num_gpus", "num_nodes")] == [6, 2, 1]


def test_previous_is_the_judges_own_copy(problem: Eplb) -> None:
    mine = fixed()

    def reuse(previous: np.ndarray | None, **_: object) -> np.ndarray:
        assert previous is not mine
        return mine

    assert problem.play(stream(), InProcess(reuse)).metrics["moved"] == 0.0


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (lambda **_: fixed().astype(np.int64), "dtype int32"),
        (lambda **_: fixed()[:, :5], "shape"),
        (lambda **_: fixed() * 0, "has no slot"),
        (lambda **_: fixed() + 1, "expert ids"),
        (lambda **_: fixed().tolist(), "array of int32, not list"),
        (lambda **_: None, "array of int32, not None"),
    ],
)
def test_an_illegal_plan_is_wrong_whenever_it_comes(problem: Eplb, broken: Plan, words: str) -> None:
    calls = iter(range(100))

    def late(**arguments: object) -> object:
        return broken(**arguments) if next(calls) == 7 else fixed()

    with pytest.raises(RefusedError, match=words) as caught:
        problem.play(stream(), InProcess(late))
    assert caught.value.outcome is Outcome.WRONG
    assert "call 8" in caught.value.reason


def test_the_gate_holds_for_the_mean_without_the_slowest_tenth(problem: Eplb) -> None:
    hiccups = InProcess(fixed, lambda call: 0.5 if call in (3, 9) else 0.14)
    assert problem.play(stream(), hiccups).metrics["plan_ms"] > 150
    with pytest.raises(RefusedError, match="planning takes 160 ms per window, the gate is 150 ms") as caught:
        problem.play(stream(), InProcess(fixed, lambda call: 0.16))
    assert caught.value.outcome is Outcome.TIMEOUT
    assert hiccups.calls[0]["timeout"] == max(1.0, PATIENCE * 0.15)


def test_ceiling_bounds_reference_and_every_plan(problem: Eplb) -> None:
    data = stream()
    ceiling = problem.ceiling(data)
    greedy: dict[str, Any] = {}
    exec(next(seed.source for seed in problem.seeds if seed.name == "deepseek_global"), greedy)
    reference = problem.reference_objective(data, lambda name: InProcess(greedy["plan"]))
    assert problem.play(data, InProcess(greedy["plan"])).objective < reference <= ceiling <= 1.0


def test_the_digest_names_the_definition_and_not_the_seed(problem: Eplb) -> None:
    assert problem.digest == make_problem("generated").digest
    assert len(problem.digest) == 16
    first, again = (problem.workloads(Split.TRAIN, bytes(32)) for _ in range(2))
    assert np.array_equal(first[0].loads, again[0].loads)


def test_a_trace_file_makes_another_workload_set(problem: Eplb, tmp_path: Any) -> None:
    rng = np.random.default_rng(1)
    arrays = {}
    for domain in ("prose", "code"):
        lengths = np.full(36, 64, dtype=np.int32)
        ids = np.argsort(rng.random((int(lengths.sum()), 3, 16)), axis=2)[:, :, :4].astype(np.uint8)
        arrays |= {f"ids_{domain}": ids, f"len_{domain}": lengths}
    np.savez(tmp_path / "trace.npz", **arrays)
    traced = make_problem(str(tmp_path / "trace.npz"))
    assert traced.digest != problem.digest
    streams = traced.workloads(Split.HIDDEN, bytes(32))
    assert streams
    assert all(s.loads.shape[1:] == (3, 16) for s in streams)


def test_a_trace_of_the_wrong_shape_is_one_clear_error(tmp_path: Any) -> None:
    np.savez(tmp_path / "bad.npz", ids_prose=np.zeros((5, 3), dtype=np.uint8), len_prose=np.array([5]))
    with pytest.raises(ProblemError, match=r"domain 'prose': ids are uint8 \(5, 3\).*\nhint: docs/eplb.md"):
        load_problem("eplb", str(tmp_path / "bad.npz"))
    (tmp_path / "text.npz").write_text("not an npz")
    with pytest.raises(ProblemError, match=r"text\.npz"):
        load_problem("eplb", str(tmp_path / "text.npz"))


def test_a_hopelessly_slow_program_ends_early(problem: Eplb) -> None:
    guest = InProcess(fixed, lambda call: 0.9)
    with pytest.raises(RefusedError, match="planning takes"):
        problem.play(stream(), guest)
    assert len(guest.calls) < 10
