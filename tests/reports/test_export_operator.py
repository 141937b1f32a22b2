from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import seeds
from reports.export import Package, export_module
from reports.export_operator import NEEDS, OWN, SHARED, Operator, missing_texts, read_operator

PROBLEMS = sorted(path.parent.parent.name for path in seeds.ROOT.glob("*/export/operator.py"))
each_problem = pytest.mark.parametrize("problem", PROBLEMS)


def operator(problem: str) -> Operator:
    return read_operator(seeds.ROOT / problem, "some_policy", problem)


@pytest.fixture
def package(metrics: Any) -> Package:
    return Package(
        name="some_policy",
        title="a kernel",
        entry="topk_gating",
        usage="from some_policy import topk_gating",
        scale="0 = decent, 100 = floor",
        metrics=metrics,
        needs=(NEEDS, "triton"),
        test_source="",
        benchmark_source="",
    )


def test_the_first_two_kernel_problems_have_operators() -> None:
    assert {"topk_gating", "moe_combine"} <= set(PROBLEMS)


@each_problem
def test_every_text_names_the_exported_module_and_nothing_of_ours(problem: str) -> None:
    made = operator(problem)
    assert made.name == f"some_policy::{problem}"
    assert set(made.files) == {
        "some_policy_operator.py",
        "some_policy_cases.py",
        "test_some_policy_operator.py",
        "benchmark_operator.py",
    }
    assert f'custom_op("{made.name}", mutates_args=())' in made.files[made.file]
    for name, text in made.files.items():
        compile(text, name, "exec")
        assert "MODULE" not in text
        for ours in ("evaluators", "import evolve", "import seeds", "import reports"):
            assert ours not in text


# A program that is right and cuts both results from one buffer, which an operator must not; it needs no kernel.
ONE_BUFFER = """
import torch


def topk_gating(logits, k):
    weights, ids = torch.topk(torch.softmax(logits.float(), dim=1), k, dim=1)
    both = torch.empty((2, *ids.shape), dtype=torch.int32)
    both[0], both[1] = weights.view(torch.int32), ids
    return both[0].view(torch.float32), both[1]
"""
CHECK = """
import torch
from some_policy_cases import OPERATOR, SMALL, arguments, check

given = arguments(*SMALL[2], "cpu")
print(torch.library.opcheck(OPERATOR, (), given))
check(given, OPERATOR(**given))
"""


def test_results_in_one_buffer_are_parted(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="kernels need the extra 'kernels'")
    for name, text in {**operator("topk_gating").files, "some_policy.py": ONE_BUFFER, "check.py": CHECK}.items():
        (tmp_path / name).write_text(text)
    command = [sys.executable, "check.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=200)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("SUCCESS") == 4


def test_what_a_folder_lacks_is_named(tmp_path: Path) -> None:
    (tmp_path / "export").mkdir()
    assert [path.name for path in missing_texts(tmp_path)] == list(OWN)
    (tmp_path / "export" / OWN[0]).write_text("")
    assert missing_texts(tmp_path) == [tmp_path / "export" / OWN[1]]
    (tmp_path / "export" / OWN[1]).write_text("")
    assert missing_texts(tmp_path) == []
    assert all((SHARED / name).is_file() for name in ("operator_test.py", "operator_benchmark.py"))


def test_an_operator_is_the_module_export_and_more(small: Any, package: Package, tmp_path: Path) -> None:
    made = operator("topk_gating")
    plain = export_module(small.archive, small.run, 4, package, tmp_path / "plain")
    more = export_module(small.archive, small.run, 4, replace(package, operator=made), tmp_path / "more")
    assert {path.name for path in more} == {path.name for path in plain} | set(made.files)
    assert more[-1].name == "provenance.json"
    for name, text in made.files.items():
        assert (tmp_path / "more" / name).read_text() == text
    value = json.loads((tmp_path / "more" / "provenance.json").read_text())
    assert value.pop("operator")["name"] == "some_policy::topk_gating"
    assert value == json.loads((tmp_path / "plain" / "provenance.json").read_text())
    readme = (tmp_path / "more" / "README.md").read_text()
    assert "pip install 'torch>=2.6' triton pytest" in readme
    assert "TRITON_INTERPRET=1 pytest test_some_policy_operator.py" in readme
    assert "operator" not in (tmp_path / "plain" / "README.md").read_text()
