r"""Is honest in its first call, which might be a check, and cheap in all that follow.

family: specification
expect: wrong /call 2: expert \d+ has no slot/
expect: ok

Tempts where correctness is checked once, before or after the timed calls. Every call is checked and every call is
scored.
"""

import numpy as np

_calls = []


def cheat(honest, arguments):
    _calls.append(len(_calls))
    reply = honest(**arguments)
    return reply if len(_calls) == 1 else np.zeros_like(reply)
