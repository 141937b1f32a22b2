"""The problem that docs/problems.md walks through, used as a user would."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from evaluators.judge import Judge
from evaluators.model import Outcome, Split
from evaluators.policy import PolicyProblem
from evaluators.problem import ProblemError
from evaluators.registry import load_problem

EXAMPLE = Path(__file__).parents[2] / "docs" / "my_problem"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(EXAMPLE, tmp_path / "my_problem")
    return tmp_path


def evolve(folder: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "evolve", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_its_seeds_are_ordered_as_their_guarantees_are() -> None:
    problem = load_problem(str(EXAMPLE))
    judge = Judge(problem, secret=bytes(32), clock=time.perf_counter)
    try:
        block = judge.block(Split.HIDDEN, 0)
        scores = {}
        for seed in problem.seeds:
            verdict = judge.evaluate(seed.source, block)
            assert verdict.outcome is Outcome.OK, verdict.reason
            scores[seed.name] = verdict.score
    finally:
        judge.close()
    assert scores["in_order"] == 0.0
    assert 50 < scores["longest_first"] < scores["swaps"] < 100


def test_splits_share_no_draw_and_hidden_has_shapes_of_its_own() -> None:
    problem = load_problem(str(EXAMPLE))
    drawn = {split: problem.workloads(split, bytes([n]) * 32) for n, split in enumerate(Split)}
    again = problem.workloads(Split.TRAIN, bytes(32))
    for first, second in zip(drawn[Split.TRAIN], again, strict=True):
        assert np.array_equal(first.seconds, second.seconds)
    shapes = {split: {(w.machines, w.seconds.shape) for w in workloads} for split, workloads in drawn.items()}
    assert shapes[Split.HIDDEN] - shapes[Split.TRAIN]


def test_other_workloads_are_refused_with_a_hint() -> None:
    with pytest.raises(ProblemError, match="hint"):
        load_problem(str(EXAMPLE), "elsewhere.npz")


def test_the_digest_moves_with_the_facts_and_with_the_baseline_alone(tmp_path: Path) -> None:
    problem = load_problem(str(EXAMPLE))
    assert isinstance(problem, PolicyProblem)
    kept = type(problem)(problem.declaration, problem.folder, {"rounds": 1})
    other = type(problem)(problem.declaration, problem.folder, {"rounds": 2})
    assert len({problem.digest, kept.digest, other.digest}) == 3
    shutil.copytree(problem.folder, tmp_path / "seeds")
    with (tmp_path / "seeds" / "longest_first.py").open("a") as file:
        file.write("\n")
    assert type(problem)(problem.declaration, tmp_path / "seeds", {"rounds": 1}).digest == kept.digest
    with (tmp_path / "seeds" / "in_order.py").open("a") as file:
        file.write("\n")
    assert type(problem)(problem.declaration, tmp_path / "seeds", {"rounds": 1}).digest != kept.digest


def test_it_is_searched_and_its_best_taken_away(folder: Path) -> None:
    flags = ("--evaluations", "25", "--pool", "serial", "--seed", "3")
    evolve(folder, "run", "./my_problem", *flags)
    assert "problem jobs" in evolve(folder, "leaderboard")
    evolve(folder, "export", "best", "--output", "out")
    assert "evolve score" in (folder / "out" / "README.md").read_text()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", ".", "."],
        cwd=folder / "out",
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": "."},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_is_audited_by_the_same_command(folder: Path) -> None:
    parts = [flag for part in ("bound", "relations", "lint", "corrupted", "checks") for flag in ("--only", part)]
    findings = json.loads(evolve(folder, "audit", "./my_problem", *parts, "--format", "json"))
    text = json.dumps(findings)
    assert "scale durations" in text
    assert "relabel machines" in text
