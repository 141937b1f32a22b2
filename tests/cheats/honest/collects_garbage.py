"""Makes reference cycles with finalizers and collects the garbage in every call.

family: honest
expect: ok

A full collection walks over everything in the process, the guest's own objects too; nothing may break.
"""

import gc
import weakref


class _Node:
    def __init__(self):
        self.own = self

    def __del__(self):
        self.own = None


def cheat(honest, arguments):
    nodes = [_Node() for _ in range(100)]
    gone = weakref.ref(nodes[0])
    del nodes
    gc.collect()
    assert gone() is None
    return honest(**arguments)
