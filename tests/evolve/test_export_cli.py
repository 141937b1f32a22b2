"""Taking a candidate of ``eplb`` away as files, from an archive with one seed in it."""

from __future__ import annotations

import json
import os
import shutil
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


# Runs pytest in a process that finds nothing of ours, wherever it is installed.
ALONE = """
import sys

class Refuse:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in {"evolve", "reports", "db", "evaluators", "sandbox", "seeds"}:
            raise ImportError(f"{name} is not here")

sys.meta_path.insert(0, Refuse)
import pytest
sys.exit(pytest.main(sys.argv[1:]))
"""


def run_alone(folder: Path, *arguments: str, interpret: bool = False) -> subprocess.CompletedProcess[str]:
    """Run an exported test without a GPU, and without what is ours."""
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    environment.pop("TRITON_INTERPRET", None)
    if interpret:
        environment["TRITON_INTERPRET"] = "1"
    return subprocess.run(
        [sys.executable, "-I", "-c", ALONE, "-q", "-rs", "-p", "no:cacheprovider", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )


def operator_of(tmp_path: Path, problem: str) -> Path:
    """The folder of a kernel that is exported as an operator."""
    keep(tmp_path, problem, SEEDS / problem / "decent.py")
    done = evolve(tmp_path, "export", "best", "--as", "torch-op")
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "exports" / "r-0000-torch-op"
    assert {Path(line).name for line in done.stdout.split()} == {path.name for path in folder.iterdir()}
    return folder


def needs_triton(least: tuple[int, int]) -> None:
    """Skip where torch is missing or Triton is missing or older."""
    pytest.importorskip("torch", reason="kernels need the extra 'kernels'")
    triton = pytest.importorskip("triton", reason="kernels need the extra 'kernels'")
    if tuple(map(int, triton.__version__.split(".")[:2])) < least:
        pytest.skip(f"needs Triton {least[0]}.{least[1]} or newer, here is {triton.__version__}")


@pytest.mark.slow
@pytest.mark.parametrize("problem", ["topk_gating", "moe_combine"])
def test_a_kernel_exported_as_an_operator_passes_its_own_test(tmp_path: Path, problem: str) -> None:
    needs_triton((3, 9))
    folder = operator_of(tmp_path, problem)
    tested = run_alone(folder, f"test_{problem}_policy_operator.py", interpret=True)
    assert tested.returncode == 0, tested.stdout
    assert "1 skipped" in tested.stdout, tested.stdout  # a CUDA graph
    readme = (folder / "README.md").read_text()
    assert f"from {problem}_policy_operator import {problem}" in readme
    assert "pip install 'torch>=2.6' triton pytest" in readme
    provenance = json.loads((folder / "provenance.json").read_text())
    assert provenance["operator"]["name"] == f"{problem}_policy::{problem}"


@pytest.mark.slow
def test_an_operator_without_gpu_and_interpreter_is_checked_as_far_as_that_goes(tmp_path: Path) -> None:
    needs_triton((3, 6))
    folder = operator_of(tmp_path, "topk_gating")
    tested = run_alone(folder, "test_topk_gating_policy_operator.py")
    assert tested.returncode == 0, tested.stdout
    assert "or TRITON_INTERPRET=1 and Triton 3.9 or newer" in tested.stdout
    assert "7 passed" in tested.stdout
    # A fake kernel that promises another type than plain PyTorch gives, and a program that is wrong.
    for name, right, wrong in (
        ("topk_gating_policy_operator.py", "(shape, dtype=torch.int32)", "(shape, dtype=torch.int64)"),
        ("topk_gating_policy.py", "score, mask=wanted", "score * 1.01, mask=wanted"),
    ):
        text = (folder / name).read_text()
        assert text.count(right) == 1
        (folder / name).write_text(text.replace(right, wrong))
    tested = run_alone(folder, "test_topk_gating_policy_operator.py", "-k", "fake_results or values", interpret=True)
    assert "10 failed, 1 passed" in tested.stdout, tested.stdout  # of no tokens even a wrong program is right
    timed = subprocess.run(
        [sys.executable, "benchmark_operator.py"],
        cwd=folder,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert timed.returncode == 1
    assert timed.stderr.strip() == "benchmark_operator.py needs a CUDA GPU: torch sees none"


def test_no_operator_is_made_of_what_is_no_kernel(folder: Path) -> None:
    done = evolve(folder, "export", "best", "--as", "torch-op")
    assert done.returncode == 2
    assert "problem eplb asks for no Triton kernel" in done.stderr
    assert "hint: evolve export 0 writes it as a module" in done.stderr
    assert not (folder / "exports").exists()


def test_a_kernel_problem_without_operator_texts_is_one_clear_error(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    shutil.copytree(SEEDS / "topk_gating", mine / "seeds")
    (mine / "problem.py").write_text(OWN_KERNEL_PROBLEM)
    (mine / "seeds" / "export" / "operator_cases.py").unlink()
    keep(tmp_path, "./mine", SEEDS / "topk_gating" / "decent.py")
    done = evolve(tmp_path, "export", "best", "--as", "torch-op")
    assert done.returncode == 2
    assert f"has no {mine / 'seeds' / 'export' / 'operator_cases.py'}\n" in done.stderr
    assert "operator.py and no" not in done.stderr
    assert f"hint: write the operator as {SEEDS / 'topk_gating' / 'export'} does" in done.stderr
    assert evolve(tmp_path, "export", "best").returncode == 0


OWN_KERNEL_PROBLEM = """
from dataclasses import replace
from pathlib import Path

from evaluators.kernels.problem import KernelProblem
from evaluators.kernels.suites.topk_gating import FACTS
from evaluators.kernels.tasks.topk_gating import TopkGating

FOLDER = Path(__file__).resolve().parent / "seeds"


class Mine(KernelProblem):
    folder = FOLDER


def make_problem(workload):
    return Mine(replace(FACTS, folder=FOLDER, origin=str(FOLDER.parent)), TopkGating())
"""


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
