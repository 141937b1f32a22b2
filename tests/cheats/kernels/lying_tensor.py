"""Returns a subclass of a tensor that lies about its form.

family: harness
expect: wrong /./
expect: crashed /./
expect: cheated /./
tier: both
screen: caught
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, wrapped

TOP = """
class Liar(torch.Tensor):
    @property
    def shape(self):
        return torch.Size((1,))
"""

BODY = """
outputs = HONEST
return PACK(FIRST.as_subclass(Liar))
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY, top=TOP)
