from __future__ import annotations

import ast
import base64
import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evaluators.model import Outcome
from reports.export import ExportError, Package, export_module, without_secrets, write_folder

NAMES = {"eplb_policy.py", "test_eplb_policy.py", "benchmark.py", "README.md", "provenance.json"}
TEST_SOURCE = """import eplb_policy


def test_plan():
    assert eplb_policy.plan() == 4
"""


@pytest.fixture
def package(metrics: Any) -> Package:
    return Package(
        name="eplb_policy",
        title="Places the replicas of experts",
        entry="plan",
        usage="from eplb_policy import plan\nplan()",
        scale="0 = deepseek, 100 = next window",
        metrics=metrics,
        needs=("numpy", "scipy"),
        test_source=TEST_SOURCE,
        benchmark_source="import eplb_policy\n\nprint(eplb_policy.plan())\n",
        reproduce=("evolve score eplb eplb_policy.py",),
    )


def run_python(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *arguments]
    environment = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)


def leftovers(folder: Path) -> list[str]:
    """Temporary folders that an export left beside its target."""
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]


def test_the_folder_stands_alone(small: Any, package: Package, tmp_path: Path) -> None:
    target = tmp_path / "deep" / "out"
    written = export_module(small.archive, small.run, 4, package, target)
    assert {path.name for path in written} == NAMES == {path.name for path in target.iterdir()}
    assert leftovers(target.parent) == []
    tested = run_python(target, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    assert tested.returncode == 0, tested.stdout + tested.stderr
    timed = run_python(target, "benchmark.py")
    assert timed.stdout == "4\n"


def test_the_program_is_unchanged_below_its_header(small: Any, package: Package, tmp_path: Path) -> None:
    source = '"""Doc."""\n\nfrom __future__ import annotations\r\n\nX = "ü"  \n'
    number = small.add([1.0, 2.0], source=source, operator="op\nimport os  # \x1b[31m")
    export_module(small.archive, small.run, number, package, tmp_path / "out")
    data = (tmp_path / "out" / "eplb_policy.py").read_bytes()
    assert data.endswith(source.encode())
    header = data.removesuffix(source.encode()).decode()
    assert all(line.startswith("# ") and line.isprintable() for line in header.splitlines()[:-1])
    assert ast.get_docstring(ast.parse(data)) == "Doc."
    assert f"Candidate #{number:04d} of run quiet-otter" in header
    assert "train 1.5 ± " in header


def test_provenance(small: Any, package: Package, tmp_path: Path) -> None:
    export_module(small.archive, small.run, 4, package, tmp_path / "out")
    value = json.loads((tmp_path / "out" / "provenance.json").read_text())
    assert value["problem"] == "eplb"
    assert value["workload_digest"] == "d1" * 32
    assert value["scores"]["train"]["score"] == 61.0
    assert value["scores"]["hidden"]["low"] < 52.0 < value["scores"]["hidden"]["high"]
    assert [step["operator"] for step in value["lineage"]] == [
        "crossover:forecast",
        "mutate:constant",
        "deepseek",
    ]
    assert value["seeds"] == ["deepseek", "contiguous"]
    assert value["host"] == {"machine": "test host", "python": "3.11"}
    assert value["run"]["config"] == {"seed": 7, "time_seconds": 180.0, "tokens": 5}
    assert value["reproduce"] == ["evolve score eplb eplb_policy.py"]
    assert len(value["evaluations"]) == 3
    assert value["metrics"]["runtime"] == {"value": 12.5, "unit": "ms"}


def test_the_readme_has_the_figures(small: Any, package: Package, tmp_path: Path) -> None:
    export_module(small.archive, small.run, 4, package, tmp_path / "out")
    text = (tmp_path / "out" / "README.md").read_text()
    assert "pip install numpy scipy pytest" in text
    assert "| hidden | 52.0 ± 2.8 | 3 |" in text
    assert "runtime 12.5 ms" in text
    assert "from eplb_policy import plan" in text
    assert "evolve score eplb eplb_policy.py" in text
    assert "- #0002 mutate:constant: forecast the next window" in text


def test_no_secret_leaves(new_run: Any, package: Package, secret: bytes, tmp_path: Path) -> None:
    built = new_run(
        api_key="sk-12345678",
        secret_file="/home/me/secret",
        db="postgresql://me:hunter2@host/x",
        llm={"token": "t0k"},
    )
    built.add([1.0, 2.0])
    export_module(built.archive, built.run, 0, package, tmp_path / "out")
    everything = b"".join(path.read_bytes() for path in (tmp_path / "out").iterdir())
    for word in (secret, secret.hex().encode(), base64.b64encode(secret), str(list(secret)).encode()):
        assert word not in everything
    for text in (b"sk-12345678", b"/home/me/secret", b"hunter2", b"t0k"):
        assert text not in everything
    assert b"postgresql://(withheld)@host/x" in everything


def test_what_counts_as_a_secret() -> None:
    config = {
        "tokens": 5,
        "max_tokens": 9,
        "token": "a",
        "apiKey": "b",
        "nested": [{"PASSWORD": "c"}],
        "none_token": None,
    }
    assert without_secrets(config) == {
        "tokens": 5,
        "max_tokens": 9,
        "token": "(withheld)",
        "apiKey": "(withheld)",
        "nested": [{"PASSWORD": "(withheld)"}],
        "none_token": None,
    }


def test_a_failed_candidate_can_be_exported(small: Any, package: Package, tmp_path: Path) -> None:
    export_module(small.archive, small.run, 3, package, tmp_path / "out")
    assert "not measured" in (tmp_path / "out" / "eplb_policy.py").read_text()
    value = json.loads((tmp_path / "out" / "provenance.json").read_text())
    assert value["evaluations"][0]["outcome"] == Outcome.WRONG


@pytest.mark.parametrize("name", ["", "a b", "../x", "class"])
def test_a_name_that_is_no_module_is_refused(small: Any, package: Package, tmp_path: Path, name: str) -> None:
    with pytest.raises(ExportError, match="not a Python name"):
        export_module(small.archive, small.run, 4, replace(package, name=name), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_in_use_is_refused_and_untouched(tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.mkdir()
    (target / "mine.txt").write_text("mine")
    with pytest.raises(ExportError, match=r"out: the folder is not empty; .*--force"):
        write_folder({"a.py": "new"}, target)
    assert [path.name for path in target.iterdir()] == ["mine.txt"]
    assert leftovers(tmp_path) == []


def test_force_replaces_our_files_and_keeps_others(tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.mkdir()
    (target / "mine.txt").write_text("mine")
    (target / "a.py").write_text("old")
    written = write_folder({"a.py": "new", "b.py": "two"}, target, force=True)
    assert written == [target / "a.py", target / "b.py"]
    assert {path.name: path.read_text() for path in target.iterdir()} == {
        "mine.txt": "mine",
        "a.py": "new",
        "b.py": "two",
    }
    assert leftovers(tmp_path) == []


def test_an_empty_folder_and_a_link_to_it_are_fine(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert write_folder({"a.py": "x"}, tmp_path / "link") == [tmp_path / "real" / "a.py"]
    assert (tmp_path / "link").is_symlink()


def test_a_file_in_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(ExportError, match=r"out: it is not a folder; choose another with -o"):
        write_folder({"a.py": "x"}, tmp_path / "out", force=True)
    with pytest.raises(ExportError, match=r"cannot export to .*out/deeper: .*-o"):
        write_folder({"a.py": "x"}, tmp_path / "out" / "deeper")
    assert (tmp_path / "out").read_text() == "a file"


def test_an_unwritable_place_is_an_error_with_a_hint() -> None:
    with pytest.raises(ExportError, match=r"cannot export to /proc/evolve-export: .*; choose .* -o"):
        write_folder({"a.py": "x"}, Path("/proc/evolve-export"))


def test_a_folder_in_place_of_a_file_is_an_error(tmp_path: Path) -> None:
    target = tmp_path / "out"
    (target / "a.py").mkdir(parents=True)
    with pytest.raises(ExportError, match="cannot export to"):
        write_folder({"a.py": "x"}, target, force=True)
    assert leftovers(tmp_path) == []


@contextmanager
def tiny_files() -> Iterator[None]:
    """Lets no file grow beyond 100 bytes, which fails a write half-way as a full disk does.

    For as short as possible: the limit holds for this whole process, the test runner's own output included.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("occupied", [False, True])
def test_a_write_that_fails_half_way_leaves_nothing_behind(tmp_path: Path, occupied: bool) -> None:
    target = tmp_path / "out"
    if occupied:
        target.mkdir()
        (target / "a.py").write_text("old")
    with tiny_files(), pytest.raises(ExportError, match=r"cannot export to .*out: File too large"):
        write_folder({"a.py": "new", "b.py": "y" * 5000}, target, force=True)
    assert [path.read_text() for path in tmp_path.rglob("*.py")] == (["old"] if occupied else [])
    assert leftovers(tmp_path) == []
    assert target.exists() == occupied
