"""The kernel problem that docs/kernel_problems.md walks through, used as a user would, without a GPU."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pytest

torch: Any = pytest.importorskip("torch")
pytest.importorskip("triton", minversion="3.9", reason="Triton's interpreter works from 3.9 on")

from evaluators.kernels.problem import KernelProblem  # noqa: E402 - torch and Triton may be missing
from evaluators.model import Split  # noqa: E402
from evaluators.problem import ProblemError  # noqa: E402
from evaluators.registry import load_problem  # noqa: E402
from seeds import read_export  # noqa: E402

EXAMPLE = Path(__file__).parents[2] / "docs" / "my_kernel"
NOTHING: frozenset[str] = frozenset()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(EXAMPLE, tmp_path / "my_kernel")
    return tmp_path


@pytest.fixture(scope="module")
def problem() -> KernelProblem:
    return cast(KernelProblem, load_problem(str(EXAMPLE)))


def evolve(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "evolve", *arguments, "--device", "cpu"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240, check=False)


def test_a_program_is_tried_by_the_path_of_the_folder(folder: Path) -> None:
    done = evolve(folder, "score", "./my_kernel", "my_kernel/seeds/naive.py")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "correct" in done.stdout
    assert "registers" in done.stdout


def test_it_is_audited_by_the_same_command(folder: Path) -> None:
    done = evolve(folder, "audit", "./my_kernel", "--only", "checks", "--format", "json")
    assert done.returncode == 0, done.stdout + done.stderr
    text = json.dumps(json.loads(done.stdout))
    assert all(check in text for check in ("finite", "element", "overall"))


def test_every_check_stands_alone_against_something(problem: KernelProblem) -> None:
    task = problem.task
    case = task.audit_case(0)
    contents = task.contents(case, 0, "cpu")
    truth = task.truth(case, contents)
    honest = task.columns()["eager"](case, contents)
    assert task.fault(case, contents, truth, honest, NOTHING) is None
    assert tuple(task.spoils()) == task.checks
    for name, spoil in task.spoils().items():
        outputs = spoil([output.clone() for output in honest], contents, torch.Generator().manual_seed(0))
        fault = task.fault(case, contents, truth, outputs, NOTHING)
        assert fault is not None, name
        assert fault.check == name
        assert task.fault(case, contents, truth, outputs, frozenset({name})) is None


def test_arithmetic_in_bfloat16_and_halves_that_are_swapped_are_refused(problem: KernelProblem) -> None:
    task = problem.task
    case = task.audit_case(1)
    contents = task.contents(case, 0, "cpu")
    gate, up = contents["gate_up"].chunk(2, dim=1)
    truth = task.truth(case, contents)
    for output in (gate * torch.sigmoid(gate) * up, up * torch.sigmoid(up) * gate, torch.zeros_like(gate)):
        assert task.fault(case, contents, truth, (output.bfloat16(),), NOTHING) is not None


def test_hidden_shapes_are_others_and_sizes_are_drawn(problem: KernelProblem) -> None:
    def widths(split: Split) -> set[int]:
        return {workload.timed.call.outputs[0].shape[1] for workload in problem.workloads(split, bytes(32))}

    assert not widths(Split.HIDDEN) & widths(Split.TRAIN)
    names = [[one.name for one in problem.workloads(Split.TRAIN, bytes([seed]) * 32)] for seed in (0, 0, 1)]
    assert names[0] == names[1] != names[2]


def test_the_folder_is_found_again_by_other_processes(problem: KernelProblem) -> None:
    assert load_problem(problem.origin).digest == problem.digest
    with pytest.raises(ProblemError, match="hint"):
        load_problem(str(EXAMPLE), "elsewhere.npz")


def test_what_goes_beside_an_exported_kernel_is_python(problem: KernelProblem) -> None:
    texts = read_export(problem.folder, "my_swiglu")
    for text in (texts.test, texts.benchmark, texts.usage):
        compile(text, "<export>", "exec")
        assert "from my_swiglu import swiglu" in text
