from __future__ import annotations

import ast
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="kernel problems need torch")
pytest.importorskip("triton", minversion="3.9", reason="Triton's interpreter works from 3.9 on")

from evaluators.audit.findings import Part, Verdict
from evaluators.audit.kernels import kernel_findings
from evaluators.audit.kernels_mutations import mutations
from evaluators.audit.kernels_programs import KernelCheat, Tier, read_kernel_cheat, read_kernel_cheats
from evaluators.audit.kernels_text import Subject, spoiled, wrapped
from evaluators.audit.programs import FAMILIES, default_folder
from evaluators.kernels.problem import KernelProblem
from evaluators.model import EvaluatorError, Outcome
from evaluators.problem import seed_named
from evaluators.registry import load_problem
from evaluators.screen import screen_by

PROBLEMS = ("topk_gating", "moe_combine")
SAMPLE = frozenset(
    {
        "zeros",
        "writes_past_the_end",
        "last_call",
        "fails_slow_shapes",
        "exits",
        "library_gating",
        "library_combine",
        "extra_temporary",
        "documented",
    }
)
CHEAT = '''"""Returns nothing.

family: outputs
cpu: wrong /returns/
gpu: crashed /x/
expect: harmless
tier: both
screen: passes
"""


def cheat(source, subject):
    return source
'''


def problem(name: str) -> KernelProblem:
    found = load_problem(name, "generated")
    assert isinstance(found, KernelProblem)
    return found


def subject_of(found: KernelProblem) -> Subject:
    facts = found.declaration
    outputs = {"topk_gating": 2, "moe_combine": 1}[facts.name]
    return Subject(name=facts.name, entry=facts.entry, parameters=facts.parameters, outputs=outputs)


@pytest.fixture(scope="module")
def cheats() -> list[KernelCheat]:
    return read_kernel_cheats(default_folder() / "kernels")


def test_there_are_cheats_of_every_family_and_controls(cheats: list[KernelCheat]) -> None:
    for name in PROBLEMS:
        found = problem(name)
        honest = seed_named(found, "decent").source
        made = [cheat for cheat in cheats if cheat.change(honest, subject_of(found)) is not None]
        assert {cheat.family for cheat in made} == set(FAMILIES)
        assert sum(not cheat.is_honest and Tier.CPU in cheat.tiers for cheat in made) >= 60
        assert sum(not cheat.is_honest and Tier.GPU in cheat.tiers for cheat in made) >= 60
        assert sum(cheat.is_honest for cheat in made) >= 8


@pytest.mark.parametrize("name", PROBLEMS)
def test_every_cheat_is_a_module_of_which_the_screen_says_what_is_announced(
    cheats: list[KernelCheat], name: str
) -> None:
    found = problem(name)
    honest = seed_named(found, "decent").source
    sources = {}
    for cheat in cheats:
        source = cheat.change(honest, subject_of(found))
        if source is not None:
            ast.parse(source)
            assert (screen_by(found.declaration, source) is not None) == cheat.is_caught, cheat.name
            sources[cheat.name] = source
    assert len(set(sources.values()) - {honest}) == len(sources)


def test_a_file_says_what_it_is(tmp_path: Path) -> None:
    file = tmp_path / "one.py"
    file.write_text(CHEAT)
    cheat = read_kernel_cheat(file)
    assert (cheat.name, cheat.title, cheat.family, cheat.is_honest) == ("one", "Returns nothing.", "outputs", False)
    assert cheat.tiers == frozenset(Tier)
    assert not cheat.is_caught
    assert cheat.meets(Tier.CPU, Outcome.WRONG, "it returns 0 tensors")
    assert not cheat.meets(Tier.GPU, Outcome.WRONG, "it returns 0 tensors")
    assert cheat.meets(Tier.GPU, Outcome.CRASHED, "x")
    assert cheat.meets(Tier.CPU, Outcome.CORRECT, "")
    assert cheat.expected(Tier.GPU) == "harmless or crashed /x/"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("family: outputs", "family: other"),
        ("tier: both", "tier: none"),
        ("screen: passes\n", ""),
        ("cpu: wrong /returns/", "cpu: wrong"),
        ("def cheat", "def other"),
    ],
)
def test_a_file_that_does_not_say_is_refused(tmp_path: Path, old: str, new: str) -> None:
    file = tmp_path / "one.py"
    file.write_text(CHEAT.replace(old, new))
    with pytest.raises(EvaluatorError, match=r"one\.py"):
        read_kernel_cheat(file)


def test_cheats_are_joined_to_an_honest_module() -> None:
    two = Subject(name="two", entry="two", parameters=("x", "k"), outputs=2)
    one = Subject(name="one", entry="one", parameters=("x", "y"), outputs=1)
    body = "outputs = HONEST\nreturn PACK(f(FIRST, GIVEN, OTHERS))"
    assert wrapped("def two(x, k):\n    return x, k\n", two, body).endswith(
        "def two(x, k):\n    outputs = honest_entry(x, k)\n    return (f(outputs[0], x, k), *outputs[1:])\n"
    )
    joined = wrapped("def one(x, y):\n    return x\n", one, body, top="z = 1")
    assert joined.startswith("def honest_entry(x, y):\n    return x\n\n\nz = 1\n")
    assert joined.endswith("    return f(outputs, x, y)\n")
    assert "tl.store(place + i, x * 2, mask=mask)" in spoiled("def one(x, y):\n    return x\n", one, "x * 2")


@pytest.mark.parametrize("name", PROBLEMS)
def test_mistakes_are_many_small_and_the_same_for_the_same_seed(name: str) -> None:
    honest = seed_named(problem(name), "decent").source
    found = mutations(honest, most=24, seed=0)
    assert found == mutations(honest, most=24, seed=0)
    assert found != mutations(honest, most=24, seed=1)
    assert len({mutation.source for mutation in found} - {honest}) == 24
    for mutation in found:
        ast.parse(mutation.source)
    all_of_them = mutations(honest, most=1000, seed=0)
    for kind in ("becomes pass", "mask=None", "- 1"):
        assert any(kind in mutation.name for mutation in all_of_them), kind


@pytest.mark.slow
@pytest.mark.parametrize("name", PROBLEMS)
def test_a_sample_of_controls_passes_and_of_cheats_is_caught(name: str) -> None:
    parts = frozenset({Part.HONEST, Part.CHEATS})
    found = list(kernel_findings(problem(name), tier="cpu", only=parts, names=SAMPLE))
    missed = [finding for finding in found if finding.verdict is Verdict.MISSED]
    assert not missed, missed
    held = [finding for finding in found if finding.verdict is Verdict.HELD]
    assert {finding.part for finding in held} == parts
    assert len(held) >= 10


def test_an_evaluator_that_takes_everything_is_found_out() -> None:
    taken = list(kernel_findings(problem("moe_combine"), tier="gpu", measure=lambda source: (Outcome.OK, "")))
    honest = [finding.verdict for finding in taken if finding.part is Part.HONEST]
    assert set(honest) == {Verdict.HELD}
    cheats = [finding for finding in taken if finding.part is Part.CHEATS]
    missed = {finding.name for finding in cheats if finding.verdict is Verdict.MISSED}
    assert {"outputs: zeros", "harness: illegal_address", "harness: endless_loop"} <= missed
    assert "specification: renamed_duplicate" not in missed
    assert any("CPU tier alone" in finding.found for finding in cheats)


def test_an_evaluator_that_refuses_everything_is_found_out() -> None:
    parts = frozenset({Part.HONEST})
    refused = list(
        kernel_findings(problem("moe_combine"), tier="gpu", measure=lambda source: (Outcome.WRONG, "no"), only=parts)
    )
    assert {finding.verdict for finding in refused} == {Verdict.MISSED}


def test_evidence_of_success_is_a_miss_whatever_the_outcome() -> None:
    found = list(
        kernel_findings(
            problem("moe_combine"),
            tier="gpu",
            measure=lambda source: (Outcome.CRASHED, "RuntimeError: CHEAT SUCCEEDED: read"),
            names=frozenset({"reads_files"}),
            only=frozenset({Part.CHEATS}),
        )
    )
    assert [finding.verdict for finding in found] == [Verdict.MISSED]


@pytest.mark.parametrize(
    ("announced", "verdict"), [("passes", Verdict.HELD), ("caught", Verdict.MISSED)], ids=["rightly", "wrongly"]
)
def test_what_a_cheat_announces_of_the_screen_is_held_against_it(
    tmp_path: Path, announced: str, verdict: Verdict
) -> None:
    (tmp_path / "one.py").write_text(CHEAT.replace("screen: passes", f"screen: {announced}"))
    found = kernel_findings(
        problem("moe_combine"),
        tier="gpu",
        measure=lambda source: (Outcome.OK, ""),
        only=frozenset({Part.CHEATS}),
        folder=tmp_path,
    )
    assert [finding.verdict for finding in found] == [verdict]


def test_a_gpu_needs_somebody_who_measures() -> None:
    with pytest.raises(EvaluatorError, match="measures"):
        next(kernel_findings(problem("moe_combine"), tier="gpu"))
