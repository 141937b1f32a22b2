from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from evolve.proposal import Context, Material, ProposalError, Selection
from evolve.proposers.operators import OPERATORS, WEIGHTS, Operators
from evolve.proposers.operators.constants import redrawn
from evolve.proposers.tuner.marks import faults, read_marks

MakeContext = Callable[..., Context]

MARKED = """import numpy as np

DECAY = 0.7  # tune: float 0.5 0.999
RATE = 0.01  # tune: float 0.001 0.1 log
ROUNDS = 4  # tune: int 2 16 step 2
SIGN = -1  # tune: int -1 0
MODE = "mean"  # tune: choice mean max "two words"


def plan(history, previous, num_slots):
    load = DECAY * history[-1] + RATE * getattr(history, MODE.split()[0])(axis=0) + SIGN * 0.5
    return np.argsort(load)[:num_slots] + ROUNDS
"""


def test_every_operator_has_a_weight() -> None:
    assert WEIGHTS.keys() == OPERATORS.keys()
    assert all(weight > 0 for weight in WEIGHTS.values())


@pytest.mark.parametrize("operator", sorted(OPERATORS))
def test_the_named_operator_comes_first(
    operator: str,
    plain: Material,
    averaging: Material,
    refining: Material,
    foreign: Material,
    make_context: MakeContext,
) -> None:
    source = plain.source.replace("    slots = pack(counts)\n", "    slots = pack(counts)\n    unused = load * 1.0\n")
    parent = Material(number=9, source=source, title="parent")
    selection = Selection(parent=parent, inspirations=(averaging, refining, foreign))
    found, errors = [], []
    for seed in range(12):
        try:
            found.append(Operators().propose(selection, make_context(Random(seed), plain), operator=operator))
        except ProposalError as error:
            errors.append(str(error))
    assert all(error.startswith(f"{operator} does not apply to candidate 9") for error in errors)
    assert found
    assert all(proposal.operator.startswith(operator) for proposal in found)
    assert all(proposal.parents[0] == 9 for proposal in found)


def test_a_second_operator_still_follows_a_named_one(
    plain: Material, averaging: Material, make_context: MakeContext
) -> None:
    operators = Operators(stack_share=1.0)
    found = [
        operators.propose(Selection(parent=plain), make_context(Random(seed), plain, averaging), operator="mutate")
        for seed in range(6)
    ]
    assert any("+" in proposal.operator for proposal in found)


def test_a_named_operator_that_finds_nothing_is_an_error(plain: Material, make_context: MakeContext) -> None:
    with pytest.raises(ProposalError, match="prune does not apply to candidate 0: nothing in the program looks dead"):
        Operators().propose(Selection(parent=plain), make_context(Random(0), plain), operator="prune")


def test_an_unknown_operator_is_refused(plain: Material, make_context: MakeContext) -> None:
    with pytest.raises(ValueError, match="unknown operator 'magic'; there are adopt, blend"):
        Operators().propose(Selection(parent=plain), make_context(Random(0), plain), operator="magic")


def test_pruning_takes_out_what_does_nothing(plain: Material, make_context: MakeContext) -> None:
    junk = plain.source.replace("    counts = replicate(", "    noise = np.std(load)\n    counts = replicate(").replace(
        "pack(counts)\n", "pack(counts)\n    for _ in range(0):\n        slots = slots + 1\n"
    )
    parent = Material(number=1, source=junk, title="junk")
    sources = {
        Operators(stack_share=0.0)
        .propose(Selection(parent=parent), make_context(Random(seed), parent), operator="prune")
        .source
        for seed in range(12)
    }
    assert plain.source in sources
    assert all(len(source) < len(junk) for source in sources)


def test_constants_marked_for_tuning_keep_kind_and_range(make_context: MakeContext) -> None:
    parent = Material(number=0, source=MARKED, title="marked")
    seen: dict[str, set[object]] = {}
    for seed in range(150):
        proposal = Operators(stack_share=0.0).propose(
            Selection(parent=parent), make_context(Random(seed), parent), operator="constant"
        )
        assert faults(proposal.source) == []
        marks = read_marks(proposal.source)
        assert len(marks) == 5
        for mark in marks:
            seen.setdefault(mark.key, set()).add(mark.value)
    assert seen["MODE"] == {"mean", "max", "two words"}
    assert seen["SIGN"] == {-1, 0}
    assert seen["ROUNDS"] <= set(range(2, 17, 2))
    assert len(seen["ROUNDS"]) > 3
    assert len(seen["DECAY"]) > 10
    assert min(seen["RATE"]) < 0.006  # type: ignore[type-var]
    assert max(seen["RATE"]) > 0.02  # type: ignore[type-var]


def test_a_redrawn_constant_is_another_one() -> None:
    for mark in read_marks(MARKED):
        for seed in range(50):
            value = eval(redrawn(mark, Random(seed)))
            assert value != mark.value
            assert type(value) is type(mark.value)
            assert mark.space.holds(value)
