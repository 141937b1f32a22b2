"""The seeds of the kernel problems: plain modules, right in the interpreter, compiled for sm_90 without spills."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from evaluators.kernels.screen import screen_kernel
from evaluators.kernels.tasks.moe_combine import MoeCombine
from evaluators.kernels.tasks.topk_gating import TopkGating
from evolve.proposers.tuner.marks import faults, read_marks
from seeds import ROOT, read_export, read_seeds, read_statement

TASKS: dict[str, TopkGating | MoeCombine] = {task.name: task for task in (TopkGating(), MoeCombine())}
SOURCES = {(name, seed.name): seed.source for name in TASKS for seed in read_seeds(ROOT / name)}
EDGES = {
    "topk_gating": [(0, 64, 6), (1, 128, 8), (5, 60, 4), (3, 8, 8), (37, 8, 2), (2, 512, 10), (5, 256, 8), (3, 1, 1)],
    "moe_combine": [(0, 2048, 8), (1, 4096, 2), (3, 2896, 5), (9, 80, 1), (2, 1024, 8)],
}
INTERPRETED = """
import importlib.util, json, sys
from evaluators.kernels.task import Case
from evaluators.kernels.tasks import moe_combine, topk_gating

problem, shapes, *paths = sys.argv[1:]
module, task = {"topk_gating": (topk_gating, topk_gating.TopkGating()),
                "moe_combine": (moe_combine, moe_combine.MoeCombine())}[problem]
for path in paths:
    spec = importlib.util.spec_from_file_location("seed", path)
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    for number, shape in enumerate(json.loads(shapes)):
        for law in module.LAWS[number % 3 :: 3]:
            case = Case(call=task.call(*shape, "float32"), law=law, seed=number)
            contents = task.contents(case, 0, "cpu")
            outputs = getattr(program, task.entry)(**contents, **case.call.scalars)
            outputs = outputs if isinstance(outputs, tuple) else (outputs,)
            for output, form in zip(outputs, case.call.outputs, strict=True):
                assert (tuple(output.shape), str(output.dtype)) == (form.shape, f"torch.{form.dtype}"), (path, case)
            assert task.fault(case, contents, task.truth(case, contents), outputs, frozenset()) is None, (path, case)
print("right")
"""


def interpret(problem: str, shapes: list[tuple[int, int, int]], *paths: Path) -> None:
    """Hold programs to what is right in a process of its own: the interpreter is chosen before Triton is imported."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", INTERPRETED, problem, json.dumps(shapes), *map(str, paths)],
        env={**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.stdout.strip() == "right", done.stderr[-2000:]


needs_triton = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None or importlib.util.find_spec("triton") is None,
    reason="needs torch and triton: pip install 'evolve-adrs[kernels]'",
)
each_problem = pytest.mark.parametrize("problem", list(TASKS))
each_seed = pytest.mark.parametrize(("problem", "name"), list(SOURCES))


@each_problem
def test_every_problem_has_a_decent_and_a_naive_seed(problem: str) -> None:
    assert {name for of, name in SOURCES if of == problem} >= {"decent", "naive"}
    task = TASKS[problem]
    assert f"def {task.entry}({', '.join(task.parameters)}):" in read_statement(ROOT / problem)


@each_seed
def test_a_seed_names_its_source_and_imports_only_what_is_allowed(problem: str, name: str) -> None:
    tree = ast.parse(SOURCES[problem, name])
    docstring = ast.get_docstring(tree) or ""
    assert docstring.partition("\n")[0].endswith(".")
    assert "Source: ours" in docstring
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert imported == {"torch", "triton", "triton.language"}
    assert screen_kernel(tree, entry=TASKS[problem].entry) is None


@each_seed
def test_marks_are_well_formed_and_reached(problem: str, name: str) -> None:
    source = SOURCES[problem, name]
    assert faults(source) == []
    assert read_marks(source, TASKS[problem].entry) == read_marks(source) != ()


@needs_triton
@each_problem
def test_seeds_are_right_at_the_edges_in_the_interpreter(problem: str) -> None:
    interpret(problem, EDGES[problem], *(ROOT / problem / f"{name}.py" for of, name in SOURCES if of == problem))


def retuned(source: str, **constants: int) -> str:
    """The program with other values at its marks."""
    lines = source.splitlines()
    for name, value in constants.items():
        (at,) = [number for number, line in enumerate(lines) if line.startswith(f"{name} = ")]
        lines[at] = f"{name} = {value}"
    return "\n".join(lines) + "\n"


@needs_triton
def test_gating_is_right_at_the_ends_of_its_marks(tmp_path: Path) -> None:
    paths = []
    for prefix, few in (("", 0), ("FEW_", 1 << 20)):
        for items, warps in ((4, 8), (32, 1)):
            constants = {f"{prefix}ITEMS": items, f"{prefix}WARPS": warps, "FEW": few}
            paths.append(tmp_path / f"{prefix}{items}_{warps}.py")
            paths[-1].write_text(retuned(SOURCES["topk_gating", "decent"], **constants))
    interpret("topk_gating", [(9, 60, 4), (70, 8, 2)], *paths)


@needs_triton
def test_decent_seeds_compile_for_sm_90_without_spills() -> None:
    from evaluators.kernels.recording import Recorder

    shapes = {"topk_gating": (32768, 128, 8), "moe_combine": (4096, 4096, 8)}
    with Recorder(architecture=90) as recorder:
        for problem, task in TASKS.items():
            call = task.call(*shapes[problem])
            recording = recorder.record(SOURCES[problem, "decent"], task.entry, [call])
            (kernel,) = recording.kernels
            assert kernel.local_bytes == 0
            assert kernel.registers <= 64
            assert len(recording.plans[call.name].launches) == 1


@each_problem
def test_export_texts_name_the_module(problem: str) -> None:
    texts = read_export(ROOT / problem, "tuned")
    for text in (texts.usage, texts.test, texts.benchmark):
        assert "MODULE" not in text
        assert f"from tuned import {TASKS[problem].entry}" in text
        ast.parse(text)


@pytest.mark.gpu
@needs_triton
@each_seed
def test_an_exported_seed_passes_its_own_test(problem: str, name: str, tmp_path: Path) -> None:
    torch: Any = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA GPU: torch sees none")
    texts = read_export(ROOT / problem, "seed")
    (tmp_path / "seed.py").write_text(SOURCES[problem, name])
    (tmp_path / "test_seed.py").write_text(texts.test)
    (tmp_path / "benchmark.py").write_text(texts.benchmark)
    (tmp_path / "usage.py").write_text(texts.usage)
    for command in (["-m", "pytest", "-q", "test_seed.py"], ["usage.py"], ["benchmark.py"]):
        subprocess.run([sys.executable, *command], cwd=tmp_path, check=True, timeout=300)
