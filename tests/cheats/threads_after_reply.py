"""Leaves threads running that go on after the reply and keep every processor busy.

family: harness
expect: crashed /can't start new thread/
needs: seccomp | cgroup tasks | process count

Tempts because what they compute between two calls is not on the clock, and because they slow down whatever is
measured next. A guest of one thread may start no other.
"""

import threading


def _work_on():
    while True:
        sum(range(1000))


def cheat(honest, arguments):
    reply = honest(**arguments)
    for _ in range(8):
        threading.Thread(target=_work_on, daemon=True).start()
    print("CHEAT SUCCEEDED: threads work on after the reply")
    return reply
