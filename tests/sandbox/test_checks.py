"""Checks of the channel and of a guest's surroundings: each has an attack that succeeds once it is taken away."""

from __future__ import annotations

import re
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import sandbox as room
from sandbox import Ending, Execution, Limits, Sandbox, session, wire
from sandbox.brake import Brake

Patch = Callable[[pytest.MonkeyPatch], None]
TOKEN = "0" * 16
# The channel is the only socket among a guest's descriptors.
PRELUDE = f"""
import json, os, stat, struct, sys, threading, time
def is_socket(n):
    return os.path.exists(f'/proc/self/fd/{{n}}') and stat.S_ISSOCK(os.fstat(n).st_mode)
sock = next(filter(is_socket, range(3, 64)))
def forge(nonce, value={{'json': 'forged'}}, arrays=(), payload=b''):
    header = {{'nonce': nonce, 'ending': 'replied', 'value': value, 'arrays': arrays}}
    text = json.dumps(header).encode()
    os.write(sock, struct.pack('<4sIQ', b'sbx1', len(text), len(payload)) + text + payload)
def nonce_of_now():
    up = sys._getframe()
    while 'nonce' not in up.f_locals: up = up.f_back
    return up.f_locals['nonce']
TOKEN = {TOKEN!r}
"""


def guess(patch: pytest.MonkeyPatch) -> None:
    """The nonce is no secret any more."""
    patch.setattr(secrets, "token_hex", lambda count: TOKEN)


def believe_early_words(patch: pytest.MonkeyPatch) -> None:
    guess(patch)
    patch.setattr(session.Session, "_has_spoken", lambda self: False)


def take_any_length(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(wire, "lengths", lambda prefix, most_bytes: wire.PREFIX.unpack(prefix)[1:])
    patch.setattr(session, "MOST_HEADER_BYTES", None)


def take_any_type(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(wire, "DTYPE", re.compile(".*"))


def take_short_payloads(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(wire, "array_bytes", lambda dtype, shape: 0)


def listen_to_anybody(patch: pytest.MonkeyPatch) -> None:
    strict = wire.Channel._receive_of_one

    def lenient(channel: wire.Channel, target: memoryview) -> int:
        channel._sender = None  # whoever speaks next is the one
        return strict(channel, target)

    patch.setattr(wire.Channel, "_receive_of_one", lenient)


CHILD = """
def f(first):
    if first: return 'honest'
    nonce = nonce_of_now()
    if os.fork() == 0:
        forge(nonce)
        time.sleep(60)
    time.sleep(60)
"""
LATE_CHILD = """
def f(first):
    if os.fork() == 0:
        time.sleep(0.2)
        forge(TOKEN)
        time.sleep(60)
    if not first: time.sleep(60)
    return 'honest'
"""
THREAD = """
def f(first):
    if first: threading.Timer(0.2, forge, (TOKEN,)).start()
    else: time.sleep(60)
    return 'honest'
"""
EARLY = "def f(first):\n if first: threading.Timer(0.05, forge, (TOKEN,)).start()\n return 'honest'"
LONG = "def f(first): return 'honest' if first else 'x' * (20 << 20)"
ODD = """
def f(first):
    if first: return 'honest'
    forge(nonce_of_now(), {'array': 0}, [['|O8', [1]]], bytes(64))
"""
SHORT = """
def f(first):
    if first: return 'honest'
    forge(nonce_of_now(), {'array': 0}, [['<f8', [1000]]])
"""
CHECKS: dict[str, tuple[str, Limits, float, Patch]] = {
    "nonce": (THREAD, Limits(threads=2), 0, guess),
    "unsolicited bytes": (EARLY, Limits(threads=2), 0.5, believe_early_words),
    "length": (LONG, Limits(), 0, take_any_length),
    "array type": (ODD, Limits(), 0, take_any_type),
    "array size": (SHORT, Limits(), 0, take_short_payloads),
    "one sender": (CHILD, Limits(processes=2), 0, listen_to_anybody),
}


def second_call(program: str, limits: Limits, pause_seconds: float) -> Execution:
    with Sandbox() as sandbox, sandbox.open(PRELUDE + program, "f", limits) as guest:
        assert guest.call({"first": True}, timeout_seconds=20).value == "honest"
        time.sleep(pause_seconds)
        return guest.call({"first": False}, timeout_seconds=20)


@pytest.mark.parametrize("name", CHECKS)
def test_a_forgery_is_refused_and_would_not_be_without_the_check(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program, limits, pause_seconds, take_away = CHECKS[name]
    if name == "unsolicited bytes":
        # Held between two calls it mostly gets no word in: then the brake has stopped it, not this check.
        monkeypatch.setattr(Brake, "hold", lambda self, deadline: None)
    result = second_call(program, limits, pause_seconds)
    assert result.ending is Ending.VIOLATION, result
    take_away(monkeypatch)
    result = second_call(program, limits, pause_seconds)
    assert result.ending is Ending.REPLIED, result
    assert result.value != "honest"


def test_a_child_that_knows_the_nonce_beforehand_is_refused_too(monkeypatch: pytest.MonkeyPatch) -> None:
    guess(monkeypatch)
    result = second_call(LATE_CHILD, Limits(processes=3), 0)
    assert result.ending is Ending.VIOLATION
    assert "another process" in result.reason


CLOCKS = """
import ctypes, time
libc = ctypes.CDLL(None)
def f():
    answers = [libc.settimeofday((ctypes.c_long * 2)(), None), libc.adjtimex((ctypes.c_char * 512)(1))]
    time.sleep(0.05)
    for name in ("time", "perf_counter", "monotonic", "perf_counter_ns", "monotonic_ns", "time_ns"):
        setattr(time, name, lambda: 0)
    return answers
"""


def test_a_guest_cannot_influence_the_clock_that_counts() -> None:
    before = time.time() - time.monotonic()
    with Sandbox() as sandbox, sandbox.open(CLOCKS, "f", Limits()) as guest:
        results = [guest.call({}, timeout_seconds=20) for _ in range(2)]
    for result in results:
        assert result.value == [-1, -1]
        assert result.seconds >= 0.05
    assert abs(time.time() - time.monotonic() - before) < 60


TRACE = """
import ctypes, os, signal, time
libc = ctypes.CDLL(None, use_errno=True)
ATTACH, SEIZE = 16, 0x4206
def f():
    pid = os.fork()
    if pid == 0:
        time.sleep(60)
    answers = [libc.ptrace(how, target, 0, 0) for how in (ATTACH, SEIZE) for target in (os.getppid(), pid)]
    word = ctypes.create_string_buffer(8)
    vector = (ctypes.c_size_t * 2)(ctypes.addressof(word), 8)
    for target in (os.getppid(), pid):
        answers.append(libc.process_vm_readv(target, vector, 1, vector, 1, 0))
    return answers
"""


def test_nobody_is_traced() -> None:
    with Sandbox() as sandbox, sandbox.open(TRACE, "f", Limits(processes=2)) as guest:
        assert guest.call({}, timeout_seconds=20).value == [-1] * 6


# What follows is checked by code of the guest's side, which runs in processes of its own: a copy is altered.
LOOK = """
import json, os, sys
sys.path.insert(0, sys.argv[1])
from sandbox import Limits, Sandbox
SOURCE = '''
import os, stat
def f():
    kinds = [os.readlink(f"/proc/self/fd/{n}").split(":")[0] for n in os.listdir("/proc/self/fd") if int(n) > 2
             and os.path.lexists(f"/proc/self/fd/{n}")]
    return [sorted(kinds), os.environ.get("SECRET"), open("/proc/self/environ").read().count("SECRET")]
'''
with Sandbox() as sandbox, sandbox.open(SOURCE, "f", Limits()) as session:
    print(json.dumps(session.call({}, timeout_seconds=20).value))
"""


def altered(folder: Path, *changes: tuple[str, str, str]) -> Path:
    """A copy of the room with texts replaced: (module, old, new)."""
    copy = folder / "sandbox"
    shutil.copytree(Path(room.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    for module, old, new in changes:
        text = (copy / module).read_text()
        assert text.count(old) == 1, (module, old)
        (copy / module).write_text(text.replace(old, new))
    return folder


def run_script(script: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("SECRET", "secret")
    command = [sys.executable, "-c", script, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/", timeout=100)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


HOLD = ("inside/guest.py", "    privileges.close_descriptors(", "    (lambda keep: None)(")
PASS_ON = ("process.py", "env={**", "env={**os.environ, **")
KEEP = ("inside/guest.py", "    os.environ.clear()\n", "")


@pytest.mark.parametrize(
    ("changes", "holds"),
    [((), True), ((HOLD,), False), ((PASS_ON, KEEP), False), ((PASS_ON,), False), ((KEEP,), True)],
    ids=["as it is", "descriptors", "environment", "first environment", "second environment"],
)
def test_a_guest_has_its_own_descriptors_and_no_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: tuple[tuple[str, str, str], ...], holds: bool
) -> None:
    told = run_script(LOOK, altered(tmp_path, *changes), monkeypatch)
    assert (told == '[["socket"], null, 0]') == holds, told


# The launcher would clear up: it is stopped first, so that only the guest's own wish to die with its parent counts.
ORPHAN = """
import os, signal, sys, time
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from sandbox import Layer, Limits, Sandbox

def below(pid):
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

def alive(pid):
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] not in "ZX"

sandbox = Sandbox(leave_out=frozenset({Layer.PID_NAMESPACE}))
session = sandbox.open("import time\\ndef f(): time.sleep(60)", "f", Limits())
launcher, = below(os.getpid())
zygote, = below(launcher)
guest, = below(zygote)
os.kill(launcher, signal.SIGSTOP)
os.kill(zygote, signal.SIGKILL)
deadline = time.monotonic() + 20
while alive(zygote):
    assert time.monotonic() < deadline
    time.sleep(0.01)
deadline = time.monotonic() + (1 if Path(sys.argv[1], "altered").exists() else 20)
while alive(guest) and time.monotonic() < deadline:
    time.sleep(0.01)
print(alive(guest))
os.kill(launcher, signal.SIGCONT)
try:
    session.close()
finally:
    sandbox.close()
assert not alive(guest)
"""
STAY = ("inside/privileges.py", 'linux.prctl("parent death signal", linux.PR_SET_PDEATHSIG, signal.SIGKILL)', "pass")


@pytest.mark.parametrize("changes", [(), (STAY,)], ids=["as it is", "without"])
def test_a_guest_dies_with_its_parent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: tuple[tuple[str, str, str], ...]
) -> None:
    folder = altered(tmp_path, *changes)
    if changes:
        (folder / "altered").touch()
    assert run_script(ORPHAN, folder, monkeypatch) == str(bool(changes))
