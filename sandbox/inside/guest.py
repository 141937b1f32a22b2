"""Runs a program: confines its own process, loads the program and answers calls until it is killed."""

from __future__ import annotations

import linecache
import mmap
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import TextIOWrapper
from types import ModuleType, TracebackType
from typing import NoReturn

from sandbox.inside import landlock, linux, privileges, seccomp
from sandbox.inside.arrays import Arrays
from sandbox.layers import Layer
from sandbox.limits import Limits
from sandbox.wire import Channel, encode

FILENAME = "<candidate>"
MODULE = "candidate"
REASON_CHARACTERS = 500
BALLAST_BYTES = 8 << 20
UNLIMITED = 1 << 62
EXIT_NO_CHANNEL = 70
EXIT_UNWINDING = 71


@dataclass(slots=True, kw_only=True)
class Plan:
    """What a zygote has found out and prepared for its guests.

    Args:
        zygote: its process id, as it and its guests see it.
        import_path: where a guest finds modules.
        environment: a guest's environment variables.
        guest_id: user and group that a guest becomes, or None to stay the zygote's.
        ruleset: descriptor of the Landlock ruleset; None leaves the layer out.
        call_filters: system-call filters, by whether processes and threads may be started; none leaves the
            layer out.
        spare_tasks: how many tasks beyond its limits a guest may have; None where nothing can count them.
        left_out: further layers that are not applied.
    """

    zygote: int
    import_path: list[str]
    environment: Mapping[str, str]
    guest_id: int | None
    ruleset: int | None
    call_filters: Mapping[tuple[bool, bool], bytes]
    spare_tasks: int | None
    left_out: frozenset[str]


def prepare_surroundings(plan: Plan) -> None:
    """Do in the zygote, once, what every guest inherits: environment, import path, fit text streams."""
    os.environ.clear()
    os.environ.update(plan.environment)
    sys.path[:] = plan.import_path
    sys.argv[:] = [MODULE]
    os.umask(0o077)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)


def layers(plan: Plan, limits: Limits) -> dict[Layer, Callable[[], None]]:
    """The steps by which a guest confines itself, in this order; each raises OSError if it fails."""
    steps: dict[Layer, Callable[[], None]] = {}
    guest_id, ruleset, spare = plan.guest_id, plan.ruleset, plan.spare_tasks
    if guest_id is not None:
        steps[Layer.ORDINARY_USER] = lambda: privileges.become(guest_id)
    steps[Layer.CAPABILITIES] = privileges.drop_capabilities
    steps[Layer.NO_NEW_PRIVILEGES] = privileges.gain_nothing
    if ruleset is not None:
        steps[Layer.LANDLOCK] = lambda: landlock.apply(ruleset)
    steps[Layer.RESOURCE_LIMITS] = lambda: privileges.limit_resources(limits)
    if spare is not None:
        steps[Layer.PROCESS_COUNT] = lambda: privileges.limit_tasks(limits, spare)
    if plan.call_filters:
        code = plan.call_filters[limits.processes > 0, limits.threads > 1]
        steps[Layer.SECCOMP] = lambda: seccomp.apply(code)
    return {layer: step for layer, step in steps.items() if layer not in plan.left_out}


def settle(plan: Plan, *, scratch: str, log_write: int, keep: int) -> None:
    """Leave the zygote's session, streams, descriptors and folder behind."""
    os.setsid()
    privileges.die_with_parent()
    if os.getppid() != plan.zygote:  # it died before the line above
        os._exit(EXIT_NO_CHANNEL)
    linux.prctl("dumpable", linux.PR_SET_DUMPABLE, 1)  # its own /proc/self, which belongs to root otherwise
    privileges.redirect_standard_streams(log_write)
    privileges.close_descriptors({keep} if plan.ruleset is None else {keep, plan.ruleset})
    os.chdir(scratch)


def run(plan: Plan, limits: Limits, channel: Channel, place: tuple[int, str], arrays: Arrays) -> NoReturn:
    """Become a guest that logs and works in ``place`` (descriptor, scratch folder); never returns."""
    log_write, scratch = place
    try:
        settle(plan, scratch=scratch, log_write=log_write, keep=channel.fileno())
        for step in layers(plan, limits).values():
            step()
        if plan.ruleset is not None:
            os.close(plan.ruleset)
    except OSError as error:
        channel.send(encode({"ending": "unconfined", "reason": str(error)}))
        os._exit(1)
    try:
        channel.send(encode({"ending": "ready"}))
        _serve(channel, arrays)
    except EOFError:
        os._exit(0)
    except OSError:  # the program has closed the channel; nobody is left to tell
        os._exit(EXIT_NO_CHANNEL)
    finally:
        os._exit(EXIT_UNWINDING)  # what a program raises must not run through the code of zygote and launcher


def _serve(channel: Channel, arrays: Arrays) -> NoReturn:
    program = channel.receive(UNLIMITED).header
    entry = str(program["entry"])
    namespace: dict[str, object] = {}

    def load(nonce: str) -> list[bytes | memoryview]:
        namespace.update(_load(str(program["source"]), entry))
        return encode({"ending": "replied", "nonce": nonce, "value": {"json": None}})

    _answer(channel, str(program["nonce"]), load)
    while True:
        request = channel.receive(UNLIMITED)
        names = request.header["buffers"]
        plain = request.header["plain"]
        assert isinstance(names, list)
        assert isinstance(plain, Mapping)
        arguments = dict(plain)
        arguments.update(zip(names, map(arrays.load, request.arrays), strict=True))

        def call(nonce: str, arguments: dict[str, object] = arguments) -> list[bytes | memoryview]:
            function = namespace[entry]
            if not callable(function):
                raise TypeError(f"{entry!r} is no longer a function")
            return arrays.reply(function(**arguments), nonce)

        _answer(channel, str(request.header["nonce"]), call)


def _load(source: str, entry: str) -> dict[str, object]:
    lines = source.splitlines(keepends=True)
    linecache.cache[FILENAME] = (len(source), None, lines, FILENAME)
    module = ModuleType(MODULE)
    sys.modules[MODULE] = module
    exec(compile(source, FILENAME, "exec", dont_inherit=True), module.__dict__)  # noqa: S102 - what a sandbox is for
    if not callable(module.__dict__.get(entry)):
        raise LookupError(f"the program defines no function {entry!r}")
    return module.__dict__


def _answer(channel: Channel, nonce: str, work: Callable[[str], list[bytes | memoryview]]) -> None:
    ballast = mmap.mmap(-1, BALLAST_BYTES)  # address space, not memory: room to report that it has run out
    exhausted = encode({"ending": "out_of_memory", "nonce": nonce, "reason": "MemoryError"})
    try:
        pieces = work(nonce)
    except SystemExit as exit_request:
        sys.stdout.flush()
        os._exit(_exit_status(exit_request.code))
    except MemoryError as error:
        ballast.close()
        error.__traceback__ = None
        channel.send(exhausted)
        os._exit(1)
    except BaseException as error:  # noqa: BLE001 - whatever the program raises is its result
        pieces = encode({"ending": "raised", "nonce": nonce, "reason": describe(error)})
    ballast.close()
    sys.stdout.flush()
    channel.send(pieces)


def _exit_status(code: object) -> int:
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF
    sys.stderr.write(f"{code}\n")
    return 1


def describe(error: BaseException) -> str:
    """One line: type, message and the line of the program where it happened."""
    line = error.lineno if isinstance(error, SyntaxError) else _line(error.__traceback__)
    try:
        message = str(error.msg if isinstance(error, SyntaxError) else error)
    except Exception:  # noqa: BLE001 - an exception of the program may fail to print itself
        message = "(its message cannot be printed)"
    where = f" (line {line})" if line else ""
    text = f"{type(error).__name__}: {message}" if message else type(error).__name__
    return text[: REASON_CHARACTERS - len(where)] + where


def _line(traceback: TracebackType | None) -> int | None:
    found = None
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == FILENAME:
            found = traceback.tb_lineno
        traceback = traceback.tb_next
    return found
