from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from random import Random

import pytest

from db.records import NewCandidate
from evaluators.model import Evaluation, Outcome, Split, WorkloadResult
from evaluators.program import normalised_digest
from evolve.lesson import Lesson
from evolve.proposal import Context, Material, Selection
from evolve.proposers.tuner.tuner import Tuner

PROGRAM = '''"""Three numbers that matter, and one that does not."""

LEFT = 0.2  # tune: float 0 1
RIGHT = 1e-3  # tune: float 1e-4 1.0 log
ROUNDS = 4  # tune: int 1 16
UNUSED = 3  # tune: int 1 9


def plan(history):
    return LEFT, RIGHT, ROUNDS
'''


def height(values: Mapping[str, object]) -> float:
    """A hill with its top, 0, at LEFT 0.7, RIGHT 0.05, ROUNDS 9."""
    left, right, rounds = (float(str(values[name])) for name in ("LEFT", "RIGHT", "ROUNDS"))
    return -100 * ((left - 0.7) ** 2 + (math.log10(right / 0.05) / 4) ** 2 + ((rounds - 9) / 15) ** 2)


@pytest.fixture
def program() -> str:
    return PROGRAM


@pytest.fixture
def make_lesson() -> Callable[..., Lesson]:
    def make(
        number: int,
        source: str,
        value: float | None,
        *,
        outcome: Outcome = Outcome.OK,
        parents: tuple[int, ...] = (),
        workloads: int = 3,
        is_first: bool = True,
    ) -> Lesson:
        score = value if outcome is Outcome.OK else None
        finished = tuple(
            WorkloadResult(name=f"w{i}", objective=0.5, baseline=0.4, reference=0.6, ceiling=1.0, share=value or 0.0)
            for i in range(workloads)
        )
        evaluation = Evaluation(
            problem="trial",
            split=Split.TRAIN,
            block=0,
            digest="d",
            outcome=outcome,
            reason="" if outcome is Outcome.OK else "it was so",
            score=score,
            stderr=None if score is None else 0.0,
            low=score,
            high=score,
            workloads=finished,
        )
        return Lesson(
            candidate=NewCandidate(
                number=number,
                source=source,
                digest=normalised_digest(source, entry="plan"),
                proposer="tuner",
                operator="tune",
                parents=parents,
            ),
            evaluation=evaluation,
            is_first=is_first,
            value=value,
            merit=score,
            parent_merit=None,
            best_merit=None,
        )

    return make


@pytest.fixture
def make_context() -> Callable[..., Context]:
    def make(seed: int, *, known: set[str] | None = None, template: str | None = None) -> Context:
        digests = set() if known is None else known
        return Context(
            statement="Plan.",
            entry="plan",
            parameters=("history",),
            optional_parameters=frozenset(),
            allowed_imports=frozenset({"math"}),
            seeds=(),
            rng=Random(seed),
            template=template,
            repeats=lambda source: normalised_digest(source, entry="plan") in digests,
        )

    return make


@pytest.fixture
def values_of() -> Callable[[str], dict[str, object]]:
    def read(source: str) -> dict[str, object]:
        namespace: dict[str, object] = {}
        exec(compile(source, "candidate", "exec"), namespace)
        return {name: value for name, value in namespace.items() if name.isupper()}

    return read


@pytest.fixture
def climb(
    make_lesson: Callable[..., Lesson],
    make_context: Callable[..., Context],
    values_of: Callable[[str], dict[str, object]],
) -> Callable[..., list[Lesson]]:
    """Let a tuner climb the hill from a program, and return what it was told."""

    def run(tuner: Tuner, source: str, trials: int, *, seed: int = 1) -> list[Lesson]:
        known = {normalised_digest(source, entry="plan")}
        lessons = [make_lesson(0, source, height(values_of(source)))]
        tuner.learn(lessons[0])
        for number in range(1, trials + 1):
            parent = Selection(parent=Material(number=0, source=source, title="hill"))
            proposal = tuner.propose(parent, make_context(seed * 1000 + number, known=known))
            digest = normalised_digest(proposal.source, entry="plan")
            assert digest not in known
            known.add(digest)
            lessons.append(make_lesson(number, proposal.source, height(values_of(proposal.source)), parents=(0,)))
            tuner.learn(lessons[-1])
        return lessons

    return run
