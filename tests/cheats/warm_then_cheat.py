r"""Is honest for five calls and answers zeros from then on.

family: replay
expect: wrong /call 6: expert \d+ has no slot/
expect: wrong /call 6: (an id is repeated|id \d+ of)/
expect: ok

Evaluators that check a few calls and then time many are served honestly for as long as they look. Every answer that
counts must be checked.
"""

import numpy as np

_calls = []


def cheat(honest, arguments):
    _calls.append(1)
    answer = honest(**arguments)
    return answer if len(_calls) <= 5 else np.zeros_like(answer)
