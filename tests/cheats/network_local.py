r"""Opens local sockets: by path, abstract, netlink and to the hypervisor.

family: harness
expect: crashed /PermissionError: (\S+ (EPERM|EACCES|EAFNOSUPPORT)(, | \(line)){5}/
needs: seccomp

Tempts because services of the machine listen on them, and because an abstract name outlives no folder and so
connects one candidate to the next. No socket of any family can be made.
"""

import errno
import socket


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


def _bind(family, kind, address):
    with socket.socket(family, kind) as end:
        end.bind(address)


def cheat(honest, arguments):
    ways = {
        "path": lambda: _bind(socket.AF_UNIX, socket.SOCK_STREAM, "candidate.socket"),
        "abstract": lambda: _bind(socket.AF_UNIX, socket.SOCK_DGRAM, "\0candidate"),
        "netlink": lambda: _bind(socket.AF_NETLINK, socket.SOCK_RAW, (0, 0)),
        "vsock": lambda: socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM).close(),
        "crypto": lambda: socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET).close(),
    }
    _try_all(ways)
    return honest(**arguments)
