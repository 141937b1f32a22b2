"""The seeds of fused experts: right in the interpreter at edges and at the ends of their marks, compiled for sm_90."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest

from evaluators.kernels.forms import Call, Form
from evaluators.kernels.screen import screen_kernel
from evolve.proposers.tuner.marks import faults, read_marks
from seeds import ROOT, read_export, read_seeds, read_statement

NAMES = ("moe_decode", "moe_prefill")
PARAMETERS = ("x", "w13", "w2", "weights", "ids")
SOURCES = {(name, seed.name): seed.source for name in NAMES for seed in read_seeds(ROOT / name)}
QWEN3, MIXTRAL = (8, 128, 2048, 768), (2, 8, 4096, 1792)
LAUNCHES = {
    ("moe_decode", "decent"): {(1, *QWEN3): 2, (64, *QWEN3): 3, (67, 1, 1, 64, 128): 3, (37, 4, 60, 320, 192): 3},
    ("moe_prefill", "decent"): {(4096, *MIXTRAL): 5, (67, 1, 1, 64, 128): 5, (37, 4, 60, 320, 192): 5},
    ("moe_prefill", "persistent"): {(4096, *MIXTRAL): 5, (37, 4, 60, 320, 192): 5},
}
"""How many launches a call makes, of real layers and of the odd ones that every block checks."""
GREATEST_ERROR = 1e-5
"""Of the whole, relative, between float64 and sums of float32."""

# Tokens, k, experts, hidden, inner: none, one, as many experts as a token has, one expert, no multiples of 128.
EDGES = [(0, 2, 4, 64, 64), (1, 2, 5, 128, 64), (3, 4, 4, 192, 64), (19, 1, 1, 64, 128), (6, 3, 5, 64, 192)]
# For ends of marks: many tokens an expert, so that it takes more than one block, and few.
STRETCHES = [(2, 2, 6, 128, 128), (75, 1, 2, 64, 128)]
ENDS: dict[tuple[str, str], list[dict[str, int]]] = {
    ("moe_decode", "decent"): [
        {"FEW": 4, "FEW_UP_ROWS": 1, "FEW_UP_COLUMNS": 512, "FEW_DOWN_ROWS": 8, "FEW_DOWN_COLUMNS": 256},
        {"FEW": 0, "SPREAD": 1, "UP_ROWS": 16, "DOWN_ROWS": 32, "BUSY_UP_ROWS": 128, "BUSY_DOWN_ROWS": 256},
        {"FEW": 0, "SPREAD": 4, "UP_ROWS": 64, "DOWN_ROWS": 128, "BUSY_UP_ROWS": 32, "SUM_COLUMNS": 128},
    ],
    ("moe_prefill", "decent"): [
        {"MANY": 16, "ROWS": 64, "UP_COLUMNS": 32, "UP_STEP": 32, "UP_GROUP": 1, "PROGRAMS": 66, "TILE": 32},
        {"MANY": 512, "FEW_ROWS": 16, "FEW_UP_COLUMNS": 128, "FEW_DOWN_COLUMNS": 256, "UP_GROUP": 16, "TILE": 128},
    ],
    ("moe_prefill", "persistent"): [
        {"PERSISTENT": 264, "MANY": 16, "UP_COLUMNS": 32, "DOWN_COLUMNS": 64, "UP_STEP": 32}
    ],
}

needs_triton = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None or importlib.util.find_spec("triton") is None,
    reason="needs torch and triton: pip install 'evolve-adrs[kernels]'",
)
each_problem = pytest.mark.parametrize("problem", NAMES)
each_seed = pytest.mark.parametrize(("problem", "name"), list(SOURCES))


def call(tokens: int, k: int, experts: int, hidden: int, inner: int) -> Call:
    """The call of both problems."""
    x = Form(dtype="bfloat16", shape=(tokens, hidden))
    return Call(
        name=f"{tokens} {hidden}",
        tensors={
            "x": x,
            "w13": Form(dtype="bfloat16", shape=(experts, 2 * inner, hidden)),
            "w2": Form(dtype="bfloat16", shape=(experts, hidden, inner)),
            "weights": Form(dtype="float32", shape=(tokens, k)),
            "ids": Form(dtype="int32", shape=(tokens, k)),
        },
        outputs=(x,),
    )


def draw(size: tuple[int, int, int, int, int]) -> dict[str, np.ndarray[Any, Any]]:
    """Contents; the low half of every number that stands for a bfloat16 is 0. Low experts are wanted more."""
    tokens, k, experts, hidden, inner = size
    random = np.random.default_rng(sum(size))

    def normal(*shape: int) -> np.ndarray[Any, Any]:
        drawn = random.standard_normal(shape, dtype=np.float32) / np.float32(shape[-1] ** 0.5)
        return (drawn.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)

    wanted = random.random((tokens, experts)) + 0.3 * np.arange(experts)
    return {
        "x": normal(tokens, hidden) * np.float32(32),
        "w13": normal(experts, 2 * inner, hidden),
        "w2": normal(experts, hidden, inner),
        "weights": random.standard_normal((tokens, k), dtype=np.float32),
        "ids": np.argsort(wanted, axis=1)[:, :k].astype(np.int32),
    }


def plain(contents: Mapping[str, np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
    """One expert of one token after the other, in float64."""
    x, w13, w2 = (contents[name].astype(np.float64) for name in ("x", "w13", "w2"))
    y = np.zeros_like(x)
    for token, row in enumerate(contents["ids"]):
        for place, expert in enumerate(row):
            gate, up = np.split(w13[expert] @ x[token], 2)
            y[token] += contents["weights"][token, place] * (w2[expert] @ (gate / (1 + np.exp(-gate)) * up))
    return y


def retuned(source: str, **constants: int) -> str:
    """The program with other values at its marks."""
    lines = source.splitlines()
    for name, value in constants.items():
        (at,) = [number for number, line in enumerate(lines) if line.startswith(f"{name} = ")]
        lines[at] = f"{name} = {value}"
    return "\n".join(lines) + "\n"


def error_of(interpreter: Any, source: str, entry: str, size: tuple[int, int, int, int, int]) -> float:
    """Error of the whole, relative; the interpreter refuses reads and writes outside of tensors."""
    contents, asked = draw(size), call(*size)
    (y,) = interpreter.run(source, entry, asked, contents, 60.0)
    assert y.shape == contents["x"].shape
    right = plain(contents)
    return float(np.linalg.norm(y - right) / max(float(np.linalg.norm(right)), 1e-30))


@pytest.fixture(scope="module")
def interpreter() -> Iterator[Any]:
    """The interpreter, in its sandbox."""
    from evaluators.kernels.interpreting import Interpreter

    with Interpreter() as made:
        yield made


@each_problem
def test_there_are_seeds_and_the_statement_shows_the_call(problem: str) -> None:
    assert {name for of, name in SOURCES if of == problem} >= {"decent", "naive"}
    assert f"def {problem}({', '.join(PARAMETERS)}):" in read_statement(ROOT / problem)


@each_seed
def test_a_seed_names_its_source_and_passes_the_screen(problem: str, name: str) -> None:
    tree = ast.parse(SOURCES[problem, name])
    docstring = ast.get_docstring(tree) or ""
    assert docstring.partition("\n")[0].endswith(".")
    assert "Source: ours" in docstring
    assert screen_kernel(tree, entry=problem) is None


@each_seed
def test_marks_are_well_formed_and_reached(problem: str, name: str) -> None:
    source = SOURCES[problem, name]
    assert faults(source) == []
    assert read_marks(source, problem) == read_marks(source) != ()


@needs_triton
@each_seed
def test_seeds_are_right_at_the_edges_in_the_interpreter(problem: str, name: str, interpreter: Any) -> None:
    for size in EDGES:
        assert error_of(interpreter, SOURCES[problem, name], problem, size) < GREATEST_ERROR, size


@needs_triton
@pytest.mark.parametrize(("problem", "name"), list(ENDS))
def test_seeds_are_right_at_the_ends_of_their_marks(problem: str, name: str, interpreter: Any) -> None:
    for constants in ENDS[problem, name]:
        changed = retuned(SOURCES[problem, name], **constants)
        for size in STRETCHES:
            assert error_of(interpreter, changed, problem, size) < GREATEST_ERROR, (constants, size)


@needs_triton
def test_a_program_that_leaves_out_an_expert_is_found(interpreter: Any) -> None:
    spoiled = SOURCES["moe_decode", "decent"].replace("for j in tl.static_range(K)", "for j in tl.static_range(K - 1)")
    for size in ((1, 2, 5, 128, 64), (3, 4, 4, 192, 64)):
        assert error_of(interpreter, spoiled, "moe_decode", size) > 0.01


@needs_triton
def test_seeds_compile_for_sm_90_without_spills() -> None:
    from evaluators.kernels.recording import Recorder

    with Recorder(architecture=90) as recorder:
        for (problem, name), sizes in LAUNCHES.items():
            calls = [call(*size) for size in sizes]
            recording = recorder.record(SOURCES[problem, name], problem, calls)
            counts = [len(recording.plans[asked.name].launches) for asked in calls]
            assert counts == list(sizes.values()), (problem, name)
            assert all(kernel.local_bytes == 0 for kernel in recording.kernels), (problem, name)
            assert all(kernel.registers <= 248 for kernel in recording.kernels), (problem, name)


@each_problem
def test_export_texts_name_the_module(problem: str) -> None:
    texts = read_export(ROOT / problem, "tuned")
    for text in (texts.usage, texts.test, texts.benchmark):
        assert "MODULE" not in text
        assert f"from tuned import {problem}" in text
        ast.parse(text)
