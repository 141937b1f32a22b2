"""What a guest cannot reach, that nothing of it is left, and that the zygote outlives or is replaced."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sandbox import Ending, Execution, Layer, Limits, Sandbox, SandboxError

Run = Callable[..., Execution]
Descendants = Callable[[int], set[int]]
TRIVIAL = "def f(): return 1"


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "waited for 30 s"
        time.sleep(0.01)


HOSTILE = {
    "loop": "def f():\n while True: pass",
    "segfault": "import ctypes\ndef f(): ctypes.string_at(0)",
    "exit": "import os\ndef f(): os._exit(0)",
    "memory": "def f():\n kept = []\n while True: kept.append(bytearray(1 << 20))",
    "threads": "from threading import Timer\ndef f():\n while True: Timer(99, print).start()",
    "prints": "def f():\n while True: print('x' * 10000)",
    "disk": "def f():\n n = 0\n while True:\n  n += 1\n  open(str(n), 'wb').write(bytes(10 << 20))",
    "many files": "def f():\n n = 0\n while True:\n  n += 1\n  open(str(n), 'w').close()",
    "deep folders": "import os\ndef f():\n while True:\n  os.mkdir('x')\n  os.chdir('x')",
    "locked folder": "import os\ndef f():\n os.makedirs('x/y')\n os.chmod('x', 0)\n os.abort()",
    "kills all": "import os\ndef f():\n os.kill(-1, 9)",
    "kills parent": "import os\ndef f():\n os.kill(os.getppid(), 9)",
    "interrupts parent": "import os\ndef f():\n os.kill(os.getppid(), 2)",
    "patches builtins": "import json\ndef f():\n json.dumps = json.loads = None\n while True: pass",
    "forks": "import os\ndef f():\n while True: os.fork()",
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("processes", [0, 5])
def test_the_next_program_is_undisturbed(run: Run, sandbox: Sandbox, name: str, processes: int) -> None:
    if name == "forks" and processes and sandbox.layers["process count"] != "enforced":
        pytest.skip("nothing bounds the number of processes here: " + sandbox.layers["process count"])
    limits = Limits(processes=processes, memory_bytes=512 << 20)
    result = run(HOSTILE[name], timeout_seconds=0.3, limits=limits)
    assert result.ending is not Ending.REPLIED, result
    after = run("import os\ndef f(): return [os.listdir('.'), open('new', 'w').write('x')]")
    assert after.value == [[], 1], after


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("os.fork()", "PermissionError"),
        ("subprocess.run(['/bin/true'])", "PermissionError"),
        ("os.execv('/bin/true', ['true'])", "PermissionError"),
        ("socket.socket(socket.AF_INET, socket.SOCK_STREAM)", "PermissionError"),
        ("socket.socket(socket.AF_UNIX)", "PermissionError"),
        ("socket.create_connection(('127.0.0.1', 80))", "PermissionError"),
        ("os.sched_setaffinity(0, {0})", "PermissionError"),
        ("os.kill(os.getppid(), 0)", "PermissionError"),
        ("os.memfd_create('x')", "PermissionError"),
        ("resource.prlimit(os.getppid(), resource.RLIMIT_NOFILE)", "PermissionError"),
        ("resource.setrlimit(resource.RLIMIT_AS, (-1, -1))", "ValueError"),
        ("open('/etc/shadow').read()", "FileNotFoundError"),
        ("os.listdir('/root')", ("PermissionError", "FileNotFoundError")),
        ("open('/outside', 'w')", "OSError: [Errno 30] Read-only"),
        ("open(os.__file__, 'a')", ("OSError: [Errno 30] Read-only", "PermissionError")),
        ("open('/proc/self/oom_score_adj', 'w')", "OSError: [Errno 30] Read-only"),
        ("open('/proc/sys/kernel/core_pattern', 'w')", ("OSError: [Errno 30] Read-only", "FileNotFoundError")),
        ("threading.Thread(target=print).start()", "RuntimeError: can't start new thread"),
        ("os.setuid(0)", "PermissionError"),
        ("time.clock_settime(time.CLOCK_REALTIME, 0)", "PermissionError"),
        ("open('/proc/1/stat')", ("PermissionError", "FileNotFoundError")),
        ("open('/proc/stat')", "FileNotFoundError"),
        ("open('large', 'wb').write(bytes(17 << 20))", "OSError"),
        ("[open(str(n), 'w') for n in range(100)] and keep", "OSError"),
        ("__import__('evaluators')", "ModuleNotFoundError"),
        ("__import__('pytest')", "ModuleNotFoundError"),
        ("os.listdir('/')", "PermissionError"),
    ],
)
def test_what_a_guest_must_not_do_fails(run: Run, body: str, error: str | tuple[str, ...]) -> None:
    result = run(f"import os, socket, resource, subprocess, threading, time\nkeep = []\ndef f():\n keep.append({body})")
    assert result.ending is Ending.RAISED, result
    assert result.reason.startswith(error), result.reason


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("dict(os.environ)", {}),
        ("open('/proc/self/environ').read().count('SECRET')", 0),
        ("sorted(os.listdir('/proc/self/fd'))[:3]", ["0", "1", "2"]),
        ("len(os.listdir('/proc/self/fd'))", 5),  # three streams, the channel, and the listing itself
        ("sys.stdin.read()", ""),
        ("__name__", "candidate"),
        ("np.linalg.norm(np.ones(4))", 2.0),
        ("float(np.fft.fft(np.ones(2))[0].real)", 2.0),
        ("len([p for p in os.listdir('/proc') if p.isdigit()])", 1),
        ("len(tempfile.mkdtemp()) > 0", True),
        ("inspect.getsource(f)[:5]", "def f"),
        ("os.getpgrp() == os.getsid(0) == os.getpid()", True),
        ("[open('/dev/null', 'w').write('x'), len(os.urandom(4))]", [1, 4]),
    ],
)
def test_what_a_guest_finds(run: Run, expression: str, expected: object) -> None:
    modules = "import os, sys, threading, time, tempfile, inspect, numpy as np"
    result = run(f"{modules}\nout = []\ndef f(): return {expression}")
    assert result.value == expected, result


def test_every_layer_is_reported(sandbox: Sandbox) -> None:
    assert list(sandbox.layers) == list(Layer)
    assert all(sandbox.layers.values())


DAEMON = """
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
    return len([p for p in os.listdir('/proc') if p.isdigit()])
"""


def test_a_daemon_dies_with_its_session(sandbox: Sandbox, descendants: Descendants) -> None:
    with sandbox.open(DAEMON, "f", Limits(processes=3)) as session:
        assert session.call({}, timeout_seconds=20).value == 2  # itself and the daemon, not the zygote
        assert len(descendants(os.getpid())) == 4
    assert len(descendants(os.getpid())) == 2


def test_only_one_guest_at_a_time(sandbox: Sandbox) -> None:
    with sandbox.open(TRIVIAL, "f", Limits()), pytest.raises(SandboxError, match="running already"):
        sandbox.open(TRIVIAL, "f", Limits())
    with sandbox.open(TRIVIAL, "f", Limits()) as session:
        assert session.call({}, timeout_seconds=20).value == 1


def test_a_missing_preload_is_reported() -> None:
    with pytest.raises(SandboxError, match="No module named 'does_not_exist'"):
        Sandbox(preload=("does_not_exist",))


def test_guests_are_pinned_to_one_processor() -> None:
    cpu = max(os.sched_getaffinity(0))
    with (
        Sandbox(cpu=cpu) as sandbox,
        sandbox.open("import os\ndef f(): return list(os.sched_getaffinity(0))", "f", Limits()) as session,
    ):
        assert session.call({}, timeout_seconds=20).value == [cpu]


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


@pytest.mark.parametrize("when", ["idle", "open"])
@pytest.mark.parametrize("which", ["zygote", "launcher"])
def test_a_killed_zygote_is_replaced(descendants: Descendants, which: str, when: str) -> None:
    with Sandbox() as sandbox:
        below = descendants(os.getpid())
        victims = {pid for pid in below if (descendants(pid) == set()) == (which == "zygote")}
        session = sandbox.open(TRIVIAL, "f", Limits()) if when == "open" else None
        everything = descendants(os.getpid())
        for pid in victims:
            os.kill(pid, signal.SIGKILL)
        # A dead launcher's children are nobody's descendants for a moment, and still alive.
        wait_until(lambda: not any(is_alive(pid) for pid in everything))
        if session is not None:
            with pytest.raises(SandboxError, match="zygote is gone"):
                session.call({}, timeout_seconds=20)
            session.close()
        with sandbox.open(TRIVIAL, "f", Limits()) as another:
            assert another.call({}, timeout_seconds=20).value == 1


@pytest.fixture
def own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_close_leaves_no_process_and_no_file(own_temporary_folder: Path, descendants: Descendants) -> None:
    before = descendants(os.getpid())
    sandbox = Sandbox()
    sandbox.open("open('x', 'w').write('x')\nf = print", "f", Limits())
    sandbox.close()
    sandbox.close()
    assert descendants(os.getpid()) == before
    assert not list(own_temporary_folder.iterdir())
    with pytest.raises(SandboxError, match="closed"):
        sandbox.open(TRIVIAL, "f", Limits())


CALLER = """
import sys, tempfile
tempfile.tempdir = sys.argv[1]
from sandbox import Limits, Sandbox
session = Sandbox().open("import time\\ndef f(): time.sleep(1000)", "f", Limits())
print("up", flush=True)
session.call({}, timeout_seconds=1000)
"""


def test_everything_dies_with_a_killed_caller(tmp_path: Path, descendants: Descendants) -> None:
    command = [sys.executable, "-c", CALLER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as caller:
        assert caller.stdout is not None
        assert caller.stdout.readline() == "up\n"
        below = descendants(caller.pid)
        assert len(below) == 3
        caller.kill()
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in below))
    wait_until(lambda: not list(tmp_path.iterdir()))


def test_nothing_that_a_guest_said_is_in_the_memory_of_the_next() -> None:
    """Guests are forked from the zygote, so whatever passed through it would be in their memory."""
    start, rest = "qwertyuiop-asdfgh", "jkl-zxcvbnm-marker"
    digest = hashlib.sha256((start + rest).encode()).hexdigest()
    speaks = f"def f():\n    for _ in range(200):\n        print({start!r} + str({rest!r}), flush=True)\n"
    # The listener knows the first half and a digest of the whole, or it would find its own copy.
    listens = f"""
import hashlib

def f():
    start, found = {start!r}.encode(), 0
    with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", 0) as memory:
        for line in maps:
            low, high = (int(part, 16) for part in line.split()[0].split("-"))
            if " rw" not in line or "[v" in line:
                continue
            memory.seek(low)
            chunk = memory.read(high - low)
            at = chunk.find(start)
            while at >= 0:
                found += hashlib.sha256(chunk[at : at + {len(start + rest)}]).hexdigest() == {digest!r}
                at = chunk.find(start, at + 1)
    return found
"""
    with Sandbox() as sandbox:
        with sandbox.open(speaks + listens.replace("def f():", "def g():"), "f", Limits()) as session:
            session.call({}, timeout_seconds=20)
            assert start + rest in session.close()
        with sandbox.open(speaks.replace("def f", "def h") + listens, "f", Limits()) as session:
            result = session.call({}, timeout_seconds=20)
            assert (result.ending, result.value) == (Ending.REPLIED, 0), result
        both = speaks.replace("def f", "def h") + listens.replace("    start,", "    h()\n    start,")
        with sandbox.open(both, "f", Limits()) as session:
            heard = session.call({}, timeout_seconds=20).value
            assert isinstance(heard, int)
            assert heard > 0, "a listener that cannot hear itself proves nothing"
