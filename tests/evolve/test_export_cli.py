"""Taking a candidate of ``eplb`` away as files, from an archive with one seed in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from db.archive import Archive
from db.records import NewCandidate, NewRun, Planned, Purpose
from evaluators.model import Evaluation, Outcome, Split, WorkloadResult

SEEDS = Path(__file__).parents[2] / "seeds"
SEED = SEEDS / "eplb" / "threshold.py"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    keep(tmp_path, "eplb", SEED)
    return tmp_path


def keep(tmp_path: Path, problem: str, seed: Path) -> None:
    """An archive with one seed of a problem in it."""
    with Archive.open(str(tmp_path / "evolve.db"), create=True) as archive:
        config = {"problem": problem, "workload": "generated"}
        run = archive.create_run(NewRun(name="r", problem=problem, digest="d", config=config, secret=b"s" * 32))
        candidate = NewCandidate(number=0, source=seed.read_text(), digest="x", proposer="seed", operator=seed.stem)
        key = archive.register(run.id, candidate, Planned(number=0, purpose=Purpose.SEARCH, split=Split.TRAIN, block=0))
        result = WorkloadResult(
            name="w",
            objective=0.92,
            baseline=0.9,
            reference=1.0,
            ceiling=1.0,
            share=20.0,
            stderr=1.0,
            metrics={"balance": 0.93, "moved": 20.0, "plan_ms": 3.0},
        )
        archive.record(
            key,
            Evaluation(
                problem=problem,
                split=Split.TRAIN,
                block=0,
                digest="d",
                outcome=Outcome.OK,
                score=20.0,
                stderr=1.0,
                low=18.0,
                high=22.0,
                workloads=(result,),
                metrics=result.metrics,
                host={"python": "3.11"},
            ),
        )
        archive.set_best(run.id, 0, Split.TRAIN)


def evolve(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "evolve", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)


def test_the_exported_module_stands_alone_and_passes_its_own_test(folder: Path) -> None:
    done = evolve(folder, "export", "best", "-o", "out")
    assert done.returncode == 0, done.stderr
    out = folder / "out"
    assert {Path(line).name for line in done.stdout.split()} == {path.name for path in out.iterdir()}
    isolated = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_eplb_policy.py"]
    tested = subprocess.run(isolated, cwd=out, capture_output=True, text=True, check=False, timeout=200)
    assert tested.returncode == 0, tested.stdout
    module = (out / "eplb_policy.py").read_text()
    assert SEED.read_text() in module
    assert "import evolve" not in module
    provenance = json.loads((out / "provenance.json").read_text())
    assert b"s".hex() * 32 not in json.dumps(provenance)
    assert "eplb_policy" in (out / "README.md").read_text()
    assert "MODULE" not in (out / "benchmark.py").read_text()


@pytest.mark.parametrize("problem", ["topk_gating", "moe_combine"])
def test_a_kernel_is_exported_with_what_it_takes_to_check_it(tmp_path: Path, problem: str) -> None:
    keep(tmp_path, problem, SEEDS / problem / "decent.py")
    done = evolve(tmp_path, "export", "best", "-o", "out")
    assert done.returncode == 0, done.stderr
    readme = (tmp_path / "out" / "README.md").read_text()
    assert "pip install torch triton pytest" in readme
    assert "-e '.[kernels]'" in readme
    for name in (f"test_{problem}_policy.py", "benchmark.py"):
        text = (tmp_path / "out" / name).read_text()
        assert f"from {problem}_policy import {problem}" in text
        compile(text, name, "exec")
    pytest.importorskip("torch", reason="kernels need the extra 'kernels'")
    # Without a GPU the test says why it checks nothing.
    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", f"test_{problem}_policy.py"],
        cwd=tmp_path / "out",
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert tested.returncode == 0, tested.stdout
    assert "needs a CUDA GPU" in tested.stdout


def test_an_existing_folder_is_left_alone_unless_forced(folder: Path) -> None:
    (folder / "out").mkdir()
    (folder / "out" / "mine.txt").write_text("keep me")
    done = evolve(folder, "export", "0", "-o", "out")
    assert done.returncode == 1
    assert "error: " in done.stderr
    assert "hint: " in done.stderr
    assert [path.name for path in (folder / "out").iterdir()] == ["mine.txt"]
    assert evolve(folder, "export", "0", "-o", "out", "--force").returncode == 0
    assert (folder / "out" / "mine.txt").read_text() == "keep me"


def test_a_folder_that_cannot_be_made_is_one_clear_error(folder: Path) -> None:
    done = evolve(folder, "export", "best", "-o", "/proc/nowhere/out")
    assert done.returncode == 1
    assert "/proc/nowhere" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("words", [["show", "best"], ["lineage", "0"], ["leaderboard"], ["runs"]])
def test_the_archive_can_be_looked_into(folder: Path, words: list[str]) -> None:
    done = evolve(folder, *words)
    assert done.returncode == 0, done.stderr
    assert "20.0" in done.stdout
