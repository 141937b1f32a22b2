"""Writes a grid into the recorder that no device can launch.

family: harness
expect: crashed /grid|launch/
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
        if 'grid' in step:
            step['grid'] = [1, 1 << 20, 1]
return outputs
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY, top=FINDS_RECORDER)
