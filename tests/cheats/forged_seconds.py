r"""Writes a time of its own into every frame that it sends, then takes its time.

family: timing
expect: timeout /takes \d+ ms per (window|request|step|call|period)/
expect: timeout /no reply within/
expect: ok

The library that packs the reply is in the program's process, and a field `seconds` is easily added. The judge must
read no time from a reply.
"""

import sys
import time


def _forge(encode):
    def forged(header, *rest, **options):
        claims = {
            "seconds": 1e-9,
            "elapsed": 1e-9,
            "time": 1e-9,
            "started": 0.0,
            "finished": 1e-9,
            "log": "",
            "score": 1e9,
        }
        return encode({**claims, **header}, *rest, **options)

    return forged


_forged = 0
for _module in list(sys.modules.values()):
    _encode = vars(_module).get("encode") if hasattr(_module, "__dict__") else None
    if callable(_encode) and getattr(_encode, "__module__", "") == "sandbox.wire":
        _module.encode = _forge(_encode)
        _forged += 1


def cheat(honest, arguments):
    assert _forged, "the program's side of the channel is not where it was"
    time.sleep(0.4)
    return honest(**arguments)
