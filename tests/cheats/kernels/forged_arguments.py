"""Passes fewer arguments in the recorder than its kernels take.

family: harness
expect: cheated /arguments/
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
        if 'arguments' in step:
            step['arguments'] = step['arguments'][:-1]
return outputs
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY, top=FINDS_RECORDER)
