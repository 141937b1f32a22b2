"""What a search makes of a task of another tool: prompts that tell it as it is, operators without a known entry."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from evaluators.foreign.claim import CLAIM, HOST_FACT
from evaluators.foreign.problem import ForeignProblem, load_foreign
from evaluators.model import Evaluation, Outcome, Split, WorkloadResult
from evaluators.program import normalised_digest
from evaluators.screen import ANYTHING, screen
from evaluators.statistics import Estimate
from evolve.brief import Brief, Portrait
from evolve.briefing import make_task
from evolve.proposal import Context, Material, ProposalError, Selection
from evolve.proposers.llm.answers.reading import Form, read_answer
from evolve.proposers.llm.prompts import Kind, propose_prompt
from evolve.proposers.operators import Operators
from evolve.proposers.operators.proposer import OPERATORS
from reports.text import estimate_text

PROGRAM = '''"""Two functions that the evaluator calls, and one that they call."""

import math


# EVOLVE-BLOCK-START
def left(x):
    total = 0.5
    for step in range(10):
        total = total + scaled(x, step)
    return total


def right(x, y=2.0):
    return math.sqrt(x * x + y) if x > 0.25 else 1.5 * y


def scaled(x, step):
    return x * 0.1 + step


# EVOLVE-BLOCK-END
SIZE = 3
'''
EVALUATOR = """
def evaluate(path):
    scope = {}
    exec(open(path).read(), scope)
    return {"combined_score": scope["left"](1.0) - scope["right"](2.0)}
"""


@pytest.fixture
def problem(tmp_path: Path) -> ForeignProblem:
    (tmp_path / "initial_program.py").write_text(PROGRAM)
    (tmp_path / "evaluator.py").write_text(EVALUATOR)
    return load_foreign(f"openevolve:{tmp_path}", "generated")


def test_without_a_known_entry_every_function_counts(problem: ForeignProblem) -> None:
    assert problem.declaration.entry == ""
    changed = PROGRAM.replace("1.5 * y", "1.6 * y")
    assert normalised_digest(PROGRAM, entry="") == normalised_digest(PROGRAM)
    assert normalised_digest(changed, entry="") != normalised_digest(PROGRAM, entry="")


def test_the_screen_looks_at_the_region_alone() -> None:
    source = PROGRAM.replace("total = 0.5", "total = len(open('x').read())").replace("# EVOLVE-BLOCK-END\n", "", 0)
    allowed = frozenset({ANYTHING})
    assert screen(source, entry="", parameters=(), allowed_imports=allowed, template=PROGRAM) is None
    outside = PROGRAM.replace("SIZE = 3", "SIZE = 4")
    found = screen(outside, entry="", parameters=(), allowed_imports=allowed, template=PROGRAM)
    assert found is not None
    assert "outside the marked regions" in found
    assert screen("x = (", entry="", parameters=(), allowed_imports=allowed) is not None


@pytest.mark.parametrize("operator", sorted(OPERATORS))
def test_operators_do_without_an_entry_and_stay_inside_the_region(problem: ForeignProblem, operator: str) -> None:
    facts = problem.declaration
    other = PROGRAM.replace("0.1 + step", "0.2 - step").replace("total + scaled", "scaled").replace("1.5 * y", "y")
    materials = [Material(number=n, source=text, title="x") for n, text in enumerate((PROGRAM, other))]
    made = 0
    for seed in range(12):
        context = Context(
            statement="",
            entry=facts.entry,
            parameters=facts.parameters,
            optional_parameters=facts.optional_parameters,
            allowed_imports=facts.allowed_imports,
            seeds=materials[:1],
            rng=Random(seed),
            template=facts.template,
        )
        try:
            proposal = Operators().propose(
                Selection(parent=materials[0], inspirations=(materials[1],)), context, operator=operator
            )
        except ProposalError:
            continue
        made += 1
        assert proposal.source.endswith("SIZE = 3\n")
        assert all(f"def {name}(" in proposal.source for name in ("left", "right"))
    if operator in {"constant", "crossover"}:
        assert made


def test_a_prompt_tells_whose_score_it_is_and_what_the_evaluator_said(problem: ForeignProblem) -> None:
    parent = Portrait(
        number=1,
        title="initial_program",
        note="",
        source=PROGRAM,
        train=Estimate(mean=50.0, stderr=0.0, n=1, low=50.0, high=50.0),
        told="printed\n[advice] look at the corners\n",
    )
    prompt = propose_prompt(Brief(task=make_task(problem), parent=parent), Kind.EDIT)
    text = prompt.system + prompt.user
    assert "The score is what that evaluator reports" in text
    assert "100 times what the task's evaluator reports" in text
    assert "[advice] look at the corners" in text
    assert "EVOLVE-BLOCK-START" in text
    for wrong in ("secret", "It imports only", "`*`", "`()`"):
        assert wrong not in text
    silent = propose_prompt(Brief(task=make_task(problem), parent=replace(parent, told="")), Kind.EDIT)
    assert "evaluator said" not in silent.user


def test_an_answer_needs_no_entry(problem: ForeignProblem) -> None:
    whole = PROGRAM.replace("0.5", "0.75")
    read = read_answer(f"```python\n{whole}```", parent=PROGRAM, entry="", wanted=Form.WHOLE, template=PROGRAM)
    assert "0.75" in read.source


def test_one_figure_has_no_spread() -> None:
    evaluation = Evaluation(
        problem="openevolve:x",
        split=Split.TRAIN,
        block=0,
        digest="d",
        outcome=Outcome.OK,
        score=50.0,
        stderr=0.0,
        low=50.0,
        high=50.0,
        workloads=(
            WorkloadResult(name="repeat 0", objective=0.5, baseline=0.0, reference=1.0, ceiling=1e300, share=50.0),
        ),
        host={HOST_FACT: CLAIM},
    )
    one = Estimate(mean=evaluation.score or 0.0, stderr=0.0, n=1, low=50.0, high=50.0)
    assert estimate_text(one) == "50.0 ± ?"
    assert estimate_text(replace(one, n=3)) == "50.0 ± 0.0"
