"""Control groups: where they are made, that they confine, and that none is left behind."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sandbox import ENFORCED, Layer, Limits, Sandbox
from sandbox.inside import cgroups

Descendants = Callable[[int], set[int]]
TRIVIAL = "def f(): return 1"


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "waited for 30 s"
        time.sleep(0.01)


def folders_of(pids: set[int]) -> list[Path]:
    """Folders of the groups that these processes are in, as far as they are a sandbox's."""
    texts = [Path(f"/proc/{pid}/cgroup").read_text() for pid in pids]
    names = {name for text in texts for name in re.findall(rf"/({cgroups.PREFIX}[^/\n]+)", text)}
    places = [Path(place.folder) for name in names for place in cgroups.here(name)]
    return [folder for folder in places if folder.exists()]


def mount(kind: str, root: str, target: Path, options: str) -> str:
    return f"30 20 0:26 {root} {target} rw,relatime shared:9 - {kind} {kind} rw,{options}\n"


def test_places_of_both_versions(tmp_path: Path) -> None:
    memory, cpu, unified = (tmp_path / name for name in ("memory", "cpu", "unified"))
    for folder in (memory / "own", cpu, unified / "a" / "b"):
        folder.mkdir(parents=True)
    (unified / "a" / "cgroup.procs").touch()
    (unified / "cgroup.procs").touch()
    old = mount("cgroup", "/", memory, "memory") + mount("cgroup", "/docker/x", cpu, "cpu,cpuacct")
    new = mount("cgroup2", "/", unified, "nsdelegate")
    groups = "5:memory:/own\n4:cpuacct,cpu:/docker/x\n3:freezer:/\n0::/a/b\n"
    found = cgroups.places("n", groups, old + new)
    assert [(place.version, place.controllers, place.folder) for place in found] == [
        (1, ("memory",), f"{memory}/own/n"),
        (1, ("cpu",), f"{cpu}/n"),
        (2, ("pids",), f"{unified}/a/b/n"),
        (2, ("pids",), f"{unified}/a/n"),
    ]
    assert [place.folder for place in cgroups.places("n", "0::/a/b\n", new)] == [f"{unified}/a/b/n", f"{unified}/a/n"]
    assert cgroups.places("n", "0::/../other\n", new) == []
    assert cgroups.places("n", "", "") == []


def test_what_was_made_and_cannot_be_used_is_removed(tmp_path: Path) -> None:
    """In a plain folder no kernel makes the files of a group."""
    places = [
        cgroups.Place(version=1, controllers=("memory",), folder=f"{tmp_path}/one"),
        cgroups.Place(version=1, controllers=("pids",), folder=f"{tmp_path}/no/such"),
    ]
    group = cgroups.Group(places, [Layer.CGROUP_CPU])
    assert group.states[Layer.CGROUP_MEMORY] == "No such file or directory"
    assert group.states[Layer.CGROUP_TASKS] == "No such file or directory"
    assert group.states[Layer.CGROUP_CPU] == "left out"
    assert not any(map(group.has, cgroups.LAYERS))
    assert list(tmp_path.iterdir()) == []


CONFINED = """
import json, os, secrets, sys
from sandbox.inside import cgroups
name = "sandbox-test-" + secrets.token_hex(4)
places = [place for place in cgroups.here(name) if place.version == int(sys.argv[1])]
group = cgroups.Group(places, [])
try:
    out = {"places": len(places), "states": group.states, "has": [name for name in cgroups.LAYERS if group.has(name)]}
    if os.fork() == 0:
        try:
            group.join()
            out["has"] = [name for name in cgroups.LAYERS if group.has(name)]
            if group.has("cpu"):
                group.set("cpu", 0.5)
                out["cpu"] = group.limit("cpu")
            if group.has("memory"):
                group.set("memory", group.use("memory") + (32 << 20))
                before = group.kills()
                child = os.fork()
                if child == 0:
                    open("/proc/self/oom_score_adj", "w").write("1000")
                    kept = b"x" * (128 << 20)
                    os._exit(0)
                out["memory"] = [os.waitpid(child, 0)[1], group.kills() - before]
            if group.has("pids"):
                group.set("pids", group.use("pids"))
                try:
                    if os.fork() == 0:
                        os._exit(0)
                    out["pids"] = "forked"
                except BlockingIOError:
                    out["pids"] = "refused"
            print(json.dumps(out), flush=True)
        finally:
            os._exit(0)
    os.wait()
finally:
    cgroups.remove(group.folders)
assert not any(os.path.exists(place.folder) for place in places)
"""


@pytest.mark.parametrize("version", [1, 2])
def test_a_group_confines(version: int) -> None:
    command = [sys.executable, "-c", CONFINED, str(version)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    if not told["has"]:
        reasons = told["states"] if told["places"] else "no hierarchy of this version has memory, pids or cpu"
        pytest.skip(f"version {version}: {reasons}")
    expected = {"memory": [signal.SIGKILL, 1], "pids": "refused", "cpu": "50000" if version == 1 else "50000 100000"}
    for controller in told["has"]:
        assert told[controller] == expected[controller], told


def made(sandbox: Sandbox) -> list[str]:
    layers = [Layer.CGROUP_MEMORY, Layer.CGROUP_TASKS, Layer.CGROUP_CPU]
    found = [controller for controller, layer in cgroups.LAYERS.items() if sandbox.layers[layer] == ENFORCED]
    if not found:
        pytest.skip("; ".join(f"{layer}: {sandbox.layers[layer]}" for layer in layers))
    return found


def test_limits_follow_the_guest_and_the_group_goes_with_the_sandbox(descendants: Descendants) -> None:
    before = descendants(os.getpid())
    with Sandbox() as sandbox:
        controllers = made(sandbox)
        folders = folders_of(descendants(os.getpid()) - before)
        assert folders

        def limits() -> dict[str, str]:
            files = {**cgroups.LIMIT[1], **{f"{name} 2": file for name, file in cgroups.LIMIT[2].items()}}
            return {
                name: (folder / file).read_text().split()[0]
                for folder in folders
                for name, file in files.items()
                if (folder / file).exists() and name.split()[0] in controllers
            }

        seen = []
        for wanted in (Limits(), Limits(memory_bytes=1 << 30, processes=4), Limits()):
            with sandbox.open(TRIVIAL, "f", wanted) as session:
                assert session.call({}, timeout_seconds=20).value == 1
            seen.append(limits())
        assert seen[0] == seen[2]
        for name in {name for name in seen[0] if "cpu" not in name}:
            sign = 1 if "pids" in name else -1
            assert (int(seen[1][name]) - int(seen[0][name])) * sign == (4 if "pids" in name else 1 << 30)
    assert not any(folder.exists() for folder in folders)


@pytest.mark.parametrize("which", ["zygote", "launcher"])
def test_a_killed_sandbox_leaves_no_group(descendants: Descendants, which: str) -> None:
    with Sandbox() as sandbox:
        made(sandbox)
        below = descendants(os.getpid())
        folders = folders_of(below)
        assert folders
        for pid in below:
            if (descendants(pid) == set()) == (which == "zygote"):
                os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not descendants(os.getpid()))
        with sandbox.open(TRIVIAL, "f", Limits()) as session:
            assert session.call({}, timeout_seconds=20).value == 1
        assert not any(folder.exists() for folder in folders)


def test_only_old_empty_groups_of_ours_are_swept() -> None:
    with Sandbox() as sandbox:
        controllers = made(sandbox)
    hour_ago = time.time() - 3600
    cases = [("x", True), ("young", True), ("other", False)]
    names = {name: cgroups.PREFIX * ours + f"{name}-{os.getpid()}" for name, ours in cases}
    folders = {
        key: [Path(place.folder) for place in cgroups.here(name) if set(place.controllers) & set(controllers)][:1]
        for key, name in names.items()
    }
    try:
        for key, found in folders.items():
            for folder in found:
                folder.mkdir()
                if key != "young":
                    os.utime(folder, (hour_ago, hour_ago))
        Sandbox().close()
        left = {key: [folder.exists() for folder in found] for key, found in folders.items()}
        assert left == {"x": [False], "young": [True], "other": [True]}
    finally:
        cgroups.remove([str(folder) for found in folders.values() for folder in found])


CALLER = """
from sandbox import Limits, Sandbox
session = Sandbox().open("import time\\ndef f(): time.sleep(1000)", "f", Limits())
print("up", flush=True)
session.call({}, timeout_seconds=1000)
"""


def test_a_killed_caller_leaves_no_group(descendants: Descendants) -> None:
    with Sandbox() as sandbox:
        made(sandbox)
    with subprocess.Popen([sys.executable, "-c", CALLER], stdout=subprocess.PIPE, text=True) as caller:
        assert caller.stdout is not None
        assert caller.stdout.readline() == "up\n"
        folders = folders_of(descendants(caller.pid))
        assert folders
        caller.kill()
    wait_until(lambda: not any(folder.exists() for folder in folders))


HOARD = """
import os, time
def f():
    for _ in range(2):
        if os.fork() == 0:
            kept = b'x' * (350 << 20)
            time.sleep(60)
    time.sleep(60)
"""


def test_a_child_out_of_memory_ends_the_program_and_spares_the_zygote(descendants: Descendants) -> None:
    limits = Limits(processes=2, memory_bytes=512 << 20, file_bytes=1 << 20)
    with Sandbox() as sandbox:
        if Layer.CGROUP_MEMORY not in {cgroups.LAYERS[name] for name in made(sandbox)}:
            pytest.skip(sandbox.layers[Layer.CGROUP_MEMORY])
        before = descendants(os.getpid())
        with sandbox.open(HOARD, "f", limits) as session:
            result = session.call({}, timeout_seconds=50)
        assert result.ending == "out_of_memory", result
        assert descendants(os.getpid()) == before
        with sandbox.open(TRIVIAL, "f", limits) as session:
            assert session.call({}, timeout_seconds=20).value == 1
