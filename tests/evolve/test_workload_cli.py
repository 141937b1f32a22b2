"""``--workload`` and the listing of problems on the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from evolve.config import resolve


def evolve(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "COLUMNS": "220", "NO_COLOR": "1"}
    return subprocess.run(
        [sys.executable, "-m", "evolve", *arguments],
        capture_output=True, text=True, cwd=folder, env=environ, timeout=100, check=False,
    )  # fmt: skip


def test_a_workload_that_is_none_ends_in_one_clear_error(tmp_path: Path) -> None:
    done = evolve(tmp_path, "run", "eplb", "--workload", "onw", "--dry-run")
    assert done.returncode == 2
    assert "no workload 'onw', and no such file; did you mean 'own'?" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_default_is_the_problems_own_unless_somebody_says_another(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert resolve({}, {}, None, "eplb")["workload"] == "own"
    assert resolve({}, {}, None, "./eplb")["workload"] == "generated"
    assert resolve({"workload": "generated"}, {}, None, "eplb")["workload"] == "generated"
    assert resolve({}, {"EVOLVE_WORKLOAD": "t.npz"}, None, "eplb")["workload"] == "t.npz"


def test_problems_are_listed_by_family_with_what_is_known_of_them(tmp_path: Path) -> None:
    done = evolve(tmp_path, "problems")
    assert done.returncode == 0, done.stderr
    families = [line for line in done.stdout.splitlines() if line in {"Triton kernels", "expert parallelism"}]
    assert families == ["expert parallelism", "Triton kernels"]
    rows = json.loads(evolve(tmp_path, "problems", "--format", "json").stdout)
    known = {row["name"]: row for row in rows}
    for name in ("eplb", "moe_combine", "topk_gating"):
        assert known[name]["best_known"]
        assert known[name]["cost"]
        assert known[name]["here"] is None
    assert "13.4 ± 1.8 own" in done.stdout


def test_an_archive_that_was_asked_for_must_be_there(tmp_path: Path) -> None:
    done = evolve(tmp_path, "problems", "--db", "none.db")
    assert done.returncode == 1
    assert "none.db" in done.stderr
    (tmp_path / "evolve.db").write_text("not an archive")
    done = evolve(tmp_path, "problems")
    assert done.returncode == 0, done.stderr
    assert "archive evolve.db is not read" in done.stderr
