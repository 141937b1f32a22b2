"""A warm zygote process that runs one guest program at a time."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Self

from sandbox.inside.zygote import Config
from sandbox.layers import Layer
from sandbox.limits import Limits, SandboxError
from sandbox.process import ZygoteProcess
from sandbox.session import Session


class Sandbox:
    """Runs untrusted programs in processes forked from a warm zygote.

    Not to be shared between threads; open one for each worker. Close it, or use it in a ``with`` statement.

    Args:
        preload: names of modules that the zygote imports once. A program may import these and the standard
            library, nothing else.
        array_module: the preloaded module (``"numpy"``) that turns buffers into read-only arrays in the guest
            and arrays that it returns into buffers; None leaves buffers as they are.
        setup: functions of the caller's own, each as ``"module:function"``, that the zygote calls after that, once,
            before anything is shut off. Guests find their modules imported and whatever they have done, but cannot
            read their files; packages that they use must be preloaded for guests to read them.
        cpu: processor that the zygote and all guests are pinned to; None lets them roam.
        environment: variables that the zygote has from its start, and the only ones that guests have.
        programs: paths of the programs (64-bit ELF) that a guest with ``Limits.processes`` may start; none by
            default. Where Landlock is missing it may start whatever it finds to execute, if there are any here.
        leave_out: names of layers, as in `layers`, that are deliberately not applied. For benchmarks, and for
            tests that show what each layer is for; never for programs that you do not trust. What builds on
            such a layer goes with it: the filter and Landlock on "no new privileges" (the kernel takes them
            from no one else without privileges), the private root on the "pid namespace".

    Raises:
        SandboxError: the zygote did not start.
        ValueError: no layer has such a name, or a program is not there.
    """

    def __init__(
        self,
        *,
        preload: tuple[str, ...] = (),
        array_module: str | None = None,
        setup: tuple[str, ...] = (),
        cpu: int | None = None,
        environment: Mapping[str, str] = MappingProxyType({}),
        programs: tuple[str, ...] = (),
        leave_out: frozenset[str] = frozenset(),
    ) -> None:
        unknown = leave_out - set(Layer)
        if unknown:
            raise ValueError(f"no layers {sorted(unknown)} to leave out; the known ones are {[str(x) for x in Layer]}")
        for program in programs:
            if not Path(program).is_absolute() or not os.access(program, os.X_OK):
                raise ValueError(f"{program!r} is not the absolute path of a program that may be started")
        self._leave_out = leave_out
        self._config = Config(
            preload=preload,
            array_module=array_module or "",
            setup=setup,
            cpu=cpu,
            environment=dict(environment),
            programs=programs,
        )
        self._closed = False
        self._session: Session | None = None
        self._zygote = self._start(threads=1)

    def _start(self, *, threads: int) -> ZygoteProcess:
        return ZygoteProcess(config=self._config, threads=threads, leave_out=self._leave_out)

    @property
    def layers(self) -> Mapping[str, str]:
        """What confines a guest here: ``"enforced"`` or why not, by layer; tried out at the start."""
        return MappingProxyType(dict(self._zygote.layers))

    def open(self, source: str, entry: str, limits: Limits) -> Session:
        """Start a guest and load a program in it; a program that does not load is told by `Session.load`.

        Args:
            source: the program, in Python.
            entry: name of the function that `Session.call` calls.
            limits: what the guest may use.

        Raises:
            SandboxError: another guest is running, the sandbox is closed, or it broke for good.
        """
        if self._closed:
            raise SandboxError("this sandbox is closed; make another")
        if self._session is not None and not self._session.is_closed:
            raise SandboxError("a guest is running already; close its session first")
        if limits.threads != self._zygote.threads or not self._zygote.is_alive():
            self._zygote.stop()
            self._zygote = self._start(threads=limits.threads)
        # Not counted, for a guest can see its own and must not learn how many came before it.
        self._session = Session(self._zygote, secrets.randbits(62), limits)
        try:
            self._session.start(source, entry)
        except SandboxError:
            self._session.close()
            raise
        return self._session

    def close(self) -> None:
        """End the zygote and everything below it, and remove its files."""
        if not self._closed:
            self._closed = True
            if self._session is not None:
                self._session.close()
            self._zygote.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
