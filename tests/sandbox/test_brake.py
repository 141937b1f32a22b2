"""A guest does nothing while it is not its turn, whatever it has prepared."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from sandbox import Ending, Limits, Sandbox
from sandbox import session as sessions

# Processor time of the whole process when a call begins and when the one before it ended.
THREAD = """
import threading
import time

ENDED = [0.0]

def spin():
    while True:
        pass

threading.Thread(target=spin, daemon=True).start()

def f():
    used = time.process_time() - ENDED[0]
    ENDED[0] = time.process_time()
    return used
"""
TIMER = """
import signal
import time

ENDED = [0.0]

def burn(number, frame):
    until = time.process_time() + 0.2
    while time.process_time() < until:
        pass

signal.signal(signal.SIGALRM, burn)

def f():
    signal.setitimer(signal.ITIMER_REAL, 0)
    used = time.process_time() - ENDED[0]
    ENDED[0] = time.process_time()
    signal.setitimer(signal.ITIMER_REAL, 0.02)
    return used
"""
PAUSE_SECONDS = 0.3


def used_between_calls(sandbox: Sandbox, source: str, pause_seconds: float = PAUSE_SECONDS) -> float:
    with sandbox.open(source, "f", Limits(threads=2)) as session:
        assert session.call({}, timeout_seconds=10).ending is Ending.REPLIED
        time.sleep(pause_seconds)
        result = session.call({}, timeout_seconds=10)
    assert isinstance(result.value, float), result
    return result.value


def test_a_thread_does_not_work_between_two_calls(sandbox: Sandbox) -> None:
    assert used_between_calls(sandbox, THREAD) < PAUSE_SECONDS / 3


def test_without_the_brake_it_would(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions.Brake, "hold", lambda brake, deadline: None)
    # On a busy machine the thread may have to wait for its turn.
    assert any(used_between_calls(sandbox, THREAD, pause) > PAUSE_SECONDS / 3 for pause in (PAUSE_SECONDS, 2.0, 8.0))


def test_a_timer_that_falls_due_while_it_is_held_costs_its_own_time(sandbox: Sandbox) -> None:
    with sandbox.open(TIMER, "f", Limits()) as session:
        assert session.call({}, timeout_seconds=10).ending is Ending.REPLIED
        time.sleep(PAUSE_SECONDS)
        second = session.call({}, timeout_seconds=10)
    assert second.ending is Ending.REPLIED, second
    assert second.seconds > 0.15, "the handler must have run inside the call"


def test_a_guest_that_is_held_can_be_closed_and_its_end_is_told(sandbox: Sandbox) -> None:
    for source in ("def f(): return 1", "import os\ndef f(): os._exit(3)", "def f(): raise ValueError"):
        with sandbox.open(source, "f", Limits()) as session:
            first = session.call({}, timeout_seconds=10)
            assert first.ending in (Ending.REPLIED, Ending.EXITED, Ending.RAISED)
    with sandbox.open("def f(): return 2", "f", Limits()) as session:
        assert session.call({}, timeout_seconds=10).value == 2


def test_a_guest_that_stops_itself_is_told_as_a_timeout_and_not_continued(sandbox: Sandbox) -> None:
    source = "import os, signal\ndef f(): os.kill(os.getpid(), signal.SIGSTOP)"
    with sandbox.open(source, "f", Limits()) as session:
        assert session.call({}, timeout_seconds=0.3).ending is Ending.TIMEOUT


def test_it_rests_before_its_time_is_taken(sandbox: Sandbox) -> None:
    with sandbox.open(THREAD, "f", Limits(threads=2)) as session:
        pid = session._channel.sender
        for _ in range(20):
            assert session.call({}, timeout_seconds=10).ending is Ending.REPLIED
            stats = [task.read_text() for task in Path(f"/proc/{pid}/task").glob("*/stat")]
            assert [stat.rpartition(")")[2].split()[0] for stat in stats] == ["T", "T"]


def test_who_does_not_rest_in_time_is_told_as_a_timeout(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions.Brake, "_rests", lambda brake: False)
    with sandbox.open("def f(): return 1", "f", Limits(load_seconds=0.3)) as session:
        assert session.load.ending is Ending.TIMEOUT
        assert "did not come to rest in time" in session.load.reason


FILES = """
import ctypes, fcntl, os

def f(which):
    read, write = os.pipe()
    if which in ("F_SETSIG", "F_SETOWN"):
        command = {"F_SETSIG": 10, "F_SETOWN": fcntl.F_SETOWN}[which]
        return fcntl.fcntl(read, command, 9 if which == "F_SETSIG" else os.getpid())
    if which == "FIOASYNC":
        return fcntl.ioctl(read, 0x5452, b"1000") and 1
    if which == "priority":
        return os.setpriority(os.PRIO_USER, 0, 19)
    if which == "scheduler":
        return os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    libc = ctypes.CDLL(None, use_errno=True)
    number = {"x86_64": 222, "aarch64": 107}[os.uname().machine]
    if libc.syscall(number, 1, None, ctypes.byref(ctypes.c_int())) < 0:
        raise OSError(ctypes.get_errno(), "timer_create")
"""


@pytest.mark.parametrize("which", ["F_SETSIG", "F_SETOWN", "FIOASYNC", "priority", "scheduler", "timer"])
def test_what_would_make_the_kernel_signal_or_slow_others_is_refused(sandbox: Sandbox, which: str) -> None:
    with sandbox.open(FILES, "f", Limits()) as session:
        result = session.call({"which": which}, timeout_seconds=10)
    assert result.ending is Ending.RAISED, result
    assert result.reason.startswith("PermissionError"), result


def test_a_header_of_many_megabytes_is_refused_unparsed(sandbox: Sandbox) -> None:
    with sandbox.open("def f(): return [[]] * 1_000_000", "f", Limits()) as session:
        result = session.call({}, timeout_seconds=20)
    assert result.ending is Ending.VIOLATION
    assert "a header of" in result.reason
