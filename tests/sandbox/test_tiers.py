"""Machines that refuse namespaces or Landlock, emulated by a system-call filter around the whole caller."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

CALLER = """
import errno, json, os, sys, tempfile
tempfile.tempdir = sys.argv[1]
from sandbox import Limits, Sandbox
from sandbox.inside import linux, seccomp

numbers = {**seccomp.NUMBERS[os.uname().machine], "landlock": linux.SYS_LANDLOCK_CREATE_RULESET}
rules = sorted((numbers[name], seccomp._refuse(errno.EPERM)) for name in sys.argv[2:])
linux.prctl("no new privileges", linux.PR_SET_NO_NEW_PRIVS, 1)
seccomp.apply(seccomp._instruction(seccomp.LOAD_WORD, seccomp.OFFSET_NUMBER) + seccomp._decide(rules))

PROGRAMS = {
    "replies": "def f(): return 1",
    "kills": "import os\\ndef f(): os.kill(os.getppid(), 9)",
    "daemon": '''
import os, time
def f():
    read, write = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.write(write, b'x')
            time.sleep(1000)
        os._exit(0)
    os.wait()
    os.read(read, 1)
''',
    "writes": "def f(): return open('x', 'w').write('1')",
    "leaves": "def f(): return open('../left', 'w').write('1')",
    "finds": "import os\\ndef f(): return os.listdir('.')",
    "finds beside": "import os\\ndef f(): return [x for x in os.listdir('..') if not x[0].isdigit()]",
    "reads": f"def f(): return open({sys.argv[1] + '/secret'!r}).read()",
    "escapes": f"def f(): return open({sys.argv[1] + '/secret'!r}, 'w').write('x')",
    "connects": "import socket\\ndef f(): socket.socket()",
}
with Sandbox() as sandbox:
    out = {"layers": dict(sandbox.layers)}
    for name, source in PROGRAMS.items():
        with sandbox.open(source, "f", Limits(processes=2 * (name == "daemon"))) as session:
            result = session.call({}, timeout_seconds=20)
            out[name] = [result.ending, result.value]
        tasks = open("/proc/self/task/%d/children" % os.getpid()).read().split()
        out["children"] = len(tasks)
print(json.dumps(out))
"""


@pytest.mark.parametrize("refused", [["unshare"], ["mount"], ["unshare", "landlock"], ["landlock"]])
def test_what_is_left_without_some_layers(tmp_path: Path, refused: list[str]) -> None:
    (tmp_path / "secret").write_text("secret")
    command = [sys.executable, "-c", CALLER, str(tmp_path), *refused]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path.cwd())
    told = json.loads(done.stdout)
    layers = told["layers"]
    assert (layers["landlock"] == "enforced") == ("landlock" not in refused)
    assert (layers["mount namespace"] == "enforced") == (refused == ["landlock"])
    assert (layers["pid namespace"] == "enforced") == ("unshare" not in refused)
    assert layers["seccomp"] == layers["resource limits"] == "enforced"
    for name in ("replies", "daemon", "writes", "finds"):
        assert told[name][0] == "replied", (name, told)
    assert told["finds"][1] == []
    is_other_user = layers["ordinary user"] == "enforced"
    ending, beside = told["finds beside"]
    # The private root's folder for it is called tmp; elsewhere another user may pass there and not look.
    assert beside in ([], ["tmp"]) or (ending == "raised" and is_other_user), told["finds beside"]
    assert told["kills"][0] == told["connects"][0] == "raised"
    hidden = "enforced" in (layers["mount namespace"], layers["landlock"])
    open_files = not hidden and not is_other_user
    assert told["escapes"][0] == told["reads"][0] == ("replied" if open_files else "raised")
    assert told["children"] == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["secret"]
