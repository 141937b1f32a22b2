"""Leaves with exit status 0 before it has answered.

family: harness
expect: crashed /exit status 0/

Tempts where an exit status of zero counts as a pass. Only a reply is a reply.
"""

import os


def cheat(honest, arguments):
    honest(**arguments)
    print("all checks passed", flush=True)
    os._exit(0)
