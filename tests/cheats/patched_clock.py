r"""Stops every clock of Python, then takes its time.

family: timing
expect: timeout /takes \d+ ms per (window|request|step|call|period)/
expect: timeout /no reply within/
expect: ok

Most harnesses time in the program's process, with a clock that is one assignment away. Only the judge's clock, in
another process, may count.
"""

import contextlib
import datetime
import sys
import time

_sleep = time.sleep
_stopped = {id(getattr(time, name)): getattr(time, name)() if name.endswith("_ns") else 0.0
            for name in ("perf_counter", "perf_counter_ns", "monotonic", "monotonic_ns", "time", "time_ns",
                         "process_time", "process_time_ns", "thread_time", "thread_time_ns")}  # fmt: skip


def _frozen(value):
    return lambda: value


def _stop_clocks():
    for module in list(sys.modules.values()):
        for name, value in list(getattr(module, "__dict__", {}).items()):
            if id(value) in _stopped:
                with contextlib.suppress(AttributeError, TypeError):
                    setattr(module, name, _frozen(_stopped[id(value)]))
    fixed = {"now": classmethod(lambda cls, tz=None: cls(2000, 1, 1))}
    datetime.datetime = type("datetime", (datetime.datetime,), fixed)


_stop_clocks()


def cheat(honest, arguments):
    before = time.perf_counter()
    _sleep(0.4)
    answer = honest(**arguments)
    assert time.perf_counter() == before
    return answer
