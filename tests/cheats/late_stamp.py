r"""Sends the first byte of the reply before it works, and the rest when it is done.

family: timing
expect: timeout /takes \d+ ms per (window|request|step|call|period)/
expect: timeout /no reply within/
expect: ok

A judge that stops its clock at the first sign of life takes the work that follows for transport. It must stop at the
last byte.
"""

import gc
import sys
import time

_wire = sys.modules["sandbox.wire"]
_send = _wire.Channel.send
_early = []


def _send_rest(channel, pieces, wait=None):
    if _early:
        pieces = [bytes(pieces[0])[len(_early.pop()) :], *pieces[1:]]
    return _send(channel, pieces, wait)


def cheat(honest, arguments):
    _wire.Channel.send = _send_rest
    channels = [thing for thing in gc.get_objects() if type(thing) is _wire.Channel]
    _early.append(_wire.PREFIX.pack(_wire.MAGIC, 0, 0)[:1])
    _send(channels[-1], _early)
    time.sleep(0.4)
    return honest(**arguments)
