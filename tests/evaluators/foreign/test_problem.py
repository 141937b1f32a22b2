"""Own small tasks in OpenEvolve's form, well and badly behaved, in the real sandbox."""

import pytest

from evaluators.foreign.claim import CLAIM
from evaluators.model import EvaluatorError, Outcome, Split
from reports.evaluation import evaluation_json, headline

# What the evaluator does is for the candidate to say, so that one sandbox serves all.
OBEDIENT = """
import importlib.util
import os
import subprocess
import sys
import tempfile
import time

import numpy as np

from helper import twice
from openevolve.evaluation_result import EvaluationResult

SECRET = "of the evaluator"


def evaluate(program_path):
    spec = importlib.util.spec_from_file_location("program", program_path)
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    return program.run(sys.modules[__name__], program_path)


def rich():
    return EvaluationResult(
        metrics={"combined_score": np.float32(0.25), "size": twice(2), "ok": True, "bad": float("nan")},
        artifacts={"stderr": "watch the corners", "blob": b"bytes"},
    )


def started(program_path):
    with tempfile.NamedTemporaryFile(suffix=".py", delete=False) as script:
        script.write(b"import numpy, helper, openevolve.evaluation_result; print(helper.twice(numpy.int64(21)))")
    out = subprocess.run(["python", script.name], capture_output=True, text=True)
    assert out.returncode == 0, out.stderr
    return {"combined_score": int(out.stdout)}
"""
START = '''
"""Asks for a plain result."""
# EVOLVE-BLOCK-START
def run(evaluator, path):
    return {"combined_score": 0.5}
# EVOLVE-BLOCK-END
FROZEN = 1
'''


def doing(body):
    """The candidate with this in its region."""
    lines = "".join(f"    {line}\n" for line in body.split("\n"))
    head, tail = START.split("    return {", 1)[0], START[START.index("# EVOLVE-BLOCK-END") :]
    return head + lines + tail


@pytest.fixture
def obedient(make_task, evaluate):
    folder = make_task(
        evaluator=OBEDIENT,
        program=START,
        config="evaluator: {timeout: 12, memory_limit_mb: 1500}",
        helper__py="def twice(x):\n    return 2 * x\n",
    )
    return lambda body: evaluate(folder, doing(body))


def test_results_artifacts_and_programs_that_it_starts(obedient):
    plain = obedient('return {"combined_score": 0.75, "other": 2}')
    assert (plain.outcome, plain.score) == (Outcome.OK, 75.0)
    assert plain.host["claim"] == CLAIM
    assert plain.metrics["task_score"] == 0.75
    assert plain.metrics["other"] == 2.0
    rich = obedient("print('hello')\nreturn evaluator.rich()")
    assert rich.score == pytest.approx(25.0)
    assert (rich.metrics["size"], "bad" in rich.metrics) == (4.0, False)
    assert rich.log.startswith("hello\n")
    for text in ("[stderr] watch the corners", "[blob] bytes", "[bad] is nan"):
        assert text in rich.log
    assert obedient("return evaluator.started(path)").score == 4200.0


def test_every_account_of_it_says_whose_score_it_is(obedient):
    evaluation = obedient('return {"combined_score": 0.75}')
    assert CLAIM in headline(evaluation)
    value = evaluation_json(evaluation, ())
    assert value["reported_by"] == "task"
    assert value["workloads"][0]["ceiling"] is None


def test_what_fails_is_an_outcome_with_its_reason(obedient):
    cases = {
        "raise ValueError('no luck')": (Outcome.CRASHED, "no luck"),
        "return {'combined_score': float('nan')}": (Outcome.WRONG, "combined_score is nan"),
        "return {'note': 'none'}": (Outcome.WRONG, "no number to score by"),
        "return 3.0": (Outcome.WRONG, "returned a float"),
        "return {'combined_score': 9, 'error': 'not legal'}": (Outcome.WRONG, "not legal"),
        "while True:\n    pass": (Outcome.TIMEOUT, "no reply within 12 s"),
        "evaluator.os.kill(evaluator.os.getpid(), 9)": (Outcome.CRASHED, "SIGKILL"),
        "evaluator.os._exit(0)": (Outcome.CRASHED, "exit status 0"),
        "return {'combined_score': len(bytearray(1 << 31))}": (Outcome.OUT_OF_MEMORY, "MemoryError"),
    }
    for body, (outcome, reason) in cases.items():
        found = obedient(body)
        assert found.outcome is outcome, (body, found.reason)
        assert reason in found.reason, body
        assert found.score is None
    assert obedient('return {"combined_score": 1}').score == 100.0


def test_what_decides_is_not_lost_among_many_figures(obedient):
    many = "{f'case{n}': 0.1 for n in range(80)}"
    assert obedient(f"return {{**{many}, 'combined_score': 0.9}}").score == pytest.approx(90.0)
    assert "not legal" in obedient(f"return {{**{many}, 'combined_score': 0.9, 'error': 'not legal'}}").reason
    refused = obedient(f"return {many}")
    assert (refused.outcome, refused.score) == (Outcome.CRASHED, None)
    assert "80 metrics without combined_score" in refused.reason


def test_what_is_true_counts_one(obedient):
    assert obedient("return {'speed': 3.0, 'right': True}").score == pytest.approx(200.0)


def test_nothing_is_written_outside_nobody_is_called_and_nobody_is_left(obedient, tmp_path):
    evaluation = obedient(f"""
import os, socket, sys
tried = {{}}
def attempt(name, act):
    try:
        act()
        tried[name] = 1
    except OSError:
        tried[name] = 0
attempt("written", lambda: open({str(tmp_path / "left")!r}, "w"))
attempt("listed", lambda: os.listdir({str(tmp_path)!r}))
attempt("passwords", lambda: open("/etc/shadow"))
attempt("connected", lambda: socket.create_connection(("127.0.0.1", 9), 1))
attempt("scratch", lambda: open("here", "w"))
attempt("shell", lambda: evaluator.subprocess.run(["/bin/sh", "-c", "true"], check=True))
attempt("interpreter", lambda: evaluator.subprocess.run([sys.executable, "-c", "pass"], check=True))
if os.fork() == 0:
    os.setsid()
    while True:
        pass
return {{"combined_score": 1, **tried}}""")
    assert evaluation.outcome is Outcome.OK, evaluation.reason
    for name in ("written", "listed", "passwords", "connected", "shell"):
        assert evaluation.metrics[name] == 0.0, name
    for name in ("scratch", "interpreter"):
        assert evaluation.metrics[name] == 1.0, name
    assert not (tmp_path / "left").exists()


def test_one_evaluation_leaves_nothing_to_the_next(obedient):
    look = 'import os\nfound = int(os.path.exists("mark"))\nopen("mark", "w").close()\nreturn {"combined_score": found}'
    assert [obedient(look).score, obedient(look).score] == [0.0, 0.0]


def test_a_score_that_the_candidate_forges_is_taken_and_marked(obedient):
    """Nothing prevents it where the evaluator runs the candidate in its own process: so the mark."""
    forged = obedient('import sys\nsys.modules["evaluation_module"].SECRET = path\nreturn {"combined_score": 1e9}')
    assert forged.score == 1e11
    assert CLAIM in headline(forged)
    patched = obedient(
        "import sys\n"
        "driver = sys.modules['candidate']\n"
        "driver.run = lambda stage: {'kind': 'result', 'metrics': 7, 'artifacts': []}\n"
        "driver._figure = lambda value: ('number', 'all')\n"
        "return {'combined_score': 1}"
    )
    assert (patched.outcome, patched.score) == (Outcome.CHEATED, None)


def test_an_edit_outside_the_region_is_refused_before_it_runs(make_task, evaluate):
    folder = make_task(program=START, evaluator="def evaluate(path):\n    return {'combined_score': 1}\n")
    assert evaluate(folder).outcome is Outcome.OK
    outside = evaluate(folder, START.replace("FROZEN = 1", "FROZEN = 2"))
    assert outside.outcome is Outcome.REJECTED
    assert "outside the marked regions" in outside.reason
    assert evaluate(folder, START.replace("# EVOLVE-BLOCK-END\n", "")).outcome is Outcome.REJECTED


CASCADE = """
import pathlib

def value(path):
    return float(pathlib.Path(path).read_text().partition("SCORE = ")[2].split()[0])

def evaluate(path):
    raise RuntimeError("stages come first")

def evaluate_stage1(path):
    return {"combined_score": value(path), "first": 1}

def evaluate_stage2(path):
    if value(path) > 5:
        raise RuntimeError("stage two broke")
    return {"combined_score": value(path) + 1, "second": 2}

def evaluate_stage3(path):
    return {"combined_score": value(path) + 2}
"""


def test_stages_run_as_far_as_their_thresholds_allow(make_task, evaluate):
    folder = make_task(
        evaluator=CASCADE, program="SCORE = 0.1\n", config="evaluator: {timeout: 20, cascade_thresholds: [0.5, 2.0]}"
    )
    low, middle, high = (evaluate(folder, f"SCORE = {score}\n") for score in (0.2, 0.7, 1.5))
    assert [low.score, middle.score, high.score] == pytest.approx([20.0, 170.0, 350.0])
    assert [each.metrics["stages"] for each in (low, middle, high)] == [1.0, 2.0, 3.0]
    assert (middle.metrics["first"], middle.metrics["second"]) == (1.0, 2.0)
    # OpenEvolve keeps the first stage's score here, so that failing on purpose would pay.
    broken = evaluate(folder, "SCORE = 6.0\n")
    assert (broken.outcome, broken.score) == (Outcome.CRASHED, None)
    assert "evaluate_stage2: RuntimeError: stage two broke" in broken.reason


def test_stages_are_left_out_where_the_settings_say_so(make_task, evaluate):
    folder = make_task(evaluator=CASCADE, program="SCORE = 1\n", config="evaluator: {cascade_evaluation: false}")
    with pytest.raises(EvaluatorError, match="stages come first"):
        evaluate(folder)


def test_a_task_whose_initial_program_fails_is_told_before_the_search(make_task, evaluate):
    folder = make_task(evaluator="def evaluate(path):\n    return {'combined_score': 0.0, 'error': 'no data'}\n")
    with pytest.raises(EvaluatorError, match=r"the baseline .* fails \(wrong: the task reports an error: no data"):
        evaluate(folder)


def test_repeats_show_the_spread_of_a_score_that_varies(make_task, evaluate):
    folder = make_task(
        program="x = 1\n",
        config="evaluator: {cpu_limit: 2}",
        evaluator="import os\ndef evaluate(path):\n    return {'a': int.from_bytes(os.urandom(2), 'big') / 65536}\n",
    )
    once, thrice, final = (evaluate(folder, split=split) for split in Split)
    assert [each.n for each in (once, thrice, final)] == [1, 3, 5]
    assert thrice.stderr > 0
    assert final.low < final.score < final.high
