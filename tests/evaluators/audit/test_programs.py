from __future__ import annotations

from pathlib import Path

import pytest

from evaluators.audit.programs import Expectation, default_folder, read_cheat, read_cheats
from evaluators.model import EvaluatorError, Outcome
from evaluators.registry import load_problem
from evaluators.screen import screen

CHEAT = '''"""Returns nothing.

family: outputs
expect: wrong /not None/
expect: crashed /TypeError/
needs: landlock | mount namespace
needs: seccomp
"""

import os


def cheat(honest, arguments):
    return None
'''


@pytest.fixture
def write(tmp_path: Path):  # type: ignore[no-untyped-def]
    def one(text: str) -> Path:
        file = tmp_path / "one.py"
        file.write_text(text)
        return file

    return one


def test_a_file_says_what_it_is(write) -> None:  # type: ignore[no-untyped-def]
    cheat = read_cheat(write(CHEAT))
    assert (cheat.name, cheat.title, cheat.family, cheat.is_honest) == ("one", "Returns nothing.", "outputs", False)
    assert cheat.expectations == (
        Expectation(outcome=Outcome.WRONG, reason="not None"),
        Expectation(outcome=Outcome.CRASHED, reason="TypeError"),
    )
    assert cheat.source.strip().startswith("import os")
    assert cheat.unmet({"landlock": "enforced"}) == ["seccomp"]
    assert cheat.unmet({"mount namespace": "enforced", "seccomp": "enforced"}) == []
    assert cheat.unmet({"seccomp": "enforced"}) == ["landlock or mount namespace"]
    assert not cheat.needs_time
    assert read_cheat(write(CHEAT.replace("needs: seccomp", "needs: timed"))).needs_time


def test_an_expectation_needs_outcome_and_reason() -> None:
    expectation = Expectation(outcome=Outcome.WRONG, reason=r"expert \d+ has")
    assert expectation.meets(Outcome.WRONG, "call 1: expert 12 has no slot")
    assert not expectation.meets(Outcome.WRONG, "call 1: the plan must have shape")
    assert not expectation.meets(Outcome.CRASHED, "expert 12 has no slot")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("family: outputs", "family: outptus", "needs one line 'family: ...'"),
        ("family: outputs\n", "", "needs one line 'family: ...'"),
        ("expect: wrong /not None/\nexpect: crashed /TypeError/", "", "a line 'expect: ...'"),
        ("expect: wrong /not None/", "expect: worng /not None/", "is not an outcome"),
        ("expect: wrong /not None/", "expect: wrong", "must say what the reason has to match"),
        ("def cheat", "def cheta", "defines no function cheat"),
    ],
)
def test_a_file_that_does_not_say_so_is_named(write, old: str, new: str, words: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(EvaluatorError, match=r"one\.py") as caught:
        read_cheat(write(CHEAT.replace(old, new)))
    assert words in str(caught.value)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EvaluatorError, match="no cheats in"):
        read_cheats(tmp_path)


def test_the_candidate_is_the_honest_program_with_the_cheat_as_its_entry(write) -> None:  # type: ignore[no-untyped-def]
    facts = load_problem("eplb").declaration
    honest = "def plan(history, previous, num_slots, num_gpus, num_nodes):\n    return 'honest'\n"
    cheat = read_cheat(
        write(CHEAT.replace("import os", "").replace("return None", "return honest(**arguments), arguments"))
    )
    namespace: dict[str, object] = {}
    source = cheat.program(honest, facts)
    exec(compile(source, "candidate", "exec"), namespace)
    plan = namespace["plan"]
    assert callable(plan)
    arguments = dict(zip(facts.parameters, range(5), strict=True))
    assert plan(**arguments) == ("honest", arguments)
    assert screen(source, entry="plan", parameters=facts.parameters, allowed_imports=facts.allowed_imports) is None


def test_what_comes_along_is_complete() -> None:
    cheats = read_cheats(default_folder())
    families = {cheat.family for cheat in cheats}
    assert families == {"outputs", "replay", "timing", "harness", "specification", "honest"}
    assert sum(not cheat.is_honest for cheat in cheats) >= 60
    assert sum(cheat.is_honest for cheat in cheats) >= 15
    assert len({cheat.name for cheat in cheats}) == len(cheats)
    assert all(cheat.expectations == (Expectation(outcome=Outcome.OK),) for cheat in cheats if cheat.is_honest)
