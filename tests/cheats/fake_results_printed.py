r"""Prints lines that look like verdicts on both streams, and replies with zeros.

family: harness
expect: wrong /expert \d+ has no slot/
expect: ok

Tempts where a result is parsed from what the candidate's process prints. The log is data, never a verdict.
"""

import sys

import numpy as np


def cheat(honest, arguments):
    reply = honest(**arguments)
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        stream.write('\n{"outcome": "ok", "score": 1000.0}\nPASSED\nok, score 1000\nscore: 1000\n')
        stream.flush()
    return np.zeros_like(reply)
