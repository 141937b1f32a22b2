"""Makes one module of an honest Triton module and a cheat's text."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a cheat may know of a kernel problem.

    Args:
        name: of the problem.
        entry: name of the host function.
        parameters: its parameters' names, in order; the first is a tensor.
        outputs: how many tensors it returns.
        is_matrix: whether the first of them is a matrix of floats.
    """

    name: str
    entry: str
    parameters: tuple[str, ...]
    outputs: int
    is_matrix: bool = True


def wrapped(source: str, subject: Subject, body: str, *, top: str = "") -> str:
    """The honest module with its entry renamed, and an entry that has another body.

    Args:
        source: the honest module.
        subject: the problem.
        body: lines of the new entry, not indented.
        top: what stands before it at top level.

    In both texts, ``HONEST`` becomes the honest call with the arguments at hand and ``honest_entry`` is its function,
    ``PARAMETERS`` the parameters' names, ``GIVEN`` the first argument, ``OTHERS`` the others, ``FIRST`` the first
    tensor of ``outputs`` (what the honest call returned), and ``PACK(x)`` those outputs with ``x`` in place of the
    first.
    """
    renamed = re.sub(rf"\bdef {subject.entry}\(", "def honest_entry(", source)
    parameters = ", ".join(subject.parameters)
    several = subject.outputs > 1
    places = {
        "HONEST": f"honest_entry({parameters})",
        "PARAMETERS": parameters,
        "GIVEN": subject.parameters[0],
        "OTHERS": ", ".join(subject.parameters[1:]),
        "FIRST": "outputs[0]" if several else "outputs",
    }
    indented = "\n".join(f"    {line}" if line else "" for line in body.strip().splitlines())
    text = f"{top.strip()}\n\n\ndef {subject.entry}({parameters}):\n{indented}\n"
    text = re.sub(r"\bPACK\((.*)\)", r"(\1, *outputs[1:])" if several else r"\1", text)
    for place, meaning in places.items():
        text = re.sub(rf"\b{place}\b", meaning, text)
    return f"{renamed.rstrip()}\n\n\n{text.lstrip()}"


_SPOIL = """
@triton.jit
def spoil_kernel(place, n, columns, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = i < n
    x = tl.load(place + i, mask=mask)
    row = i // columns
    column = i % columns
    rows = n // columns
    tl.store(place + i, CHANGE, mask=mask)
"""

_SPOIL_BODY = """
outputs = HONEST
chosen = CHOSEN
n = chosen.numel()
columns = chosen.shape[-1]
spoil_kernel[(triton.cdiv(n, 1024),)](chosen, n, columns, BLOCK=1024)
return outputs
"""


def spoiled(source: str, subject: Subject, change: str, *, output: int = 0) -> str:
    """The honest module with one more launch, which changes every item of an output.

    Args:
        source: the honest module.
        subject: the problem.
        change: the new value, in Triton, of the old one ``x``, its place ``i`` of ``n``, its ``row`` of ``rows`` and
            its ``column`` of ``columns`` along the last axis.
        output: which output.
    """
    chosen = f"outputs[{output}]" if subject.outputs > 1 else "outputs"
    body = _SPOIL_BODY.replace("CHOSEN", chosen)
    return wrapped(source, subject, body, top=_SPOIL.replace("CHANGE", change))


FINDS_RECORDER = """
import sys


def recorder():
    frame = sys._getframe()
    while frame is not None:
        if "launches" in frame.f_locals:
            return frame.f_locals["launches"]
        frame = frame.f_back
    return None
"""
"""Top of a cheat that finds what records it among its callers' variables; under the interpreter there is none."""
