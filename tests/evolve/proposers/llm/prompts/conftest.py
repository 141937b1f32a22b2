from __future__ import annotations

import pytest

from evaluators.model import Metric, Outcome
from evaluators.statistics import Estimate
from evolve.brief import Attempt, Brief, Broken, Paradigm, Plateau, Portrait, Task, WorkloadScore

STATEMENT = """# Boxes: pack items into few boxes

Items of many sizes come in a list. Put each into a box of size 1.

## Rules

- A call may take 100 ms.
"""

FIRST_FIT = '''"""First fit."""


def pack(sizes, limit):
    """Give each item the first box with room."""
    boxes = []
    for size in sizes:
        for box in boxes:
            if sum(box) + size <= limit:
                box.append(size)
                break
        else:
            boxes.append([size])
    return boxes
'''
SORTED_FIT = FIRST_FIT.replace("First fit.", "First fit, large items first.").replace(
    "in sizes:", "in sorted(sizes)[::-1]:"
)
NEXT_FIT = '"""Next fit."""\n\n\ndef pack(sizes, limit):\n\treturn [[size] for size in sizes]\n'
BROKEN = '"""Best fit."""\n\n\ndef pack(sizes, limit):\n    return best(sizes)\n'
TEMPLATE = "def pack(sizes, limit):\n    # EVOLVE-BLOCK-START\n    return []\n    # EVOLVE-BLOCK-END\n"


def _estimate(mean: float, half: float) -> Estimate:
    return Estimate(mean=mean, stderr=half / 2, n=8, low=mean - half, high=mean + half)


def _portrait(number: int, title: str, source: str, mean: float, **more: object) -> Portrait:
    return Portrait(
        number=number, title=title, note=f"note of {number}", source=source, train=_estimate(mean, 1.5), **more
    )  # type: ignore[arg-type]


@pytest.fixture
def task() -> Task:
    return Task(
        problem="boxes",
        title="few boxes for many items",
        statement=STATEMENT,
        entry="pack",
        parameters=("sizes", "limit"),
        allowed_imports=("heapq", "math"),
        baseline="next_fit",
        reference="the fewest boxes that there can be",
        objective=Metric(name="fill", unit="%", higher_is_better=True, description="how full the boxes are"),
        metrics=(
            Metric(name="boxes", unit="", higher_is_better=False, description="boxes used"),
            Metric(name="pack_ms", unit="ms", higher_is_better=False, description="time of a call"),
        ),
    )


@pytest.fixture
def template() -> str:
    return TEMPLATE


@pytest.fixture
def brief(task: Task) -> Brief:
    """Everything that a brief can hold, but for a plateau."""
    return Brief(
        task=task,
        parent=_portrait(
            7,
            "llm:edit",
            FIRST_FIT,
            41.23,
            validation=_estimate(39.0, 3.0),
            lead=_estimate(1.2, 2.0),
            workloads=(
                WorkloadScore(kind="many small", share=12.34, best_share=30.0),
                WorkloadScore(kind="few large", share=70.1),
            ),
            metrics={"boxes": 17.25, "pack_ms": 3.0},
        ),
        inspirations=(_portrait(2, "next_fit", NEXT_FIT, 0.0), _portrait(5, "llm:rewrite", SORTED_FIT, 38.0)),
        best=_portrait(9, "mutate", SORTED_FIT.replace("large", "big"), 44.0, lead=_estimate(4.0, 1.5)),
        line=(
            Attempt(number=4, parent=1, title="llm:edit", note="keep boxes open", outcome=Outcome.OK, gain=11.5),
            Attempt(number=7, parent=4, title="llm:edit", note="first fit", outcome=Outcome.OK, gain=2.04),
            Attempt(number=8, parent=7, title="mutate", note="<= to <", outcome=Outcome.OK, gain=-0.6),
            Attempt(
                number=10,
                parent=7,
                title="llm:rewrite",
                note="try all orders",
                outcome=Outcome.OUT_OF_MEMORY,
                reason="used more than 2 GiB",
            ),
        ),
        failures=(
            Attempt(number=6, parent=2, title="llm:edit", note="", outcome=Outcome.WRONG, reason="item 3 is in no box"),
            Attempt(
                number=10, parent=7, title="llm:rewrite", note="", outcome=Outcome.OUT_OF_MEMORY, reason="used more"
            ),
            Attempt(
                number=11,
                parent=5,
                title="llm:edit",
                note="best fit",
                outcome=Outcome.CRASHED,
                reason="NameError: name 'best' is not defined",
            ),
        ),
        broken=Broken(
            number=11,
            parent=5,
            source=BROKEN,
            outcome=Outcome.CRASHED,
            reason="NameError: name 'best' is not defined",
            log='Traceback (most recent call last):\n  File "program.py", line 5, in pack\nNameError: best\n',
        ),
        insights="- large items first helps (#5, +9.0)\n- more than 100 boxes is slow",
        hypotheses=("sorting costs little", "two boxes could be merged"),
        told=12,
    )


@pytest.fixture
def plateau() -> Plateau:
    return Plateau(
        evaluations=57,
        paradigms=(
            Paradigm(name="integer programme", number=3, outcome=Outcome.TIMEOUT),
            Paradigm(name="annealing", number=8, outcome=Outcome.OK, gain=-0.6),
            Paradigm(name="merging", number=12, outcome=None),
        ),
    )
