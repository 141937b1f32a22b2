"""A control group for all processes of a sandbox together, version 1 or 2, where this process may make one.

One group holds the zygote and its guests (moving a process between groups takes milliseconds, so there is none
for each guest). Files and meaning: Linux ``Documentation/admin-guide/cgroup-v1`` and ``cgroup-v2.rst``. No
existing group is changed, and nobody but the zygote is moved.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sandbox.inside import linux
from sandbox.layers import LEFT_OUT, Layer

MEMORY, TASKS, CPU = "memory", "pids", "cpu"
LAYERS = {MEMORY: Layer.CGROUP_MEMORY, TASKS: Layer.CGROUP_TASKS, CPU: Layer.CGROUP_CPU}
PREFIX = "guests-of-"  # so that nobody else's groups are taken for ours
REMOVE_SECONDS = 5.0
STALE_SECONDS = 60.0
# Files by version and controller: the limit, what is in use, and the count of kills.
LIMIT = {
    1: {MEMORY: "memory.limit_in_bytes", TASKS: "pids.max", CPU: "cpu.cfs_quota_us"},
    2: {MEMORY: "memory.max", TASKS: "pids.max", CPU: "cpu.max"},
}
USE = {
    1: {MEMORY: "memory.usage_in_bytes", TASKS: "pids.current"},
    2: {MEMORY: "memory.current", TASKS: "pids.current"},
}
KILLS = {1: "memory.oom_control", 2: "memory.events"}
# Memory that goes to swap would not count against the limit.
NO_SWAP = {1: ("memory.swappiness", b"0"), 2: ("memory.swap.max", b"0")}
PERIOD_MICROSECONDS = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A folder where a group may be made.

    Args:
        version: of the hierarchy, 1 or 2.
        controllers: which of ours the group may have there.
        folder: the group's folder, not made yet.
    """

    version: int
    controllers: tuple[str, ...]
    folder: str


def places(name: str, groups: str, mounts: str) -> list[Place]:
    """Where this process could have a group of its own: below its own, and in version 2 beside it.

    In version 2 a group that holds processes hands on no controllers, so that a service has to look beside.

    Args:
        name: of the new group.
        groups: contents of ``/proc/self/cgroup``.
        mounts: contents of ``/proc/self/mountinfo``.
    """
    found: list[Place] = []
    taken: set[str] = set()
    unified = ""
    for line in groups.splitlines():
        _, names, own = line.split(":", 2)
        mine = tuple(controller for controller in LAYERS if controller in names.split(","))
        if names and mine:
            folder = _folder(mounts, "cgroup", mine[0], own)
            if folder:
                found.append(Place(version=1, controllers=mine, folder=f"{folder}/{name}"))
            taken.update(mine)
        elif not names:
            unified = own
    rest = tuple(controller for controller in LAYERS if controller not in taken)
    folder = _folder(mounts, "cgroup2", "", unified) if unified and rest else ""
    if folder:
        found.append(Place(version=2, controllers=rest, folder=f"{folder}/{name}"))
        if os.access(f"{Path(folder).parent}/cgroup.procs", os.F_OK):
            found.append(Place(version=2, controllers=rest, folder=f"{Path(folder).parent}/{name}"))
    return found


def _folder(mounts: str, kind: str, controller: str, own: str) -> str:
    """Folder of this process's group in a mounted hierarchy; empty where it cannot be seen."""
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        root, target = before.split()[3:5]
        fields = after.split()
        if fields[0] != kind or (controller and controller not in fields[2].split(",")):
            continue
        if root in (own, "/") or own.startswith(f"{root}/"):
            below = own[len(root) :] if root != "/" else own
            folder = f"{target}/{below.strip('/')}".rstrip("/")
            if ".." not in folder.split("/") and os.access(folder, os.F_OK):
                return folder
    return ""


def here(name: str) -> list[Place]:
    """`places` for this process."""
    own = Path("/proc/self")
    try:
        return places(name, (own / "cgroup").read_text("utf-8"), (own / "mountinfo").read_text("utf-8"))
    except FileNotFoundError:  # a kernel without control groups
        return []


def remove(folders: Sequence[str]) -> None:
    """Remove groups whose processes are dead or dying; those that are gone already are passed over.

    Raises:
        OSError: one still holds processes after some seconds.
    """
    deadline = time.monotonic() + REMOVE_SECONDS
    for folder in folders:
        while os.access(folder, os.F_OK):
            try:
                Path(folder).rmdir()
            except FileNotFoundError:
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.002)


def sweep(places: Sequence[Place]) -> None:
    """Remove the empty groups of sandboxes whose caller and launcher were killed together.

    One that holds processes is not removed by the kernel, and one that is young may be about to get some.
    """
    for parent in {Path(place.folder).parent for place in places}:
        for folder in parent.glob(f"{PREFIX}*"):
            with contextlib.suppress(OSError):  # in use, or gone, or another user's
                if time.time() - folder.stat().st_mtime > STALE_SECONDS:
                    folder.rmdir()


class Group:
    """The group of one sandbox, as descriptors that work whatever becomes of the holder's root and privileges.

    Made by the launcher, joined and used by the zygote.

    Args:
        places: where to try.
        left_out: layers that are not wanted.
    """

    def __init__(self, places: Sequence[Place], left_out: Collection[str]) -> None:
        self.folders: list[str] = []
        self.states: dict[str, str] = {
            layer: LEFT_OUT if layer in left_out else "no hierarchy with this controller" for layer in LAYERS.values()
        }
        self._version: dict[str, int] = {}
        self._limit: dict[str, int] = {}
        self._use: dict[str, int] = {}
        self._procs: list[tuple[int, tuple[str, ...]]] = []
        self._kills = -1
        for place in places:
            if place.version == 2 and 2 in self._version.values():
                continue  # a process is in one group of version 2 only
            wanted = tuple(
                name for name in place.controllers if LAYERS[name] not in left_out and name not in self._limit
            )
            if wanted:
                self._make(place, wanted)

    def _make(self, place: Place, wanted: tuple[str, ...]) -> None:
        folder = Path(place.folder)
        try:
            folder.mkdir()
            self.folders.append(place.folder)
            if place.version == 2:
                offered = (folder / "cgroup.controllers").read_text("ascii").split()
                for name in wanted:
                    self.states[LAYERS[name]] = "new groups do not get this controller here"
                wanted = tuple(name for name in wanted if name in offered)
            if wanted:
                self._procs.append((os.open(folder / "cgroup.procs", os.O_WRONLY), wanted))
        except OSError as error:
            self._refuse(wanted, linux.errno_name(error))
            wanted = ()
        if wanted:
            for name in wanted:
                self._open(folder, place.version, name)
        elif place.folder in self.folders:
            self.folders.remove(place.folder)
            folder.rmdir()

    def _open(self, folder: Path, version: int, name: str) -> None:
        try:
            if name in USE[version]:
                self._use[name] = os.open(folder / USE[version][name], os.O_RDONLY)
            if name == MEMORY:
                self._kills = os.open(folder / KILLS[version], os.O_RDONLY)
                file, value = NO_SWAP[version]
                with contextlib.suppress(FileNotFoundError):  # a kernel without swap
                    (folder / file).write_bytes(value)
            self._limit[name] = os.open(folder / LIMIT[version][name], os.O_RDWR)
            self._version[name] = version
        except OSError as error:
            self._refuse((name,), linux.errno_name(error))

    def _refuse(self, names: Sequence[str], reason: str) -> None:
        for name in names:
            self.states[LAYERS[name]] = reason
            if name in self._limit:
                self.give_up(name)

    def join(self) -> None:
        """Move this process into the group."""
        for descriptor, names in self._procs:
            try:
                os.write(descriptor, b"0")
            except OSError as error:
                self._refuse(names, linux.errno_name(error))
            os.close(descriptor)
        self._procs = []

    def close(self) -> None:
        """Forget every descriptor; for the launcher, which only removes the group."""
        kills = [self._kills] if self._kills >= 0 else []
        for descriptor in (*self._limit.values(), *self._use.values(), *kills, *(end for end, _ in self._procs)):
            os.close(descriptor)

    def has(self, controller: str) -> bool:
        """Whether the group is confined in this respect."""
        return controller in self._limit

    def give_up(self, controller: str) -> None:
        """Do without what turned out not to work."""
        os.close(self._limit.pop(controller))

    def use(self, controller: str) -> int:
        """Bytes of memory or number of tasks in use by the whole group."""
        return int(os.pread(self._use[controller], 64, 0))

    def set(self, controller: str, amount: float) -> None:
        """Set the limit: bytes of memory, tasks, or processors.

        Raises:
            OSError: the kernel refuses it, for one because more is in use.
        """
        text = str(int(amount))
        if controller == CPU:
            text = str(int(amount * PERIOD_MICROSECONDS))
            text += f" {PERIOD_MICROSECONDS}" if self._version[CPU] == 2 else ""
        os.pwrite(self._limit[controller], text.encode(), 0)

    def limit(self, controller: str) -> str:
        """The limit as the kernel has it."""
        return os.pread(self._limit[controller], 64, 0).decode().strip()

    def kills(self) -> int:
        """How many processes were killed for want of memory since the group was made."""
        if not self.has(MEMORY):
            return 0
        lines: Mapping[str, str] = dict(
            line.split(None, 1) for line in os.pread(self._kills, 4096, 0).decode().splitlines()
        )
        return int(lines.get("oom_kill", "0"))
