"""What a caller may hand to a sandbox's guests: variables, prepared modules, and programs to start."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from sandbox import ENFORCED, Ending, Execution, Layer, Limits, Sandbox
from sandbox.inside import paths

TRUE = shutil.which("true") or ""
RUNS = "import os, shutil, subprocess\ndef f(path): return subprocess.run([path]).returncode"
RUNS_COPY = """
import os, shutil, subprocess

def f(path):
    shutil.copy(path, "copy")
    os.chmod("copy", 0o755)
    return subprocess.run(["./copy"]).returncode
"""
FEW = Limits(processes=2)


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder of a package that guests can read, with two programs in it."""
    folder = tmp_path / "toolbox"
    folder.mkdir()
    (folder / "__init__.py").write_text("import os\nGREETING = os.environ.get('GREETING')\n")
    for name in ("wanted", "other"):
        shutil.copy(Path(TRUE).resolve(), folder / name)
    monkeypatch.syspath_prepend(str(tmp_path))
    return folder


def run(sandbox: Sandbox, source: str, limits: Limits = FEW, **arguments: str) -> Execution:
    with sandbox.open(source, "f", limits) as session:
        return session.call(arguments, timeout_seconds=20)


@pytest.mark.parametrize("leave_out", [frozenset(), frozenset({Layer.MOUNT_NAMESPACE})])
def test_a_guest_starts_the_named_programs_and_no_others(tools: Path, leave_out: frozenset[Layer]) -> None:
    programs = (str(tools / "wanted"),)
    with Sandbox(preload=("toolbox",), programs=programs, leave_out=leave_out) as sandbox:
        assert run(sandbox, RUNS, path=str(tools / "wanted")).value == 0
        assert run(sandbox, RUNS, Limits(), path=str(tools / "wanted")).reason.startswith("PermissionError")
        if sandbox.layers[Layer.LANDLOCK] != ENFORCED:
            pytest.skip(f"landlock: {sandbox.layers[Layer.LANDLOCK]}")
        for source in (RUNS, RUNS_COPY):
            result = run(sandbox, source, path=str(tools / "other"))
            assert result.ending is Ending.RAISED
            assert result.reason.startswith("PermissionError")


def test_without_landlock_it_starts_what_it_finds_but_nothing_of_its_own(tools: Path) -> None:
    programs = (str(tools / "wanted"),)
    with Sandbox(preload=("toolbox",), programs=programs, leave_out=frozenset({Layer.LANDLOCK})) as sandbox:
        assert run(sandbox, RUNS, path=str(tools / "other")).value == 0
        if sandbox.layers[Layer.MOUNT_NAMESPACE] == ENFORCED:
            assert run(sandbox, RUNS_COPY, path=str(tools / "other")).reason.startswith("PermissionError")
    leave_out = frozenset({Layer.LANDLOCK, Layer.MOUNT_NAMESPACE})
    with Sandbox(preload=("toolbox",), programs=programs, leave_out=leave_out) as sandbox:
        assert run(sandbox, RUNS_COPY, path=str(tools / "other")).value == 0


def test_where_no_program_is_named_none_starts(tools: Path) -> None:
    for kept, left_out in ((Layer.SECCOMP, Layer.LANDLOCK), (Layer.LANDLOCK, Layer.SECCOMP)):
        with Sandbox(preload=("toolbox",), leave_out=frozenset({left_out})) as sandbox:
            if sandbox.layers[kept] == ENFORCED:
                assert run(sandbox, RUNS, path=str(tools / "wanted")).reason.startswith("PermissionError")
    leave_out = frozenset({Layer.LANDLOCK, Layer.SECCOMP})
    with Sandbox(preload=("toolbox",), leave_out=leave_out) as sandbox:
        assert run(sandbox, RUNS, path=str(tools / "wanted")).value == 0


@pytest.mark.parametrize("program", ["true", "/nowhere/true"])
def test_a_program_that_is_not_there_is_told(program: str) -> None:
    with pytest.raises(ValueError, match="absolute path of a program"):
        Sandbox(programs=(program,))


def test_the_loader_of_a_program_is_known(tmp_path: Path) -> None:
    assert os.access(paths.loader(TRUE), os.X_OK)
    (tmp_path / "script").write_text("#!/bin/sh\n")
    assert paths.loader(str(tmp_path / "script")) == ""


def test_variables_hold_from_the_first_import_on(tools: Path) -> None:
    source = "import os, toolbox\ndef f(): return [dict(os.environ), toolbox.GREETING]"
    with Sandbox(preload=("toolbox",), environment={"GREETING": "hello"}) as sandbox:
        assert run(sandbox, source).value == [{"GREETING": "hello"}, "hello"]


def test_what_was_set_up_is_there_but_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = tmp_path / "prepared.py"
    module.write_text("FOUND = []\ndef prepare():\n    FOUND.append(open(__file__).read()[:5])\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    source = "import prepared\ndef f(): return prepared.FOUND"
    with Sandbox(setup=("prepared:prepare",)) as sandbox:
        assert run(sandbox, source).value == ["FOUND"]
        result = run(sandbox, "def f(path): return open(path).read()", path=str(module))
        assert result.reason.startswith(("FileNotFoundError", "PermissionError")), result
