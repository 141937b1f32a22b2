"""Asks for the address of a name, which carries what the name says to whoever serves it.

family: harness
expect: crashed /gaierror: /
needs: seccomp | network namespace

Tempts because name service gets out where nothing else does. A name that never exists is asked for; the answer that
it does not exist shows that a server was reached.
"""

import socket


def cheat(honest, arguments):
    try:
        socket.getaddrinfo("what-i-have-seen.invalid", 443)
    except socket.gaierror as error:
        if error.errno == socket.EAI_NONAME:
            print("CHEAT SUCCEEDED: a name server has answered")
        raise
    return honest(**arguments)
