import textwrap
import time

import pytest

from evaluators.foreign.problem import load_foreign
from evaluators.judge import Judge
from evaluators.model import Split

PROGRAM = '''
"""Returns a number."""

import json


# EVOLVE-BLOCK-START
def answer():
    return 0.5
# EVOLVE-BLOCK-END


def describe():
    return json.dumps({"answer": answer()})
'''

EVALUATOR = """
import importlib.util


def evaluate(program_path):
    spec = importlib.util.spec_from_file_location("program", program_path)
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    return {"combined_score": program.answer(), "size": 3}
"""


@pytest.fixture
def make_task(tmp_path):
    """Writes a task's folder; returns its path."""

    def make(*, evaluator=EVALUATOR, program=PROGRAM, config=None, name="task", **files):
        folder = tmp_path / name
        folder.mkdir()
        texts = {"evaluator.py": evaluator, "initial_program.py": program, "config.yaml": config}
        for path, text in {**texts, **{key.replace("__", "."): text for key, text in files.items()}}.items():
            if text is not None:
                (folder / path).write_text(textwrap.dedent(text))
        return folder

    return make


@pytest.fixture
def evaluate():
    """Judges programs on one block of a task; a judge is kept for every folder."""
    judges = {}

    def judge_of(folder):
        if folder not in judges:
            problem = load_foreign(f"openevolve:{folder}", "generated")
            judge = Judge(problem, secret=bytes(32), clock=time.perf_counter)
            judges[folder] = (judge, problem)
        return judges[folder]

    def evaluate(folder, source=None, split=Split.TRAIN):
        judge, problem = judge_of(folder)
        return judge.evaluate(source or problem.seeds[0].source, judge.block(split, 0))

    yield evaluate
    for judge, _ in judges.values():
        judge.close()
