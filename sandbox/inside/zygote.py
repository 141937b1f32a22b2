"""The warm process: imports what guests need once, then forks them one at a time and cleans up after each.

It is the first process of its own pid namespace where there is one, so that ``kill(-1)`` reaches everything
that a guest has left behind and the kernel kills the rest when the zygote ends.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import select
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from sandbox.inside import guest, namespaces, paths
from sandbox.inside.arrays import Arrays
from sandbox.inside.bounds import Bounds, Victim
from sandbox.inside.cleaning import kill, kill_descendants
from sandbox.inside.prepare import Place, Wanted, prepare
from sandbox.limits import Limits
from sandbox.wire import Channel, encode

MOST_CONTROL_BYTES = 1 << 20
LOOK_AGAIN_MILLISECONDS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What a caller wants of a zygote.

    Args:
        preload: modules to import once.
        array_module: which of them makes arrays, empty for none.
        setup: functions to call after that, each as ``"module:function"``, whose files guests need not read.
        cpu: the only processor to run on, or None.
        environment: variables that it has from the start, and guests have.
        programs: paths of what guests that may have processes may start.
    """

    preload: Sequence[str]
    array_module: str
    setup: Sequence[str]
    cpu: int | None
    environment: Mapping[str, str]
    programs: Sequence[str]


@dataclass(slots=True, kw_only=True)
class Running:
    """The guest of the moment.

    Args:
        kills_before: how many processes of the control group had been killed for want of memory before it.
        look_again: milliseconds after which that is looked at again; None where its own end tells.
    """

    serial: int
    pid: int
    pidfd: int
    scratch: str
    kills_before: int
    look_again: int | None


class Zygote:
    """Serves a caller's control channel.

    Args:
        config: what the caller wants.
        place: namespaces, control group and folders that the launcher found for it.
    """

    def __init__(self, config: Config, place: Place) -> None:
        self._own_pids = bool(place.choice.flags & namespaces.PID)
        self._running: Running | None = None
        if config.cpu is not None:
            os.sched_setaffinity(0, {config.cpu})
        before = list(sys.modules)
        for name in config.preload:
            importlib.import_module(name)
        self._arrays = Arrays(importlib.import_module(config.array_module) if config.array_module else None)
        packages = paths.packages(before)
        for name in config.setup:
            module, _, function = name.partition(":")
            getattr(importlib.import_module(module), function)()
        self._victim = Victim()
        wanted = Wanted(packages=packages, programs=config.programs, environment=config.environment)
        prepared = prepare(place, wanted)
        self._plan, self._scratch = prepared.plan, prepared.scratch
        self.layers = prepared.layers
        self._bounds = Bounds(place.group)

    def serve(self, control: Channel) -> NoReturn:
        """Do what the caller says until its end of the channel closes."""
        guest.prepare_surroundings(self._plan)
        gc.freeze()  # a collection in a guest would touch, and so copy, every page of the zygote's objects
        control.send(encode({"event": "ready", "layers": self.layers}))
        poll = select.poll()
        poll.register(control, select.POLLIN)
        while True:
            running = self._running
            ready = {descriptor for descriptor, _ in poll.poll(None if running is None else running.look_again)}
            if running is not None and running.pidfd in ready:
                poll.unregister(running.pidfd)
                running.look_again = None
                control.send(encode(self._exit_event(running)))
            elif running is not None and running.look_again and self._bounds.kills() > running.kills_before:
                kill(running.pid)  # some process of the group ran out of memory: so has the program
            if control.fileno() not in ready:
                continue
            try:
                message = control.receive(MOST_CONTROL_BYTES).header
            except EOFError:
                kill_descendants(everything=self._own_pids)
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
        scratch = self._scratch.fresh(limits.file_bytes, self._plan.guest_id)
        self._bounds.apply(limits)
        kills_before = self._bounds.kills()
        self._victim.prefer(children=True)
        pid = os.fork()
        if pid == 0:
            guest.run(self._plan, limits, Channel(end), (log_write, scratch), self._arrays)
        self._victim.prefer(children=False)
        os.close(log_write)
        end.close()
        self._running = Running(
            serial=message["serial"],
            pid=pid,
            pidfd=os.pidfd_open(pid),
            scratch=scratch,
            kills_before=kills_before,
            look_again=LOOK_AGAIN_MILLISECONDS if limits.processes and self._bounds.counts_kills else None,
        )
        return self._running

    def _exit_event(self, running: Running) -> dict[str, object]:
        _, status = os.waitpid(running.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        ending = {"ending": "exited", "reason": f"exit status {code}"}
        if code == -signal.SIGKILL and self._bounds.kills() > running.kills_before:
            reason = "the processes of the program together had no memory left"
            ending = {"ending": "out_of_memory", "reason": reason}
        elif code < 0:
            ending = {"ending": "signalled", "reason": name}
        return {"event": "over", "serial": running.serial, **ending}

    def _close(self, running: Running, control: Channel) -> None:
        kill_descendants(everything=self._own_pids)
        os.close(running.pidfd)
        self._running = None
        control.send(encode({"event": "closed", "serial": running.serial}))
        self._scratch.clear(running.scratch)
