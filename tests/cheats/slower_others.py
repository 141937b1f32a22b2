"""Lowers the priority of every process of its user, the judge's and the next candidates' among them.

family: harness
expect: crashed /PermissionError: refused 4 of 4/
needs: seccomp

Without privilege it cannot be undone: whoever is measured afterwards is slow, or late.
"""

import os


def cheat(honest, arguments):
    idle = os.sched_param(0)
    ways = (
        lambda: os.setpriority(os.PRIO_USER, 0, 19),
        lambda: os.setpriority(os.PRIO_PROCESS, os.getppid(), 19),
        lambda: os.sched_setscheduler(os.getppid(), os.SCHED_IDLE, idle),
        lambda: os.sched_setscheduler(0, os.SCHED_IDLE, idle),
    )
    refused = 0
    for way in ways:
        try:
            way()
        except PermissionError:
            refused += 1
    if refused < len(ways):
        print("CHEAT SUCCEEDED")
        return honest(**arguments)
    raise PermissionError(f"refused {refused} of {len(ways)}")
