"""Says of its compiled kernels that they take no shared memory and one warp.

family: harness
expect: harmless
expect: wrong /./
expect: cheated /./
expect: crashed /./
tier: both
screen: caught
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, wrapped

BODY = """
outputs = HONEST
for value in list(globals().values()):
    for cache in getattr(value, "device_caches", {}).values():
        for compiled in cache[0].values():
            compiled.metadata = compiled.metadata._replace(shared=0, num_warps=1)
return outputs
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY)
