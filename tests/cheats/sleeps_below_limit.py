r"""Takes as long as one call may take, at every call.

family: timing
expect: timeout /takes \d+ ms per (window|request|step|call|period)/
expect: ok

No single call breaks the limit, so the work of hours fits in if only calls are limited. The mean must be limited too.
"""

import time


def cheat(honest, arguments):
    until = time.perf_counter() + 0.7
    answer = honest(**arguments)
    time.sleep(max(0.0, until - time.perf_counter()))
    return answer
