import pytest

from evaluators.foreign import loading
from evaluators.foreign.loading import read_task
from evaluators.foreign.problem import folder_of, load_foreign
from evaluators.problem import ProblemError
from evaluators.registry import load_problem, settled_name

BARE = "def evaluate(path):\n    return {}\n"


def test_a_folder_is_a_problem_whose_score_is_a_claim(make_task):
    folder = make_task(config="prompt: {system_message: Make it larger.}")
    problem = load_problem(f"openevolve:{folder}")
    facts = problem.declaration
    assert facts.name == "openevolve:task"
    assert facts.claim == "score reported by the task, not by our judge"
    assert [seed.name for seed in problem.seeds] == ["initial_program"]
    assert facts.template == problem.seeds[0].source
    assert facts.entry == "answer"
    assert "Make it larger." in problem.statement
    assert "spec_from_file_location" in problem.statement


def test_the_digest_is_that_of_all_files(make_task):
    folder = make_task(data__json="[1]")
    before = load_problem(f"openevolve:{folder}").digest
    assert load_problem(f"openevolve:{folder}").digest == before
    (folder / "data.json").write_text("[2]")
    assert load_problem(f"openevolve:{folder}").digest != before


def test_a_name_means_the_same_everywhere(make_task, monkeypatch):
    folder = make_task()
    monkeypatch.chdir(folder)
    assert settled_name("openevolve:.") == f"openevolve:{folder}"
    assert settled_name("openevolve:a/../.") == f"openevolve:{folder}"
    assert settled_name(f"openevolve:{folder}") == f"openevolve:{folder}"
    assert settled_name("kernelbench:gelu.py") == f"kernelbench:{folder}/gelu.py"
    assert settled_name("eplb") == "eplb"
    assert settled_name("./mine") == f"{folder}/mine"
    assert folder_of(f"/elsewhere/openevolve:{folder}") == folder


def test_a_number_is_no_name(make_task, tmp_path):
    make_task(name="11")
    assert read_task(tmp_path / "11").name == f"{tmp_path.name}-11"


def test_several_functions_that_the_evaluator_names_are_no_entry(make_task):
    folder = make_task(evaluator=BARE + "# answer, describe\n")
    assert read_task(folder).entry == ""


def test_the_evaluator_may_lie_in_a_folder_of_its_own(make_task):
    folder = make_task(evaluator=None)
    (folder / "evaluator").mkdir()
    (folder / "evaluator" / "evaluator.py").write_text("from helper import evaluate\n")
    (folder / "evaluator" / "helper.py").write_text("def evaluate(path):\n    return {}\n")
    task = read_task(folder)
    assert (task.evaluator, dict(task.imports.missing)) == ("evaluator/evaluator.py", {})


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"evaluator": None}, "has no evaluator.py"),
        ({"program": None}, "has no initial_program.py"),
        ({"program": None, "initial_program__cpp": "int x;"}, "starts from initial_program.cpp, and only tasks whose"),
        ({"program": None, "initial_prompt__txt": "Say"}, "starts from initial_prompt.txt, and only tasks whose"),
        ({"evaluator": "def evaluate(:"}, "is no Python"),
        ({"evaluator": "def score(path): return {}"}, "defines no function evaluate"),
        ({"program": "# EVOLVE-BLOCK-START\nx = 1\n"}, "bad template"),
        ({"evaluator": BARE + "import nowhere_at_all\n"}, "'nowhere_at_all' (imported by evaluator.py)"),
        ({"evaluator": "from own import evaluate", "own__py": "import nowhere_at_all"}, "(imported by own.py)"),
    ],
)
def test_what_cannot_be_run_is_said_at_once(make_task, files, reason):
    folder = make_task(**files)
    with pytest.raises(ProblemError) as caught:
        load_foreign(f"openevolve:{folder}", "generated")
    assert reason in str(caught.value)


def test_imports_that_may_never_happen_are_not_required(make_task):
    folder = make_task(
        evaluator=BARE
        + """
try:
    import nowhere_one
except ImportError:
    nowhere_one = None
from openevolve.evaluation_result import EvaluationResult
import scipy.optimize as optimise
from numpy import linalg
if __name__ == "__main__":
    import nowhere_two
def draw():
    import nowhere_three
"""
    )
    found = read_task(folder).imports
    assert dict(found.missing) == {}
    assert found.modules == ("numpy", "scipy.optimize")


def test_no_folder_and_no_other_workload(make_task):
    with pytest.raises(ProblemError, match="no folder at"):
        load_problem("openevolve:/nowhere")
    with pytest.raises(ProblemError, match="has its own workloads"):
        load_problem(f"openevolve:{make_task()}", "own")


def test_what_earlier_runs_left_is_no_part_of_a_task(make_task, monkeypatch):
    folder = make_task(data__txt="x" * 100)
    (folder / "openevolve_output").mkdir()
    (folder / "openevolve_output" / "large").write_text("x" * 10_000)
    (folder / ".hidden").write_text("x")
    assert sorted(read_task(folder).files) == ["data.txt", "evaluator.py", "initial_program.py"]
    monkeypatch.setattr(loading, "MOST_BYTES", 100)
    with pytest.raises(ProblemError, match="written anew"):
        read_task(folder)


def test_what_lies_beside_is_not_loaded_ahead(make_task, tmp_path, monkeypatch):
    """What is loaded ahead runs before the sandbox closes: installed packages alone, and no programs of theirs."""
    (tmp_path / "toolkit.py").write_text("raise SystemExit('it was run')\n")
    monkeypatch.syspath_prepend(tmp_path)
    folder = make_task(
        evaluator="def evaluate(path):\n    import toolkit, numpy.f2py.__main__, numpy.linalg\n    return {}\n"
    )
    assert read_task(folder).imports.modules == ("numpy", "numpy.linalg")
    with pytest.raises(ProblemError, match="'toolkit'"):
        read_task(make_task(name="b", evaluator="import toolkit\n" + BARE))
    assert read_task(make_task(name="c", evaluator="import __main__\n" + BARE)).imports.missing == {}


@pytest.mark.parametrize(
    ("program", "entry"),
    [
        ("def answer():\n    return 1\n", "answer"),
        ("TABLE = [1]\n\n\ndef answer():\n    return 1\n", ""),
        ("class Solver:\n    pass\n\n\ndef answer():\n    return 1\n", ""),
        ("class Solver:\n    pass\n\n\ndef unnamed():\n    return 1\n", ""),
    ],
)
def test_an_entry_is_all_that_the_task_names_of_a_program(make_task, program, entry):
    """Else changes of the rest would count as none, and operators would clear it away."""
    folder = make_task(evaluator=BARE + "# answer\n", program=program, helper__py="# Solver, TABLE\n")
    assert read_task(folder).entry == entry


def test_links_are_no_part_of_a_task(make_task):
    folder = make_task()
    (folder / "config_x.yaml").symlink_to("/dev/zero")
    assert read_task(folder).config_file == ""
    (folder / "evaluator.py").rename(folder / "other.txt")
    (folder / "evaluator.py").symlink_to(folder / "other.txt")
    with pytest.raises(ProblemError, match=r"has no evaluator\.py"):
        read_task(folder)


def test_what_is_shown_of_a_folder_is_printable(make_task):
    folder = make_task(name="odd\x1b[31m", program='"""Circles \x1b]0;owned\x07"""\n\n\ndef answer():\n    return 1\n')
    problem = load_problem(f"openevolve:{folder}")
    shown = [problem.declaration.name, problem.declaration.title, problem.seeds[0].summary]
    assert all(text.isprintable() for text in shown), shown
