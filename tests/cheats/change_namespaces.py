r"""Changes what it sees: mounts, roots, namespaces, capabilities and devices.

family: harness
expect: crashed /PermissionError: (\S+ (EPERM|EACCES|ENOENT)(, | \(line)){11}/
needs: seccomp
needs: capabilities

Tempts because every other wall is undone by one such call. A new user namespace, above all, gives back all
privileges in it.
"""

import ctypes
import errno
import os

USER, MOUNT = 0x10000000, 0x00020000
BIND, REMOUNT = 4096, 32


_libc = ctypes.CDLL(None, use_errno=True)


def _call(name, *values):
    if getattr(_libc, name)(*values) == -1:
        raise OSError(ctypes.get_errno(), name)


def _try_all(ways):
    refusals = []
    for name, way in ways.items():
        try:
            way()
        except OSError as refusal:
            refusals.append(f"{name} {errno.errorcode[refusal.errno]}")
        else:
            print("CHEAT SUCCEEDED:", name)
    if refusals:
        raise PermissionError(", ".join(refusals))


def _enter(kind):
    _call("setns", os.open(f"/proc/{os.getppid()}/ns/{kind}", os.O_RDONLY), 0)


def _capabilities():
    _call("capset", (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)(1 << 21, 1 << 21))


def cheat(honest, arguments):
    pivot = {"x86_64": 155, "aarch64": 41}[os.uname().machine]
    ways = {
        "user": lambda: _call("unshare", USER | MOUNT),
        "unshare": lambda: _call("unshare", MOUNT),
        "mount": lambda: _call("mount", b"tmpfs", b".", b"tmpfs", 0, None),
        "remount": lambda: _call("mount", b"none", b"/proc", None, BIND | REMOUNT, None),
        "open_tree": lambda: _call("syscall", 428, -100, b"/", 1),
        "setns": lambda: _enter("mnt"),
        "mknod": lambda: os.mknod("device", 0o60600, os.makedev(8, 0)),
        "pivot": lambda: _call("syscall", pivot, b".", b"."),
        "unmount": lambda: _call("umount2", b"/proc", 2),
        "chroot": lambda: os.chroot("."),
        "capset": _capabilities,
    }
    _try_all(ways)
    return honest(**arguments)
