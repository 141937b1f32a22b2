from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evaluators.program import normalised_digest
from evaluators.screen import screen
from evolve.proposal import Context, Material, Proposal, ProposalError, Selection
from evolve.proposers.operators import Operators
from evolve.proposers.operators.constants import perturbed
from evolve.proposers.operators.source import Program, prune

MakeContext = Callable[..., Context]


def proposals(
    make_context: MakeContext, family: str, parent: Material, *others: Material, count: int = 30
) -> Iterator[Proposal]:
    """Yield what one family makes of a parent under many random seeds."""
    operators = Operators(weights={family: 1.0}, stack_share=0.0)
    for seed in range(count):
        try:
            yield operators.propose(Selection(parent=parent), make_context(Random(seed), parent, *others))
        except ProposalError:
            continue


def run(source: str, previous: Any = None) -> list[int]:
    space: dict[str, Any] = {}
    exec(compile(source, "candidate", "exec"), space)
    history = np.random.default_rng(0).gamma(1.0, 5.0, (4, 8)).astype(np.float32)
    return [int(slot) for slot in space["plan"](history=history, previous=previous, num_slots=12)]


def test_constant_changes_the_literal_and_nothing_else(averaging: Material, make_context: MakeContext) -> None:
    found = list(proposals(make_context, "constant", averaging))
    tuned = [proposal for proposal in found if proposal.note.startswith("DECAY 0.7 -> ")]
    assert len(tuned) > len(found) / 2
    for proposal in tuned:
        new = proposal.note.split(", ")[0].removeprefix("DECAY 0.7 -> ")
        assert 0 < float(new) < 1
        if "," not in proposal.note:
            assert proposal.source == averaging.source.replace("DECAY = 0.7", f"DECAY = {new}")
        assert proposal.operator == "constant"
        assert proposal.parents == (1,)


@given(seed=st.integers(0, 2**32), value=st.one_of(st.integers(0, 10**6), st.floats(0, 1e6)))
def test_a_perturbed_number_keeps_its_type_and_sign(seed: int, value: float) -> None:
    new = eval(perturbed(value, Random(seed)))
    assert type(new) is type(value)
    assert new >= 0
    if isinstance(value, int):
        assert new != value


def test_crossover_brings_helpers_constants_and_their_comments(
    plain: Material, averaging: Material, refining: Material, make_context: MakeContext
) -> None:
    found = [p for p in proposals(make_context, "crossover", refining, averaging) if "forecast" in p.operator]
    assert found
    for proposal in found:
        assert proposal.operator == "crossover:forecast"
        assert proposal.parents == (2, 1)
        assert proposal.note == "forecast from averaging"
        assert "# How much an older window counts.\nDECAY = 0.7\n" in proposal.source
        assert proposal.source.count("def weights(") == proposal.source.count("def forecast(") == 1
        assert "refine(slots, load)" in proposal.source
        assert len(run(proposal.source)) == 12


def test_crossover_renames_what_means_something_else(plain: Material, make_context: MakeContext) -> None:
    parent = Material(
        number=5,
        source=plain.source.replace("\n\ndef forecast", "\nDECAY = 3\n\n\ndef forecast", 1).replace(
            "slots = pack(counts)", "slots = pack(counts)[::DECAY]"
        ),
        title="parent",
    )
    donor = Material(
        number=6,
        source=plain.source.replace("\n\ndef forecast", "\nDECAY = 0.5\n\n\ndef forecast", 1).replace(
            "history[-1], dtype=np.float64)", "history[-1], dtype=np.float64) ** DECAY"
        ),
        title="donor",
    )
    found = proposals(make_context, "crossover", parent, donor)
    proposal = next(each for each in found if each.operator == "crossover:forecast")
    assert "DECAY = 3\n" in proposal.source
    assert "DECAY_2 = 0.5\n" in proposal.source
    assert "** DECAY_2" in proposal.source
    assert "[::DECAY]" in proposal.source


def test_crossover_leaves_no_orphans(plain: Material, averaging: Material, make_context: MakeContext) -> None:
    squared = plain.source.replace("dtype=np.float64)", "dtype=np.float64) ** 2").replace("-load", "load")
    donor = Material(number=7, source=squared, title="squared")
    found = next(p for p in proposals(make_context, "crossover", averaging, donor) if "forecast" in p.operator)
    assert "** 2" in found.source
    assert "DECAY" not in found.source
    assert "def weights" not in found.source
    assert "\n\n\n\n" not in found.source


def test_adopt_takes_the_composition_or_the_components(
    averaging: Material, refining: Material, make_context: MakeContext
) -> None:
    found = {p.operator: p for p in proposals(make_context, "adopt", averaging, refining)}
    composition = found["adopt:plan"].source
    assert "slots = refine(slots, load)" in composition
    assert "import math" in composition
    assert "ROUNDS = 4" in composition
    assert "np.tensordot" in composition
    assert len(run(composition)) == 12
    powered = averaging.source.replace("load, num_slots)", "load**2, num_slots)")
    assert "replicate(load**2, num_slots)" in powered
    parent = Material(number=8, source=powered, title="powered")
    components = {p.operator: p for p in proposals(make_context, "adopt", parent, refining)}["adopt:components"]
    assert "history[-1]" in components.source
    assert "load**2" in components.source
    assert "refine" not in components.source


def test_graft_inserts_a_step_where_its_names_are_known(
    averaging: Material, refining: Material, make_context: MakeContext
) -> None:
    found = [p for p in proposals(make_context, "graft", averaging, refining) if p.operator == "graft:plan"]
    assert found
    for proposal in found:
        assert proposal.note == "slots = refine(slots, load) from refining"
        lines = [line.strip() for line in proposal.source.splitlines()]
        assert lines.index("slots = refine(slots, load)") == lines.index("slots = pack(counts)") + 1
        assert "import math" in proposal.source
        assert proposal.source.count("ROUNDS = 4") == 1
        assert "np.tensordot" in proposal.source
        assert sorted(set(run(proposal.source))) == list(range(8))


def test_blend_mixes_by_a_named_weight_or_takes_the_larger(
    refining: Material, averaging: Material, make_context: MakeContext
) -> None:
    found = list(proposals(make_context, "blend", refining, averaging))
    assert {p.operator for p in found} == {"blend:forecast"}
    values = {p.source.split("return ")[-1] for p in found}
    assert values
    texts = "".join(p.source for p in found)
    assert "return FORECAST_MIX * forecast_a(history) + (1 - FORECAST_MIX) * forecast_b(history)" in texts
    assert "return np.maximum(forecast_a(history), forecast_b(history))" in texts
    for proposal in found:
        assert "load = forecast(history)" in proposal.source
        assert ("FORECAST_MIX = " in proposal.source) == ("FORECAST_MIX * " in proposal.source)
        assert len(run(proposal.source)) == 12


def test_warm_start_carries_the_previous_plan(plain: Material, make_context: MakeContext) -> None:
    found = list(proposals(make_context, "warm_start", plain))
    sources = {p.source for p in found}
    copied = plain.source.replace(
        "slots = pack(counts)", "slots = previous.copy() if previous is not None else pack(counts)"
    )
    assert sources == {copied, copied.replace(".copy() if", " if")}
    assert run(copied, previous=np.arange(12)) == list(range(12))
    assert run(copied) == run(plain.source)


def test_an_incremental_planner_with_a_better_forecast_is_reachable(
    plain: Material, averaging: Material, refining: Material, make_context: MakeContext
) -> None:
    source = plain.source
    for family, operator, wanted in (
        ("warm_start", "warm_start", ".copy() if"),
        ("graft", "graft:plan", "slots = refine(slots, load)"),
        ("crossover", "crossover:forecast", "np.tensordot"),
    ):
        parent = Material(number=9, source=source, title="line")
        steps = proposals(make_context, family, parent, averaging, refining)
        source = next(p.source for p in steps if p.operator == operator and wanted in p.source)
    assert "previous.copy() if previous is not None else pack(counts)\n    slots = refine(slots, load)" in source
    assert "np.tensordot(weights" in source
    assert sorted(run(source, previous=np.arange(12) % 8)) == sorted(i % 8 for i in range(12))


def test_mutations_cover_their_kinds(refining: Material, make_context: MakeContext) -> None:
    kinds = {p.operator for p in proposals(make_context, "mutate", refining, count=150)}
    assert kinds >= {
        "mutate:arithmetic",
        "mutate:delete",
        "mutate:duplicate",
        "mutate:rounds",
        "mutate:spread",
        "mutate:value",
        "mutate:window",
    }


def test_a_second_operator_may_follow(plain: Material, averaging: Material, make_context: MakeContext) -> None:
    operators = Operators(stack_share=1.0)
    found = [
        operators.propose(Selection(parent=plain), make_context(Random(seed), plain, averaging)) for seed in range(20)
    ]
    stacked = [p for p in found if "+" in p.operator]
    assert len(stacked) >= 6
    assert all("; " in p.note for p in stacked)


def test_the_same_seed_gives_the_same_proposal(
    plain: Material, averaging: Material, refining: Material, make_context: MakeContext
) -> None:
    selection = Selection(parent=averaging, inspirations=(refining,))
    for seed in range(10):
        first, second = (Operators().propose(selection, make_context(Random(seed), plain, averaging)) for _ in range(2))
        assert first == second


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), which=st.integers(0, 2))
def test_whatever_the_seed_a_proposal_is_new_and_passes_the_screen(
    seed: int, which: int, plain: Material, averaging: Material, refining: Material, make_context: MakeContext
) -> None:
    materials = [plain, averaging, refining]
    parent = materials[which]
    proposal = Operators().propose(Selection(parent=parent), make_context(Random(seed), *materials))
    reason = screen(
        proposal.source,
        entry="plan",
        parameters=("history", "previous", "num_slots"),
        allowed_imports={"math", "numpy"},
    )
    assert reason is None
    digest = normalised_digest(proposal.source, entry="plan")
    assert digest != normalised_digest(parent.source, entry="plan")
    assert proposal.source == prune(proposal.source, "plan")
    assert proposal.parents[0] == parent.number
    assert proposal.note
    assert "\n" not in proposal.note


def test_nothing_to_propose_is_an_error(make_context: MakeContext) -> None:
    parent = Material(number=3, source="def plan(history, previous, num_slots):\n    return history\n", title="bare")
    with pytest.raises(ProposalError, match="no operator applies to candidate 3"):
        Operators().propose(Selection(parent=parent), make_context(Random(0), parent))


def test_a_parent_that_does_not_parse_is_an_error(make_context: MakeContext) -> None:
    parent = Material(number=4, source="def plan(:\n", title="broken")
    with pytest.raises(ProposalError, match="candidate 4: line 1"):
        Operators().propose(Selection(parent=parent), make_context(Random(0), parent))


def test_a_donor_that_does_not_parse_is_passed_over(plain: Material, make_context: MakeContext) -> None:
    broken = Material(number=4, source="def plan(:\n", title="broken")
    proposal = Operators().propose(Selection(parent=plain), make_context(Random(0), plain, broken))
    assert 4 not in proposal.parents


def test_unknown_weights_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown: \\['magic'\\]"):
        Operators(weights={"magic": 1.0})


def test_edits_count_bytes_not_characters() -> None:
    program = Program('x = "ä–", 1\n')
    number = program.tree.body[0].value.elts[1]  # type: ignore[attr-defined]
    assert program.edited([program.replace(number, "2")]) == 'x = "ä–", 2\n'


def test_a_helper_that_reads_the_same_is_copied_if_its_constant_differs(
    averaging: Material, refining: Material, make_context: MakeContext
) -> None:
    used_twice = averaging.source.replace("replicate(load, num_slots)", "replicate(load * weights(1), num_slots)")
    parent = Material(number=5, source=used_twice, title="parent")
    donor_source = averaging.source.replace("DECAY = 0.7", "DECAY = 0.4").replace(
        "history, axes=1)", "history**2, axes=1)"
    )
    donor = Material(number=6, source=donor_source, title="donor")
    found = proposals(make_context, "crossover", parent, donor)
    proposal = next(each for each in found if each.operator == "crossover:forecast")
    assert "np.tensordot(weights_2(len(history)), history**2, axes=1)" in proposal.source
    assert "weight = DECAY_2 ** np.arange" in proposal.source
    assert "DECAY = 0.7\n" in proposal.source
    assert "DECAY_2 = 0.4\n" in proposal.source
    assert "replicate(load * weights(1), num_slots)" in proposal.source


def test_graft_never_reads_what_is_not_defined(plain: Material, make_context: MakeContext) -> None:
    step = "    noise = np.std(load)\n    load = load + noise\n    counts = replicate("
    donor = Material(number=6, source=plain.source.replace("    counts = replicate(", step), title="donor")
    notes = [p.note for p in proposals(make_context, "graft", plain, donor)]
    assert not any("noise" in note for note in notes)
