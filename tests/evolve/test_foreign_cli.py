"""A task of another tool through the command line: run, and every place where its score is shown, marked."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import pytest

from db.archive import Archive
from evaluators.foreign.claim import CLAIM, MARK
from evolve.cli.app import main
from evolve.cli.watching import leaders_of
from reports.live import Progress, heartbeat_line, live_view
from reports.text import plain_text, scale_text

PROGRAM = '''"""A number to be made larger."""

import math


# EVOLVE-BLOCK-START
def answer():
    low = 0.1
    high = 0.35
    return math.sqrt(low * high) + 0.25
# EVOLVE-BLOCK-END
'''
EVALUATOR = """
import importlib.util
from openevolve.evaluation_result import EvaluationResult

def evaluate(path):
    spec = importlib.util.spec_from_file_location("program", path)
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    return EvaluationResult(metrics={"combined_score": program.answer()}, artifacts={"advice": "raise both"})
"""


class Ended(NamedTuple):
    exit_code: int
    output: str


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of a small task."""
    folder = tmp_path_factory.mktemp("foreign")
    task = folder / "numbers"
    task.mkdir()
    (task / "initial_program.py").write_text(PROGRAM)
    (task / "evaluator.py").write_text(EVALUATOR)
    ran = call(
        folder, "run", f"openevolve:{task}", "--evaluations", "6", "--pool", "serial", "--seed", "3", "--name", "r"
    )
    assert ran.exit_code == 0, ran.output
    (folder / "log").write_text(ran.output)
    return folder


def call(folder: Path, *words: str) -> Ended:
    """Run a command in this process, which is quicker."""
    db = () if words[0] in {"score", "audit"} else ("--db", str(folder / "evolve.db"))
    said = io.StringIO()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("EVOLVE_", "OPENAI_"))}
    with (
        mock.patch.dict(os.environ, {**environment, "COLUMNS": "160"}, clear=True),
        mock.patch.object(sys, "argv", ["evolve", *words, *db]),
        contextlib.redirect_stdout(said),
        contextlib.redirect_stderr(said),
        pytest.raises(SystemExit) as end,
    ):
        main()
    assert isinstance(end.value.code, int)
    return Ended(end.value.code, said.getvalue())


def test_the_run_says_whose_score_it_is_and_measures_the_seed_first(folder: Path) -> None:
    lines = (folder / "log").read_text().splitlines()
    best = [line for line in lines if "new best" in line]
    assert "#0000" in best[0]
    assert all(CLAIM in line for line in best)
    (last,) = [line for line in lines if "evaluated:" in line]
    assert CLAIM in last
    assert "baseline" not in last
    assert any(f"{CLAIM}: 'hidden' is the same evaluation again" in line for line in lines)
    assert any(MARK in line and "#0000" in line for line in lines)


@pytest.mark.parametrize(
    ("arguments", "mark"),
    [
        (("leaderboard",), CLAIM),
        (("leaderboard",), MARK),
        (("leaderboard", "--format", "csv"), MARK),
        (("leaderboard", "--format", "markdown"), MARK),
        (("leaderboard", "--format", "json"), '"reported_by": "task"'),
        (("show", "best"), CLAIM),
        (("show", "best", "--format", "json"), '"reported_by": "task"'),
        (("lineage", "best"), CLAIM),
        (("lineage", "best", "--format", "json"), '"reported_by": "task"'),
        (("runs",), "task"),
        (("runs", "--format", "json"), '"reported_by": "task"'),
        (("runs", "--format", "csv"), "task"),
    ],
)
def test_every_account_is_marked(folder: Path, arguments: tuple[str, ...], mark: str) -> None:
    found = call(folder, *arguments)
    assert found.exit_code == 0, found.output
    assert mark in found.output


def test_the_live_view_is_marked_and_has_no_gauge(folder: Path) -> None:
    with Archive.open(str(folder / "evolve.db")) as archive:
        run = archive.run("r")
        leaders = leaders_of(archive, run)
        progress = Progress(
            elapsed_seconds=1.0,
            budget_seconds=9.0,
            budget_evaluations=None,
            evaluations_done=6,
            evaluations_per_second=1.0,
            in_flight=0,
            phase="search",
            workers=1,
        )
        view = live_view(run, leaders, progress, scale=scale_text("initial_program", "a score of 1", CLAIM))
        text = plain_text(view, 120)
        beat = heartbeat_line(run, archive.standing(run.id, run.best or 0), progress)
    assert text.count(CLAIM) == 2
    assert "100 reference" not in text
    assert CLAIM in beat


def test_a_candidate_shows_what_the_evaluator_said(folder: Path) -> None:
    assert "[advice] raise both" in call(folder, "show", "0").output


def test_an_export_is_marked_and_its_test_passes(folder: Path) -> None:
    target = folder / "out"
    found = call(folder, "export", "best", "-o", str(target))
    assert found.exit_code == 0, found.output
    assert json.loads((target / "provenance.json").read_text())["reported_by"] == "task"
    module = target / "openevolve_numbers_policy.py"
    assert CLAIM in (target / "README.md").read_text()
    assert CLAIM in module.read_text().splitlines()[2]
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", str(target)], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout


def test_scoring_one_program(folder: Path) -> None:
    found = call(folder, "score", f"openevolve:{folder / 'numbers'}", str(folder / "numbers" / "initial_program.py"))
    assert found.exit_code == 0, found.output
    assert CLAIM in found.output


def test_there_is_nothing_to_audit(folder: Path) -> None:
    found = call(folder, "audit", f"openevolve:{folder / 'numbers'}")
    assert found.exit_code == 2
    assert "no judge of ours to attack" in found.output
