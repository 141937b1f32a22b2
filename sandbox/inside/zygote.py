"""The warm process: imports what guests need once, then forks them one at a time and cleans up after each.

It is the first process of its own pid namespace where there is one, so that ``kill(-1)`` reaches everything
that a guest has left behind and the kernel kills the rest when the zygote ends.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from sandbox.inside import guest, landlock, linux, mounts, namespaces, paths, probe, seccomp
from sandbox.inside.arrays import Arrays
from sandbox.inside.cleaning import descendants, kill, remove_tree
from sandbox.limits import Limits
from sandbox.wire import Channel, encode

MOST_CONTROL_BYTES = 1 << 20
SCRATCH_FILES_OF_FULL_SIZE = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What a launcher is told.

    Args:
        preload: modules to import once.
        array_module: which of them makes arrays, empty for none.
        cpu: the only processor to run on, or None.
        base: private folder of this sandbox, outside.
        import_path: where the preloaded modules are found.
    """

    preload: tuple[str, ...]
    array_module: str
    cpu: int | None
    base: str
    import_path: tuple[str, ...]


@dataclass(slots=True, kw_only=True)
class Running:
    """The guest of the moment."""

    serial: int
    pid: int
    pidfd: int
    scratch: str


class Zygote:
    """Serves a caller's control channel.

    Args:
        config: what the launcher was told.
        flags: namespaces that this process is in.
        reasons: why it is not in the others, by layer.
        outside: identities of the launcher's namespaces.
    """

    def __init__(self, config: Config, flags: int, reasons: dict[str, str], outside: dict[int, str]) -> None:
        self._config = config
        self._private_root = bool(flags & namespaces.MOUNT)
        self._own_pids = bool(flags & namespaces.PID)
        self._running: Running | None = None
        self._scratch_count = 0
        if config.cpu is not None:
            os.sched_setaffinity(0, {config.cpu})
        before = list(sys.modules)
        for name in config.preload:
            importlib.import_module(name)
        self._arrays = Arrays(importlib.import_module(config.array_module) if config.array_module else None)
        self._plan, self.layers = self._prepare(paths.packages(before), outside)
        self.layers.update(reasons)
        self._plan.count_tasks = bool(flags & namespaces.USER) and os.geteuid() != 0
        self.layers["process count"] = (
            probe.ENFORCED if self._plan.count_tasks else "needs an ordinary user in a user namespace"
        )
        self.layers.update(self._tried())

    def _prepare(self, packages: list[str], outside: dict[int, str]) -> tuple[guest.Plan, dict[str, str]]:
        """Shut the outside world out and build the Landlock ruleset."""
        canary, root = f"{self._config.base}/canary", f"{self._config.base}/root"
        readable = [*paths.standard_library(), *paths.system(), *paths.DEVICES]
        hidden = paths.site_folders(readable)
        import_path = paths.import_path(sys.path)
        scratch = f"{self._config.base}/scratch"
        found = {"own /proc": "no mount namespace"}
        if self._private_root:
            namespaces.enter_mounts()
            inside = namespaces.identities()
            found["own /proc"] = mounts.build(root, [*readable, *packages], hidden) or probe.ENFORCED
            mounts.enter(root)
            scratch = mounts.SCRATCH_PARENT
            readable.append("/proc")
        else:
            inside = namespaces.identities()
            readable += [path for path in paths.PROCESS_FILES if Path(path).exists()]
        found = probe.namespaces_of_zygote(outside, inside, canary) | found
        ruleset = None
        try:
            ruleset = landlock.build([*paths.without(readable, hidden), *packages], [scratch, "/dev/null"])
        except OSError as error:
            found["landlock"] = linux.errno_name(error)
        filters = {}
        try:
            machine = os.uname().machine
            filters = {may_fork: seccomp.build(machine, may_fork=may_fork) for may_fork in (False, True)}
        except OSError as error:
            found["seccomp"] = linux.errno_name(error)
        plan = guest.Plan(
            scratch=scratch, import_path=import_path, ruleset=ruleset, call_filters=filters, count_tasks=False
        )
        return plan, found

    def _tried(self) -> dict[str, str]:
        """Let a guest try every layer, and leave out those that this kernel does not know."""
        forbidden = mounts.FORBIDDEN if self._private_root else f"{self._config.base}/canary"
        limits = Limits()
        ours, theirs = socket.socketpair()
        scratch = self._fresh_scratch(limits)
        child = os.fork()
        if child == 0:
            try:
                os.chdir(scratch)
                found = probe.confinement(self._plan, limits, forbidden)
                theirs.sendall(json.dumps(found).encode())
            finally:
                os._exit(0)
        theirs.close()
        with ours, ours.makefile("rb") as answer:
            text = answer.read()
        os.waitpid(child, 0)
        self._clear_scratch(scratch)
        if not text:
            raise RuntimeError("a guest died while it tried its layers; see the lines above")
        tried: dict[str, str] = json.loads(text)
        if tried.get("seccomp") != probe.ENFORCED:
            self._plan.call_filters = {}
        return tried

    def _fresh_scratch(self, limits: Limits) -> str:
        if self._private_root:
            mounts.fresh_scratch(limits.file_bytes * SCRATCH_FILES_OF_FULL_SIZE)
            return mounts.SCRATCH
        self._scratch_count += 1
        folder = f"{self._plan.scratch}/{self._scratch_count}"
        Path(folder).mkdir(mode=0o700)
        return folder

    def _clear_scratch(self, folder: str) -> None:
        if self._private_root:
            linux.detach(folder)
        else:
            remove_tree(Path(folder))

    def serve(self, control: Channel) -> NoReturn:
        """Do what the caller says until its end of the channel closes."""
        guest.prepare_streams()
        gc.freeze()  # a collection in a guest would touch, and so copy, every page of the zygote's objects
        control.send(encode({"event": "ready", "layers": self.layers}))
        poll = select.poll()
        poll.register(control, select.POLLIN)
        while True:
            ready = {descriptor for descriptor, _ in poll.poll()}
            running = self._running
            if running is not None and running.pidfd in ready:
                poll.unregister(running.pidfd)
                control.send(encode(self._exit_event(running)))
            if control.fileno() not in ready:
                continue
            try:
                message = control.receive(MOST_CONTROL_BYTES).header
            except EOFError:
                self._kill_all()
                os._exit(0)
            if message["do"] == "open":
                started = self._open(message, control)
                poll.register(started.pidfd, select.POLLIN)
            elif running is not None:
                with contextlib.suppress(KeyError):  # already over
                    poll.unregister(running.pidfd)
                self._close(running, control)

    def _open(self, message: Mapping[str, Any], control: Channel) -> Running:
        """Fork a guest that talks and prints to the caller directly.

        Nothing that a guest says may pass through this process: guests are forked from it and would find in
        their memory what an earlier one has seen.
        """
        limits = Limits(**message["limits"])
        log_write = control.descriptors.pop()
        end = socket.socket(fileno=control.descriptors.pop())
        end.setblocking(True)
        scratch = self._fresh_scratch(limits)
        pid = os.fork()
        if pid == 0:
            guest.run(self._plan, limits, Channel(end), (log_write, scratch), self._arrays)
        os.close(log_write)
        end.close()
        self._running = Running(
            serial=message["serial"],
            pid=pid,
            pidfd=os.pidfd_open(pid),
            scratch=scratch,
        )
        return self._running

    def _exit_event(self, running: Running) -> dict[str, object]:
        _, status = os.waitpid(running.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        ending = {"ending": "exited", "reason": f"exit status {code}"}
        if code < 0:
            ending = {"ending": "signalled", "reason": name}
        return {"event": "over", "serial": running.serial, **ending}

    def _close(self, running: Running, control: Channel) -> None:
        self._kill_all()
        os.close(running.pidfd)
        self._running = None
        control.send(encode({"event": "closed", "serial": running.serial}))
        self._clear_scratch(running.scratch)

    def _kill_all(self) -> None:
        """Kill and reap every process but this one."""
        while True:
            if self._own_pids:
                kill(-1)
            else:
                for pid in descendants(os.getpid()):
                    kill(pid)
            try:
                os.waitpid(-1, 0)
            except ChildProcessError:
                return
