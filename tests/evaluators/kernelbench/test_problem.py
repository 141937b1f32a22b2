"""KernelBench files as problems: found by their prefix, tried on the CPU tier with a seed and without one."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("triton", minversion="3.9", reason="Triton's interpreter works from 3.9 on")

from evaluators.judge import Judge
from evaluators.kernels.arena import CpuArena
from evaluators.kernels.interpreting import Interpreter, check_on_cpu
from evaluators.kernels.kernelbench.problem import KernelBenchProblem, file_of, small_part
from evaluators.kernels.kernelbench.task import KernelBenchTask
from evaluators.model import Evaluation, Outcome, Split
from evaluators.problem import ProblemError, RefusedError
from evaluators.registry import load_problem
from sandbox import Sandbox

GELU = '''
"""GELU by the error function."""
import torch
import triton
import triton.language as tl


@triton.jit
def gelu(x_ptr, y_ptr, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(x_ptr + at, mask=at < n)
    tl.store(y_ptr + at, 0.5 * x * (1.0 + tl.erf(x * 0.7071067811865476)), mask=at < n)


def forward(x):
    y = torch.empty_like(x)
    gelu[(triton.cdiv(x.numel(), 256),)](x, y, x.numel(), BLOCK=256)
    return y
'''


@pytest.fixture(scope="module")
def gelu(files: Path, reading: Sandbox) -> KernelBenchProblem:
    return KernelBenchProblem(files / "gelu.py", reading)


@pytest.fixture(scope="module")
def evaluate(gelu: KernelBenchProblem) -> Iterator[Callable[[str], Evaluation]]:
    judge = Judge(gelu, secret=bytes(32), clock=time.perf_counter, arena=CpuArena)
    block = judge.block(Split.TRAIN, 0, first=1)
    yield lambda source: judge.evaluate(source, block)
    judge.close()


def test_without_a_seed_a_proposer_s_program_is_tried_on_the_cpu(
    gelu: KernelBenchProblem, evaluate: Callable[[str], Evaluation]
) -> None:
    assert gelu.seeds == ()
    verdict = evaluate(GELU)
    assert verdict.outcome is Outcome.CORRECT, verdict.reason
    assert verdict.score is None
    assert "speed" in verdict.reason


@pytest.mark.parametrize(
    ("old", "new", "outcome", "told"),
    [
        ("at < n)\n\n", "at < n - 1)\n\n", Outcome.WRONG, "nan|inf|right is"),
        ("0.7071067811865476", "0.70710", Outcome.WRONG, "items are wrong"),
        ("1.0 + tl.erf(x * 0.7071067811865476)", "1.0 + 0.0", Outcome.WRONG, "items are wrong"),
        ("    return y", "    return torch.nn.functional.gelu(x)", Outcome.REJECTED, "torch"),
    ],
)
def test_mistakes_and_the_library_are_refused(
    old: str, new: str, outcome: Outcome, told: str, evaluate: Callable[[str], Evaluation]
) -> None:
    assert old in GELU
    verdict = evaluate(GELU.replace(old, new))
    assert verdict.outcome is outcome, verdict.reason
    assert re.search(told, verdict.reason), verdict.reason


def test_the_statement_shows_the_call_the_laws_and_the_file(gelu: KernelBenchProblem, files: Path) -> None:
    assert "forward(x)" in gelu.statement
    assert "float32[4096, 3072]" in gelu.statement
    assert (files / "gelu.py").read_text().rstrip() in gelu.statement
    assert "not defined" in gelu.statement
    assert gelu.declaration.parameters == ("x",)


def test_a_path_made_absolute_around_the_prefix_is_the_same_file(gelu: KernelBenchProblem, files: Path) -> None:
    """As runs keep a problem that is named by its path."""
    assert file_of(f"{files}/kernelbench:gelu.py") == files / "gelu.py"
    assert file_of(f"/elsewhere/kernelbench:{files}/gelu.py") == files / "gelu.py"
    assert file_of("kernelbench:gelu.py") == Path("gelu.py")
    found = load_problem(gelu.origin)
    assert isinstance(found, KernelBenchProblem)
    assert (found.digest, found.origin) == (gelu.digest, f"kernelbench:{files / 'gelu.py'}")


def test_the_digest_moves_with_its_seed(
    files: Path, tmp_path: Path, gelu: KernelBenchProblem, reading: Sandbox
) -> None:
    shutil.copy(files / "gelu.py", tmp_path)
    (tmp_path / "gelu.seed.py").write_text(GELU)
    seeded = KernelBenchProblem(tmp_path / "gelu.py", reading)
    assert [seed.name for seed in seeded.seeds] == [seeded.declaration.baseline] == ["gelu.seed.py"]
    assert seeded.digest != gelu.digest


def test_no_file_other_workloads_and_unreadable_files_are_refused_with_a_hint(
    files: Path, tmp_path: Path, reading: Sandbox
) -> None:
    with pytest.raises(ProblemError, match="no KernelBench file at"):
        load_problem("kernelbench:nowhere.py")
    with pytest.raises(ProblemError, match="hint"):
        load_problem(f"kernelbench:{files / 'gelu.py'}", "elsewhere.npz")
    (tmp_path / "sorted.py").write_text((files / "gelu.py").read_text().replace("self.activation(x)", "x.argsort()"))
    with pytest.raises(ProblemError, match=r"sorted\.py is not judged: .*argsort|sort.*\nhint"):
        KernelBenchProblem(tmp_path / "sorted.py", reading)


def test_seeds_beside_files_are_right_on_all_small_calls(
    files: Path, task_of: Callable[[str], KernelBenchTask]
) -> None:
    with Interpreter() as interpreter:
        for name in ("softmax", "matmul_transposed"):
            task, source = task_of(name), (files / f"{name}.seed.py").read_text()
            workload = small_part(task.workloads(Split.TRAIN, bytes(32))[0])
            check_on_cpu(task, workload, interpreter, source, "forward")
        wrong = source.replace("range(0, inner, TILE)", "range(0, inner - TILE, TILE)")
        with pytest.raises(RefusedError):
            check_on_cpu(task, workload, interpreter, wrong, "forward")
