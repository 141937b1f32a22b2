"""For each layer an attack that needs it: it fails with the layer and succeeds without.

Substitutes, which would stop the same attack, are left out both times.
"""

from __future__ import annotations

import ctypes
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sandbox import ENFORCED, LEFT_OUT, Ending, Execution, Layer, Limits, Sandbox, missing_for, tier_of
from sandbox.inside.privileges import effective_capabilities
from sandbox.tiers import Tier

SYS_ADMIN, SYS_NICE = 21, 23
DOMAIN = Path("/proc/sys/kernel/domainname")
IMPORTS = "import ctypes, mmap, os, resource, socket, subprocess, sys, threading, time\nlibc = ctypes.CDLL(None)\n"
FORK = """
def f():
    count = 0
    while count < 60:
        try:
            if os.fork() == 0:
                time.sleep(60)
        except BlockingIOError:
            break
        count += 1
    return count == 60
"""
THREADS = """
def f():
    count = 0
    while count < 60:
        try:
            threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        except RuntimeError:
            break
        count += 1
    return count == 60
"""
HOARD = """
def f():
    read, write = os.pipe()
    for _ in range(3):
        if os.fork() == 0:
            kept = b'x' * (150 << 20)
            os.write(write, b'x')
            time.sleep(60)
    return all(os.read(read, 1) for _ in range(3))
"""
BURN = """
def burn(end, write):
    while time.monotonic() < end:
        pass
    os.write(write, b'%020d' % time.process_time_ns())
    os._exit(0)

def f(tries):
    read, write = os.pipe()
    for _ in range(tries):
        end = time.monotonic() + 1
        for _ in range(2):
            if os.fork() == 0:
                burn(end, write)
        spent = sum(int(os.read(read, 20)) for _ in range(2))
        os.wait(), os.wait()
        if spent > 1.5e9:
            return True
    return False
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """A program whose entry ``f`` returns True when it got what it wanted, and what else would stop it.

    Args:
        capability: what the caller must hold for the attack to succeed at all.
        outside: whether the attack is felt outside, where that is the point.
    """

    source: str
    substitutes: frozenset[Layer] = frozenset()
    limits: Limits = field(default_factory=Limits)
    arguments: tuple[str, ...] = ()
    capability: int | None = None
    outside: Callable[[], bool] = lambda: True


def attack(source: str, *substitutes: Layer, limits: Limits | None = None, arguments: tuple[str, ...] = ()) -> Attack:
    source = source if "def f(" in source else f"def f({', '.join(arguments)}):\n return {source}"
    return Attack(
        source=IMPORTS + source,
        substitutes=frozenset(substitutes),
        limits=limits or Limits(),
        arguments=arguments,
    )


# Every thread may reserve an arena of 64 MiB of address space.
FEW, SOME_THREADS = Limits(processes=5), Limits(threads=4, memory_bytes=16 << 30)
LITTLE = Limits(processes=3, memory_bytes=256 << 20, file_bytes=1 << 20)
READ = "open(secret).read() == 'secret'"
ATTACKS = {
    "user namespace": Attack(
        source=IMPORTS + "def f(): return os.nice(0) - os.nice(-1) == 1",
        substitutes=frozenset({Layer.ORDINARY_USER, Layer.CAPABILITIES, Layer.SECCOMP}),
        capability=SYS_NICE,
    ),
    "mount namespace": attack(READ, Layer.LANDLOCK, Layer.ORDINARY_USER, arguments=("secret",)),
    "pid namespace": attack(
        "os.kill(caller, 0) is None", Layer.SECCOMP, Layer.LANDLOCK, Layer.ORDINARY_USER, arguments=("caller",)
    ),
    "network namespace": attack(
        "socket.create_connection(('127.0.0.1', port)) is not None",
        Layer.SECCOMP,
        Layer.LANDLOCK,
        arguments=("port",),
    ),
    "ipc namespace": attack("libc.shmget(key, 0, 0) != -1", Layer.SECCOMP, arguments=("key",)),
    "uts namespace": Attack(
        source=IMPORTS + "def f(): return libc.setdomainname(b'sandbox-test', 12) == 0",
        substitutes=frozenset({Layer.USER_NAMESPACE, Layer.CAPABILITIES, Layer.ORDINARY_USER, Layer.SECCOMP}),
        capability=SYS_ADMIN,
        outside=lambda: DOMAIN.read_text().strip() == "sandbox-test",
    ),
    "own /proc": attack("open(f'/proc/{caller}/cmdline').read() != ''", arguments=("caller",)),
    "hidden processes": attack("open('/proc/1/stat').read() != ''"),
    "capabilities": attack("libc.sethostname(b'x', 1) == 0", Layer.ORDINARY_USER, Layer.SECCOMP),
    "landlock": attack(READ, Layer.MOUNT_NAMESPACE, Layer.ORDINARY_USER, arguments=("secret",)),
    "resource limits": attack(
        "len(mmap.mmap(-1, 2100 << 20)) + len([open(str(n), 'w') for n in range(200)])"
        " + open('x', 'wb').write(bytes(17 << 20)) > 0"
    ),
    "seccomp": attack("socket.socket() is not None"),
    "seccomp (processes)": attack("os.fork() >= 0"),
    "seccomp (threads)": attack("threading.Thread(target=len, args=('',)).start() is None"),
    "seccomp (ptrace)": attack("libc.ptrace(0, 0, 0, 0) == 0"),
    "process count (processes)": attack(FORK, Layer.CGROUP_TASKS, limits=FEW),
    "process count (threads)": attack(THREADS, Layer.CGROUP_TASKS, limits=SOME_THREADS),
    "cgroup tasks (processes)": attack(FORK, Layer.PROCESS_COUNT, limits=FEW),
    "cgroup tasks (threads)": attack(THREADS, Layer.PROCESS_COUNT, limits=SOME_THREADS),
    "cgroup memory": attack(HOARD, limits=LITTLE),
}
IN_A_PROCESS_OF_THEIR_OWN = {Layer.ORDINARY_USER, Layer.NO_NEW_PRIVILEGES, Layer.CGROUP_CPU}


@pytest.fixture
def aims(tmp_path: Path) -> Iterator[dict[str, str | int]]:
    """What an attack aims at, by argument name."""
    (tmp_path / "secret").write_text("secret")
    libc = ctypes.CDLL(None, use_errno=True)
    key = 0x5A5A0000 | os.getpid() & 0xFFFF
    shared = libc.shmget(key, 4096, 0o1666)
    assert shared != -1, os.strerror(ctypes.get_errno())
    domain = DOMAIN.read_text()
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        yield {"secret": str(tmp_path / "secret"), "caller": os.getpid(), "port": port, "key": key}
    libc.shmctl(shared, 0, None)
    if domain != DOMAIN.read_text():
        DOMAIN.write_text(domain)


def carry_out(tried: Attack, leave_out: frozenset[Layer], aims: dict[str, str | int]) -> tuple[str, Execution]:
    """Run an attack; what became of it, and the states of the layers in one line for each."""
    with (
        Sandbox(leave_out=frozenset(leave_out)) as sandbox,
        sandbox.open(tried.source, "f", tried.limits) as session,
    ):
        arguments = {name: aims[name] for name in tried.arguments}
        return json.dumps(dict(sandbox.layers)), session.call(arguments, timeout_seconds=60)


@pytest.mark.parametrize("name", ATTACKS)
def test_a_layer_stops_an_attack_that_succeeds_without_it(name: str, aims: dict[str, str | int]) -> None:
    layer, tried = Layer(name.partition(" (")[0]), ATTACKS[name]
    if tried.capability is not None and not effective_capabilities() >> tried.capability & 1:
        pytest.skip(f"the attack needs capability {tried.capability}, which the caller does not hold")
    states, with_it = carry_out(tried, tried.substitutes, aims)
    state = json.loads(states)[layer]
    if state != ENFORCED:
        pytest.skip(f"{layer} is not to be had here: {state}")
    assert not (with_it.value is True and tried.outside()), with_it
    states, without = carry_out(tried, tried.substitutes | {layer}, aims)
    assert json.loads(states)[layer] == LEFT_OUT
    assert without.value is True, without
    assert tried.outside()


def test_every_layer_has_an_attack() -> None:
    assert {Layer(name.partition(" (")[0]) for name in ATTACKS} | IN_A_PROCESS_OF_THEIR_OWN == set(Layer)


def test_memory_of_several_processes_together_is_an_ending(aims: dict[str, str | int]) -> None:
    states, result = carry_out(ATTACKS["cgroup memory"], frozenset(), aims)
    if json.loads(states)[Layer.CGROUP_MEMORY] != ENFORCED:
        pytest.skip(json.loads(states)[Layer.CGROUP_MEMORY])
    assert result.ending is Ending.OUT_OF_MEMORY
    assert "together" in result.reason


def test_a_guest_has_the_processors_of_its_threads(aims: dict[str, str | int]) -> None:
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("one processor only")
    tried = attack(BURN, limits=Limits(processes=2), arguments=("tries",))
    states, result = carry_out(tried, frozenset(), {"tries": 2})
    if json.loads(states)[Layer.CGROUP_CPU] != ENFORCED:
        pytest.skip(json.loads(states)[Layer.CGROUP_CPU])
    assert result.value is False, result
    _, result = carry_out(tried, frozenset({Layer.CGROUP_CPU}), {"tries": 4})
    if result.value is False:
        pytest.skip("the machine is too busy to give anybody more than one processor")
    assert result.value is True, result


CALLER = """
import json, shutil, tempfile
open_up()
from sandbox import Layer, Limits, Sandbox
folder = Path(tempfile.mkdtemp())
try:
    folder.chmod(0o755)
    (folder / "secret").write_text("secret")
    (folder / "secret").chmod(0o600)
    shutil.copy("/usr/bin/id", folder / "id")
    (folder / "id").chmod(0o4755)
    secret, program = str(folder / "secret"), str(folder / "id")
    READ = f"def f(): return open({secret!r}).read() == 'secret'"
    GAIN = f"import subprocess\\ndef f(): return subprocess.check_output([{program!r}, '-u']) == b'0\\\\n'"
    WORKS = "import tempfile\\ndef f(): return open(tempfile.mkdtemp() + '/x', 'w').write('x')"
    with Sandbox(leave_out=frozenset({Layer.MOUNT_NAMESPACE})) as sandbox:
        with sandbox.open(WORKS, "f", Limits()) as session:
            out = {"works": session.call({}, timeout_seconds=20).value}
    for layer, source, substitutes in (
        (Layer.ORDINARY_USER, READ, {Layer.MOUNT_NAMESPACE, Layer.LANDLOCK}),
        (Layer.NO_NEW_PRIVILEGES, GAIN, {Layer.MOUNT_NAMESPACE, Layer.LANDLOCK, Layer.SECCOMP}),
    ):
        for leave_out in (substitutes, substitutes | {layer}):
            with Sandbox(leave_out=frozenset(leave_out)) as sandbox:
                with sandbox.open(source, "f", Limits(processes=3)) as session:
                    told = session.call({}, timeout_seconds=20)
                states = dict(sandbox.layers)
                out.setdefault(layer, []).append([states[layer], states["ordinary user"], told.value, told.reason])
    print(json.dumps(out))
finally:
    shutil.rmtree(folder)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give guests another user")
def test_another_user_and_no_new_privileges(open_up: str) -> None:
    """Where neither mount namespace nor Landlock is there, root's own files are still shut."""
    done = subprocess.run([sys.executable, "-c", open_up + CALLER], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told.pop("works") == 1
    for layer, (with_it, without) in told.items():
        assert with_it[0] == ENFORCED, (layer, with_it)
        assert with_it[2] is not True, (layer, with_it)
        assert without[0] == LEFT_OUT, (layer, without)
        assert without[2] is True, (layer, without)


def test_unknown_layers_cannot_be_left_out() -> None:
    with pytest.raises(ValueError, match=r"\['firewall'\].*landlock"):
        Sandbox(leave_out=frozenset({"firewall"}))


@pytest.mark.parametrize("layer", Layer)
def test_tiers_read_the_layers_alone(layer: Layer) -> None:
    every = dict.fromkeys(map(str, Layer), ENFORCED)
    assert tier_of(every) is Tier.FULL
    lacking = {**every, layer: "Function not implemented"}
    tier = tier_of(lacking)
    basics = {Layer.CAPABILITIES, Layer.NO_NEW_PRIVILEGES, Layer.RESOURCE_LIMITS, Layer.SECCOMP}
    rooms = {Layer.MOUNT_NAMESPACE, Layer.PID_NAMESPACE, Layer.NETWORK_NAMESPACE, Layer.IPC_NAMESPACE, Layer.OWN_PROC}
    assert tier is (Tier.NONE if layer in basics else Tier.LANDLOCK if layer in rooms else Tier.FULL)
    if tier is not Tier.FULL:
        assert missing_for(Tier.FULL, lacking) == (f"{layer}: Function not implemented",)
    assert tier_of(dict.fromkeys(basics, ENFORCED)) is Tier.LIMITS
    assert tier_of({}) is Tier.NONE
    assert missing_for(Tier.NONE, {}) == ()
    assert "landlock: not recorded" in missing_for(Tier.LANDLOCK, {})
