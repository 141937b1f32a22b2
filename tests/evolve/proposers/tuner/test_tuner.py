from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise

import pytest

from evaluators.model import Outcome
from evaluators.program import normalised_digest
from evolve.lesson import Lesson
from evolve.proposal import Context, Material, Proposal, ProposalError, Selection
from evolve.proposers.tuner.books import Books
from evolve.proposers.tuner.tuner import Tuner

Lessons = Callable[..., Lesson]
Contexts = Callable[..., Context]
Values = Callable[[str], dict[str, object]]


def ask(tuner: Tuner, source: str, context: Context, *, number: int = 0) -> Proposal:
    return tuner.propose(Selection(parent=Material(number=number, source=source, title="hill")), context)


def test_it_climbs_and_never_repeats_itself(climb: Callable[..., list[Lesson]], program: str) -> None:
    values = [lesson.value for lesson in climb(Tuner(entry="plan"), program, 20)]
    assert values[0] is not None
    assert values[0] < -50
    assert max(value for value in values if value is not None) > -5


@pytest.mark.parametrize("sampler", ["GP", "TPE"])
def test_the_same_lessons_lead_to_the_same_proposal(
    sampler: str, climb: Callable[..., list[Lesson]], program: str, make_context: Contexts
) -> None:
    if sampler == "TPE":
        program = program.replace("UNUSED = 3  # tune: int 1 9", 'MODE = "a"  # tune: choice a b').replace(
            "return LEFT,", "return MODE, LEFT,"
        )
    tuner = Tuner(entry="plan")
    lessons = climb(tuner, program, 7)
    resumed = Tuner(entry="plan")
    for lesson in lessons:
        resumed.learn(lesson)
    first, second = ask(tuner, program, make_context(5)), ask(resumed, program, make_context(5))
    assert first == second
    assert f"({sampler}, 8 trials)" in first.note
    assert ask(Tuner(entry="plan"), program, make_context(5)).source != first.source


def test_a_proposal_is_the_parent_with_other_numbers(
    climb: Callable[..., list[Lesson]], program: str, make_context: Contexts
) -> None:
    proposal = ask(Tuner(entry="plan"), program, make_context(3), number=7)
    assert (proposal.proposer, proposal.operator, proposal.parents) == ("tuner", "tune", (7,))
    changed = [new for old, new in zip(program.splitlines(), proposal.source.splitlines(), strict=True) if old != new]
    assert 1 <= len(changed) <= 2
    assert all("# tune: " in line for line in changed)
    assert "UNUSED = 3" in proposal.source
    assert " -> " in proposal.note
    assert "a step, 0 trials" in proposal.note


def test_without_marks_it_says_so(make_context: Contexts) -> None:
    tuner = Tuner(entry="plan")
    plain = "def plan(history):\n    return 3\n"
    assert not tuner.can_tune(plain)
    assert tuner.rival_of(plain) is None
    with pytest.raises(ProposalError, match="candidate 4 has no marked constants; mark one"):
        ask(tuner, plain, make_context(1), number=4)


def test_a_small_range_is_exhausted_in_words(make_lesson: Lessons, make_context: Contexts, values_of: Values) -> None:
    source = "N = 2  # tune: int 1 3\n\n\ndef plan(history):\n    return N\n"
    tuner = Tuner(entry="plan")
    known = {normalised_digest(source, entry="plan")}
    tuner.learn(make_lesson(0, source, 1.0))
    seen = []
    for number in (1, 2):
        proposal = ask(tuner, source, make_context(number, known=known))
        known.add(normalised_digest(proposal.source, entry="plan"))
        tuner.learn(make_lesson(number, proposal.source, 0.0, parents=(0,)))
        seen.append(values_of(proposal.source)["N"])
    assert sorted(map(str, seen)) == ["1", "3"]
    with pytest.raises(ProposalError, match="has been tried"):
        ask(tuner, source, make_context(9, known=known))


@pytest.mark.parametrize("first", ["float 0 1", "choice 0.5 1"])
def test_as_many_constants_as_are_read_can_be_tuned(
    make_lesson: Lessons, make_context: Contexts, values_of: Values, first: str
) -> None:
    names = [f"A{nth}" for nth in range(70)]
    marked = "".join(f"{name} = 0.5  # tune: {'float 0 1' if nth else first}\n" for nth, name in enumerate(names))
    source = f"{marked}\n\ndef plan(history):\n    return [{', '.join(names)}]\n"
    tuner = Tuner(entry="plan")
    tuner.learn(make_lesson(0, source, 1.0))
    moved = set()
    for number in range(1, 30):
        proposal = ask(tuner, source, make_context(number))
        values = values_of(proposal.source)
        moved |= {name for name in names if values[name] != 0.5}
        tuner.learn(make_lesson(number, proposal.source, float(number % 5), parents=(0,)))
    assert moved <= set(names[:64])
    assert len(moved) > 60


def test_failed_and_stopped_trials_keep_it_away(
    program: str, make_lesson: Lessons, make_context: Contexts, values_of: Values
) -> None:
    tuner = Tuner(entry="plan")
    tuner.learn(make_lesson(0, program, 10.0))
    for number in range(1, 13):
        left = 0.15 + 0.06 * number
        source = program.replace("LEFT = 0.2 ", f"LEFT = {left:.2f} ")
        if left < 0.5:
            tuner.learn(make_lesson(number, source, 10.0 + number, parents=(0,)))
        elif number % 2:
            tuner.learn(make_lesson(number, source, None, outcome=Outcome.CRASHED, workloads=0))
        else:
            tuner.learn(make_lesson(number, source, 99.0, outcome=Outcome.STOPPED, workloads=1))
    drawn = [float(str(values_of(ask(tuner, program, make_context(seed)).source)["LEFT"])) for seed in range(15)]
    assert sum(left < 0.5 for left in drawn) >= 10
    assert tuner.rival_of(program) == 5


def test_a_failure_takes_a_score_back(program: str, make_lesson: Lessons) -> None:
    tuner = Tuner(entry="plan")
    better = program.replace("ROUNDS = 4", "ROUNDS = 9")
    tuner.learn(make_lesson(0, program, 1.0))
    tuner.learn(make_lesson(1, better, 2.0, parents=(0,)))
    assert tuner.rival_of(program) == 1
    assert tuner.rival_of(better) == 0
    tuner.learn(make_lesson(1, better, None, outcome=Outcome.WRONG, is_first=False))
    assert tuner.rival_of(program) is None


def test_children_go_on_from_what_their_parents_learned(
    climb: Callable[..., list[Lesson]], program: str, make_lesson: Lessons, make_context: Contexts, values_of: Values
) -> None:
    """Of a child with one trial of its own, with one more constant, at the parent's first values."""
    child = program.replace("UNUSED = 3", "EXTRA = 3").replace("return LEFT,", "return EXTRA, LEFT,")
    assert child != program

    def lefts(taught: bool) -> list[float]:
        tuner = Tuner(entry="plan")
        if taught:
            climb(tuner, program, 16)
        tuner.learn(make_lesson(31, child, -60.0, parents=(0,)))
        sources = [ask(tuner, child, make_context(seed), number=31).source for seed in range(10)]
        return [abs(float(str(values_of(source)["LEFT"])) - 0.7) for source in sources]

    ignorant, taught = lefts(taught=False), lefts(taught=True)
    assert sum(taught) < 0.6 * sum(ignorant)


def test_what_is_under_way_is_not_proposed_again(program: str, make_lesson: Lessons, make_context: Contexts) -> None:
    tuner = Tuner(entry="plan")
    tuner.learn(make_lesson(0, program, 1.0))
    tuner.learn(make_lesson(1, program.replace("LEFT = 0.2", "LEFT = 0.3"), 2.0))
    sources = [ask(tuner, program, make_context(5)).source for _ in range(4)]
    assert all(one != other for one, other in pairwise(sources))


def test_what_a_template_fixes_stays(program: str, make_lesson: Lessons, make_context: Contexts) -> None:
    template = program.replace("RIGHT", "# EVOLVE-BLOCK-START\nRIGHT").replace(
        "ROUNDS = 4", "# EVOLVE-BLOCK-END\nROUNDS = 4", 1
    )
    template = template.replace("\n    return LEFT, # EVOLVE-BLOCK-START\nRIGHT", "\n    return LEFT, RIGHT")
    tuner = Tuner(entry="plan")
    tuner.learn(make_lesson(0, template, 1.0))
    for seed in range(6):
        proposal = ask(tuner, template, make_context(seed, template=template))
        assert "LEFT = 0.2 " in proposal.source
        assert "ROUNDS = 4 " in proposal.source
        assert "RIGHT 0.001 -> " in proposal.note


def test_memory_is_bounded(program: str, make_lesson: Lessons) -> None:
    tuner = Tuner(entry="plan")
    for number in range(130):
        tuner.learn(make_lesson(number, program.replace("LEFT = 0.2", f"LEFT = {number / 200}"), -abs(number - 20.0)))
    books = tuner._books
    assert len(books.known(books.place(program))) <= 100
    assert tuner.rival_of(program) == 20


def test_optuna_is_silent_and_only_loaded_with_the_tuner() -> None:
    script = (
        "import sys, evolve.cli, evolve.proposers.tuner.marks; assert 'optuna' not in sys.modules\n"
        "from random import Random\n"
        "from evolve.proposers.tuner.tuner import Tuner\n"
        "assert 'optuna' not in sys.modules, 'hearing of marks must not cost its import'\n"
        "from evolve.proposers.tuner.sampling import tpe\n"
        "from evolve.proposers.tuner.space import Kind, Space\n"
        "Tuner(entry='plan')\n"
        "tpe({'a': Space(kind=Kind.FLOAT, low=0, high=1)}, [], [], Random(1))\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], check=False, capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_program_like_a_known_one_is_placed_as_if_it_were_parsed(program: str) -> None:
    program = program.replace("UNUSED = 3  # tune: int 1 9\n", "")
    books = Books("plan")
    first = books.place(program)
    assert list(first.point) == ["LEFT", "RIGHT", "ROUNDS"]
    for old, new in [
        ("LEFT = 0.2", "LEFT = 0.75"),
        ("LEFT = 0.2", "LEFT = 1"),
        ("LEFT = 0.2", "LEFT = 2.5"),
        ("LEFT = 0.2", "LEFT = True"),
        ("LEFT = 0.2", 'LEFT = "0.2"'),
        ("RIGHT = 1e-3", "RIGHT = -1e-3"),
        ("ROUNDS = 4", "ROUNDS = 4.0"),
        ("ROUNDS = 4", "ROUNDS = 16"),
        ('"""Three', 'A = 3  # tune: int 1 4\n"""Three'),
        ("tune: int 1 16", "tune: int 1 17"),
        ("tune: int 1 16", "nothing"),
    ]:
        text = program.replace(old, new)
        assert text != program
        assert books.place(text) == Books("plan").place(text)
    assert books.place(program.replace("LEFT = 0.2", "LEFT = 0.75")).study == first.study
    assert books.place(program.replace("LEFT = 0.2", "LEFT = 2.5")).study != first.study
    assert books.place("this is not a program # tune: int 1 2").study == ""
