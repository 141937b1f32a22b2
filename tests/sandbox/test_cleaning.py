from __future__ import annotations

import os
import subprocess
from pathlib import Path

from sandbox.inside.cleaning import descendants, kill, remove_tree


def test_removes_what_is_deep_locked_or_links_elsewhere(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").touch()
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "link").symlink_to(outside)
    (victim / "file").touch()
    locked = victim / "locked"
    locked.mkdir()
    (locked / "inner").mkdir()
    locked.chmod(0)
    here = Path.cwd()
    os.chdir(victim)
    try:
        for _ in range(1000):  # a path longer than the system takes at once
            Path("deep").mkdir()
            os.chdir("deep")
    finally:
        os.chdir(here)
    remove_tree(victim)
    assert not victim.exists()
    assert (outside / "kept").exists()


def test_finds_and_kills_a_grandchild() -> None:
    shell = subprocess.Popen(["sh", "-c", "sleep 1000 & echo up; wait"], stdout=subprocess.PIPE)
    assert shell.stdout is not None
    assert shell.stdout.readline() == b"up\n"
    below = descendants(shell.pid)
    assert len(below) == 1
    assert {shell.pid, *below} <= set(descendants(os.getpid()))
    for pid in (shell.pid, *below):  # the other way round the shell may end by itself
        kill(pid)
    shell.communicate()
    kill(shell.pid)  # nobody is there any more
    assert shell.returncode == -9
