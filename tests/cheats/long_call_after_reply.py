"""Makes one long system call after each answer; a stop takes effect only when it returns.

family: timing
expect: ok
needs: timed

The time of a call must not end before the program is at rest, or the baseline pays for what comes after the answer.
"""

import ctypes
import mmap
import sys
import time

SIZE = 1200 << 20
_memory = mmap.mmap(-1, SIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x8000)
_libc = ctypes.CDLL(None)
_address = ctypes.addressof(ctypes.c_char.from_buffer(_memory))
_state = {"bytes": 0}
MADV_COLD = 20


def _burn(size):
    _libc.madvise(ctypes.c_void_p(_address), ctypes.c_size_t(size), MADV_COLD)


def _wrap():
    frame = sys._getframe()
    while "channel" not in frame.f_locals:
        frame = frame.f_back
    kind = type(frame.f_locals["channel"])
    send = kind.send

    def sending(self, pieces, wait=None):
        send(self, pieces, wait)
        if _state["bytes"]:
            _burn(_state["bytes"])

    kind.send = sending


_wrap()
_start = time.perf_counter()
_burn(SIZE)
_rate = SIZE / (time.perf_counter() - _start)


def cheat(honest, arguments):
    start = time.perf_counter()
    answer = honest(**arguments)
    _state["bytes"] = min(SIZE, int(2.0 * (time.perf_counter() - start) * _rate)) & ~0xFFF
    return answer
