"""The seeds of `eplb_speed`: the published example, and laws on random shapes."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from seeds import ROOT, read_export, read_seeds, read_statement

FOLDER = ROOT / "eplb_speed"
SOURCES = {seed.name: seed.source for seed in read_seeds(FOLDER)}
ALLOWED_IMPORTS = {"numpy", "math", "heapq", "itertools", "functools", "collections"}
COMPONENTS = {
    "pack": ["weight", "num_packs"],
    "replicate": ["load", "num_slots"],
    "rebalance": ["load", "num_slots", "num_groups", "num_nodes", "num_gpus"],
}
every_seed = pytest.mark.parametrize("name", sorted(SOURCES))
quick = partial(settings, deadline=None, derandomize=True)


def load_program(source: str) -> dict[str, Any]:
    """Run a program's text in a fresh namespace, as a sandbox does."""
    namespace: dict[str, Any] = {"__name__": "candidate"}
    exec(compile(source, "candidate", "exec"), namespace)
    return namespace


def rebalance_of(name: str) -> Callable[..., NDArray[np.int32]]:
    rebalance: Callable[..., NDArray[np.int32]] = load_program(SOURCES[name])["rebalance"]
    return rebalance


def by_gpu(slots: Any, gpus: int) -> list[list[list[int]]]:
    """What each GPU holds, whatever the order."""
    return [[sorted(gpu) for gpu in layer.reshape(gpus, -1).tolist()] for layer in np.asarray(slots)]


def by_hand(load: list[float], num_slots: int, num_gpus: int) -> list[list[int]]:
    """The greedy plan of one layer without groups, GPU by GPU: README of EPLB, "Global Load Balancing"."""
    copies = [1] * len(load)
    experts = list(range(len(load)))
    for _ in range(num_slots - len(load)):
        hottest = max(range(len(load)), key=lambda e: (load[e] / copies[e], -e))
        copies[hottest] += 1
        experts.append(hottest)
    gpus: list[list[int]] = [[] for _ in range(num_gpus)]
    sums = [0.0] * num_gpus
    for expert in sorted(experts, key=lambda e: -load[e] / copies[e]):
        free = [g for g in range(num_gpus) if len(gpus[g]) < num_slots // num_gpus]
        lightest = min(free, key=lambda g: (sums[g], g))
        gpus[lightest].append(expert)
        sums[lightest] += load[expert] / copies[expert]
    return [sorted(gpu) for gpu in gpus]


def run_isolated(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)


@st.composite
def shapes(draw: st.DrawFn) -> dict[str, int]:
    num_nodes = draw(st.integers(1, 3))
    num_gpus = num_nodes * draw(st.integers(1, 4))
    num_slots = num_gpus * draw(st.integers(1, 6))
    num_groups = num_nodes * draw(st.integers(1, 3)) if draw(st.booleans()) else draw(st.integers(1, 4))
    most = num_slots // num_groups
    if most < 1:
        num_groups, most = 1, num_slots
    return {
        "layers": draw(st.integers(1, 4)),
        "experts": num_groups * draw(st.integers(max(1, most // 2), most)),
        "num_slots": num_slots,
        "num_groups": num_groups,
        "num_nodes": num_nodes,
        "num_gpus": num_gpus,
    }


def test_the_seeds_are_those_announced() -> None:
    assert set(SOURCES) == {"deepseek", "layer_heaps", "all_layers"}
    assert "def rebalance(load, num_slots, num_groups, num_nodes, num_gpus):" in read_statement(FOLDER)


@every_seed
def test_a_seed_names_its_source_and_imports_only_what_is_allowed(name: str) -> None:
    tree = ast.parse(SOURCES[name])
    docstring = ast.get_docstring(tree) or ""
    assert docstring.partition("\n")[0].endswith(".")
    assert "Source:" in docstring
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert imported <= ALLOWED_IMPORTS
    assert not any(isinstance(node, ast.ImportFrom) for node in ast.walk(tree))


@every_seed
def test_components_have_the_same_names_and_parameters_everywhere(name: str) -> None:
    functions = {node.name: node for node in ast.parse(SOURCES[name]).body if isinstance(node, ast.FunctionDef)}
    assert set(functions) == set(COMPONENTS)
    for component, parameters in COMPONENTS.items():
        assert [argument.arg for argument in functions[component].args.args] == parameters


@every_seed
def test_the_published_example_comes_out(name: str) -> None:
    # github.com/deepseek-ai/EPLB, README, "Interface and Example": 4 groups of 3 experts on 2 nodes.
    weight = [
        [90, 132, 40, 61, 104, 165, 39, 4, 73, 56, 183, 86],
        [20, 107, 104, 64, 19, 197, 187, 157, 172, 86, 16, 27],
    ]
    published = [
        [5, 6, 5, 7, 8, 4, 3, 4, 10, 9, 10, 2, 0, 1, 11, 1],
        [7, 10, 6, 8, 6, 11, 8, 9, 2, 4, 5, 1, 5, 0, 3, 1],
    ]
    load = np.array(weight, dtype=np.float32)
    slots = rebalance_of(name)(load=load, num_slots=16, num_groups=4, num_nodes=2, num_gpus=8)
    assert by_gpu(slots, 8) == by_gpu(published, 8)


@every_seed
def test_without_groups_it_is_the_global_policy(name: str) -> None:
    # Primes, so that no two copies weigh the same and no tie hides a difference.
    load = np.array([[97, 53, 89, 2, 31, 71, 11, 43], [5, 101, 7, 103, 13, 107, 17, 109]], dtype=np.float32)
    for groups, nodes in ((1, 2), (3, 2)):
        slots = rebalance_of(name)(load=load, num_slots=12, num_groups=groups, num_nodes=nodes, num_gpus=4)
        assert by_gpu(slots, 4) == [by_hand(layer, 12, 4) for layer in load.tolist()]


@every_seed
@quick(max_examples=40)
@given(shape=shapes(), seed=st.integers(0, 2**32 - 1), ties=st.booleans())
def test_plans_are_legal_and_equal_to_deepseeks(name: str, shape: dict[str, int], seed: int, ties: bool) -> None:
    rng = np.random.default_rng(seed)
    size = (shape["layers"], shape["experts"])
    load = (rng.integers(0, 4, size) if ties else rng.gamma(1.0, 500.0, size).round()).astype(np.float32)
    load.setflags(write=False)
    arguments = {key: value for key, value in shape.items() if key not in ("layers", "experts")}
    if shape["num_groups"] % shape["num_nodes"] == 0 and shape["experts"] > shape["num_slots"]:
        return
    slots = rebalance_of(name)(load=load, **arguments)
    assert isinstance(slots, np.ndarray)
    assert slots.dtype == np.int32
    assert slots.shape == (shape["layers"], shape["num_slots"])
    assert all(set(layer) == set(range(shape["experts"])) for layer in slots.tolist())
    assert np.array_equal(slots, rebalance_of("deepseek")(load=load, **arguments))


@pytest.mark.parametrize("component", ["pack", "replicate"])
@every_seed
def test_components_can_be_exchanged_between_seeds(name: str, component: str) -> None:
    load = np.random.default_rng(5).gamma(1.0, 500.0, (3, 24)).astype(np.float32)
    arguments = {"load": load, "num_slots": 32, "num_groups": 4, "num_nodes": 2, "num_gpus": 8}
    for donor in SOURCES:
        program = load_program(SOURCES[name])
        # In the donor's own namespace, as where its imports are grafted too.
        program[component] = load_program(SOURCES[donor])[component]
        assert np.array_equal(program["rebalance"](**arguments), rebalance_of("deepseek")(**arguments))


def test_export_texts_name_the_module() -> None:
    texts = read_export(FOLDER, "quick_planner")
    for text in (texts.usage, texts.test, texts.benchmark):
        assert "from quick_planner import rebalance" in text
        assert "MODULE" not in text


@every_seed
def test_an_exported_seed_passes_its_own_test_and_benchmark(name: str, tmp_path: Path) -> None:
    texts = read_export(FOLDER, "planner")
    (tmp_path / "planner.py").write_text(SOURCES[name])
    (tmp_path / "test_planner.py").write_text(texts.test)
    benchmark = texts.benchmark.replace("CALLS = 7", "CALLS = 1").replace("(60, 384, 416, 1, 2, 16)", "")
    (tmp_path / "benchmark.py").write_text(benchmark)
    usage = texts.usage.replace("58, 256", "2, 256")
    # Isolated from this project: nothing of it can be imported there, and pytest reads no configuration of ours.
    run = "import runpy, sys; sys.path.insert(0, '.'); "
    commands = [
        run + "import pytest; sys.exit(pytest.main(['-q', '-p', 'no:cacheprovider', 'test_planner.py']))",
        run + "runpy.run_path('benchmark.py', run_name='__main__')",
        run + f"exec({usage!r})",
    ]
    for command in commands:
        done = subprocess.run(
            [sys.executable, "-I", "-c", command],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout[-1500:] + done.stderr[-1500:]


def test_the_exported_test_refuses_zigzag_dealing(tmp_path: Path) -> None:
    """What the problem refuses, the test that travels with a winner refuses too."""
    dealt = """

def pack(weight, num_packs):
    order = np.argsort(-weight, axis=1, kind="stable").reshape(len(weight), -1, num_packs)
    order[:, 1::2] = order[:, 1::2, ::-1].copy()
    return order.transpose(0, 2, 1).reshape(len(weight), -1)
"""
    (tmp_path / "planner.py").write_text(SOURCES["all_layers"] + dealt)
    (tmp_path / "test_planner.py").write_text(read_export(FOLDER, "planner").test)
    done = run_isolated(["-m", "pytest", "-q", "-p", "no:cacheprovider", "-x", "test_planner.py"], tmp_path)
    assert done.returncode == 1
    assert "as_balanced_as_deepseeks" in done.stdout
