"""Looks for descriptors that it should not have: inherited ones, ones that arrive on the channel, a second socket.

family: harness
expect: ok

Tempts because a folder left open leads out of a private root, and a descriptor may be handed over a socket. Says so
if there is anything but the streams and one channel.
"""

import contextlib
import os
import socket
import stat

_looked = []


def _kinds():
    for descriptor in range(3, 1024):
        try:
            mode = os.fstat(descriptor).st_mode
        except OSError:
            continue
        yield descriptor, stat.filemode(mode)[0] if stat.S_IFMT(mode) else "anonymous"


def cheat(honest, arguments):
    if not _looked:
        _looked.append(True)
        found = dict(_kinds())
        if list(found.values()) != ["s"]:
            print("CHEAT SUCCEEDED: holds", found)
        copy = os.dup(next(descriptor for descriptor, kind in found.items() if kind == "s"))
        with socket.socket(fileno=copy) as channel, contextlib.suppress(BlockingIOError):  # nobody has sent any
            print("CHEAT SUCCEEDED: received", channel.recvmsg(1, socket.CMSG_LEN(64), socket.MSG_DONTWAIT))
    return honest(**arguments)
