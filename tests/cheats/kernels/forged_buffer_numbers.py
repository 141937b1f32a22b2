"""Lets the pointers in the recorder point into buffers that there are not.

family: harness
expect: cheated /points into/
tier: both
screen: caught

It finds the recorder among its callers' variables; what it changes there is a claim like any other.
"""

from __future__ import annotations

from evaluators.audit.kernels_text import FINDS_RECORDER, Subject, wrapped

BODY = """
outputs = HONEST
found = recorder()
if found is not None:
    for step in found.tape.steps:
        for argument in step.get('arguments', ()):
            if argument[0] == 'p':
                argument[1] = 99
return outputs
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY, top=FINDS_RECORDER)
