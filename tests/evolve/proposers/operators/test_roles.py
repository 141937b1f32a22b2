from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np
import pytest

from evolve.proposal import Context, Material, Proposal, ProposalError, Selection
from evolve.proposers.operators import Operators
from evolve.proposers.operators.roles import counterpart, role_of, roles_of
from evolve.proposers.operators.source import Program

MakeContext = Callable[..., Context]


def run(source: str) -> list[int]:
    space: dict[str, Any] = {}
    exec(compile(source, "candidate", "exec"), space)
    history = np.random.default_rng(0).gamma(1.0, 5.0, (4, 8)).astype(np.float32)
    return [int(slot) for slot in space["plan"](history=history, previous=None, num_slots=12)]


def made(make_context: MakeContext, operator: str, parent: Material, *others: Material) -> list[Proposal]:
    found = []
    for seed in range(40):
        try:
            context = make_context(Random(seed), parent, *others)
            found.append(Operators(stack_share=0.0).propose(Selection(parent=parent), context, operator=operator))
        except ProposalError:
            continue
    return found


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("predict_load", "forecast"),
        ("_estimate", "forecast"),
        ("allocate_copies", "replicate"),
        ("balance_replicas", "replicate"),
        ("assign_slots", "pack"),
        ("improve_placement", "refine"),
        ("stay_put", "keep"),
        ("frobnicate", "frobnicate"),
    ],
)
def test_a_name_tells_a_role(name: str, role: str) -> None:
    assert role_of(name) == role


def test_the_steps_of_an_entry_and_where_their_arguments_come_from(foreign: Material) -> None:
    steps = roles_of(Program(foreign.source), "plan").steps
    assert [step.role for step in steps] == ["forecast", "replicate", "pack", "refine"]
    assert [step.reworks for step in steps] == [False, False, False, True]
    assert [step.base for step in steps] == ["forecast", "replicate", "pack", "pack"]
    assert steps[1].origins == {"parameter num_slots", "step forecast"}
    assert steps[3].origins == {"step pack", "step forecast"}


def test_components_of_unknown_names_correspond_by_their_arguments(plain: Material, foreign: Material) -> None:
    ours = roles_of(Program(plain.source), "plan").steps
    renamed = foreign.source.replace("predict_load", "frobnicate")
    theirs = roles_of(Program(renamed), "plan").steps
    assert theirs[0].role == "frobnicate"
    found = counterpart(theirs[0], ours)
    assert found is not None
    assert found.function == "forecast"


def test_crossover_by_role_renames_and_reorders(plain: Material, foreign: Material, make_context: MakeContext) -> None:
    found = {p.operator: p for p in made(make_context, "crossover", plain, foreign)}
    assert found.keys() >= {"crossover:forecast", "crossover:replicate"}
    forecast = found["crossover:forecast"]
    assert "SHARE = 0.4\n" in forecast.source
    assert "def forecast(windows):" in forecast.source
    assert "predict_load" not in forecast.source
    assert forecast.note == "predict_load from foreign as forecast"
    replicate = found["crossover:replicate"]
    assert "def replicate(total, demand):" in replicate.source
    assert "counts = replicate(num_slots, load)" in replicate.source
    for proposal in found.values():
        assert len(run(proposal.source)) == 12
        assert proposal.parents == (0, 3)


def test_a_reworking_step_is_inserted_with_the_parents_names(
    plain: Material, foreign: Material, make_context: MakeContext
) -> None:
    found = made(make_context, "insert", plain, foreign)
    assert {p.operator for p in found} == {"insert:refine"}
    source = found[0].source
    assert "    slots = pack(counts)\n    slots = improve(slots, load)\n" in source
    assert "PASSES = 3\n" in source
    assert "SHARE" not in source
    assert run(source) == run(plain.source)[::-1]


def test_a_step_that_the_parent_has_is_not_inserted(
    refining: Material, foreign: Material, make_context: MakeContext
) -> None:
    assert made(make_context, "insert", refining, foreign) == []


def test_a_component_that_needs_what_the_parent_lacks_stays_out(
    plain: Material, foreign: Material, make_context: MakeContext
) -> None:
    source = foreign.source.replace("improve(layout, demand)", "improve(layout, np.sqrt(noise))").replace(
        "    layout = place(", "    noise = np.ones(3)\n    layout = place("
    )
    donor = Material(number=4, source=source, title="noisy")
    assert made(make_context, "insert", plain, donor) == []
