"""From a guest's claim to a `Recording`: every number is checked, and what a cubin can tell is read from the cubin."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from evaluators.kernels.forms import Call
from evaluators.kernels.plan import Recording
from evaluators.kernels.reading_json import field, listing, malformed, mapping, parse, shown, text
from evaluators.kernels.reading_kernels import read_cubins, read_kernel
from evaluators.kernels.reading_limits import CALLS, CHECKS, COUNTS, FORM, Bench, PlanLimits
from evaluators.kernels.reading_plans import read_plan
from evaluators.model import Outcome
from sandbox import Buffer

__all__ = ["CHECKS", "FORM", "PlanLimits", "read_recording"]


def read_recording(
    reply: object,
    calls: Sequence[Call],
    *,
    architecture: int,
    limits: PlanLimits | None = None,
    seconds: float = 0.0,
    off: frozenset[str] = frozenset(),
) -> Recording:
    """Check what a guest says that it recorded.

    Args:
        reply: a list or tuple of the JSON text and the cubins, each as bytes, an array of bytes or a `sandbox.Buffer`
            of such (the text may also be a str).
        calls: what was asked.
        architecture: compute capability times ten, such as 90.
        limits: the most that may be asked for; None for `PlanLimits` as it stands.
        seconds: wall time of recording, by the judge's clock; handed on.
        off: names of checks (of `CHECKS`) to leave out; only audits leave any out.

    Raises:
        RefusedError: ``wrong`` where outputs do not have the declared forms or a fill overwrites an argument,
            ``out_of_memory`` where more is asked for than the limits allow, ``crashed`` where a launch could not be
            made, ``cheated`` for what no honest recorder says. Its `check` is the name of the check.
    """
    bench = Bench(architecture=architecture, limits=limits or PlanLimits(), off=off)
    if not isinstance(reply, list | tuple) or not reply:
        raise malformed("the reply must be a list of a text and cubins")
    claim = parse(_text(bench, reply[0]))
    data = [_bytes(item, f"cubin {number}") for number, item in enumerate(reply[1:])]
    cubins = read_cubins(bench, data)
    entries = listing(field(claim, "kernels", "the whole"), "kernels")
    if len(entries) > bench.limits.kernels:
        bench.refuse(
            COUNTS,
            Outcome.OUT_OF_MEMORY,
            f"compiles {len(entries)} kernels for all shapes together, more than {bench.limits.kernels}: specialise on "
            "fewer constants",
        )
    kernels = [read_kernel(bench, entry, number, cubins) for number, entry in enumerate(entries)]
    found = _calls(bench, listing(field(claim, "calls", "the whole"), "calls"), calls)
    return Recording(
        plans={call.name: read_plan(bench, call, entry, kernels) for call, entry in found},
        kernels=tuple(entry.kernel for entry in kernels),
        cubins=tuple(data),
        architecture=architecture,
        triton=_printable(text(field(claim, "triton", "the whole"), "version of Triton", most=60)),
        seconds=seconds,
    )


def _calls(bench: Bench, entries: Sequence[object], calls: Sequence[Call]) -> list[tuple[Call, object]]:
    """Each call that was asked for with its claim."""
    asked = {call.name: call for call in calls}
    if len(entries) > len(asked):
        bench.cheated(CALLS, f"it has {len(entries)} calls where {len(asked)} were asked for")
    found: dict[str, object] = {}
    for entry in entries[: len(asked)]:
        name = field(mapping(entry, "a call"), "name", "a call")
        if not isinstance(name, str) or name not in asked or name in found:
            bench.cheated(CALLS, f"it has a call {shown(name)} which was not asked for, or twice")
            continue
        found[name] = entry
    if len(found) < len(asked):
        missing = next(name for name in asked if name not in found)
        bench.cheated(CALLS, f"the call {missing!r} is missing")
    return [(asked[name], entry) for name, entry in found.items()]


def _text(bench: Bench, value: object) -> bytes:
    try:
        data = value.encode("utf-8") if isinstance(value, str) else _bytes(value, "the text")
    except UnicodeEncodeError as error:
        raise malformed("the text cannot be written in UTF-8") from error
    if len(data) > bench.limits.text_bytes:
        bench.refuse(
            COUNTS,
            Outcome.OUT_OF_MEMORY,
            f"what it did takes {len(data)} bytes to write down, more than {bench.limits.text_bytes}: launch less",
        )
    return data


def _bytes(value: object, what: str) -> bytes:
    """Contents of whatever stands for bytes on the way from a guest."""
    if isinstance(value, Buffer):
        if value.dtype != "|u1":
            raise malformed(f"{what} must be bytes, not an array of {shown(value.dtype)}")
        return bytes(value.data)
    if isinstance(value, np.ndarray):
        if value.dtype != np.uint8:
            raise malformed(f"{what} must be bytes, not an array of {value.dtype.name}")
        return value.tobytes()
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    raise malformed(f"{what} must be bytes, not {type(value).__name__}")


def _printable(version: str) -> str:
    if not (version.isascii() and version.isprintable()):
        raise malformed("the version of Triton is no plain text")
    return version
