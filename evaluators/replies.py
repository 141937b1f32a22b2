"""The form that a reply must have. A problem declares it; the judge holds every reply to it.

Each check has a name, so that an audit can switch off one at a time and show what then gets through.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

DTYPE, SHAPE, FINITE, RANGE = "dtype", "shape", "finite", "range"
"""Names of the checks that every reply passes; further ones are a problem's rules."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What a reply must satisfy beyond its form.

    Args:
        name: the check's name, a few words.
        fault: why an array of the right form breaks the rule, in one line, or None.
        spoil: turns a legal reply into one that breaks this rule and no other check; for audits.
    """

    name: str
    fault: Callable[[Array], str | None]
    spoil: Callable[[Array, np.random.Generator], Array]


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """The declared form of one reply.

    Args:
        what: how messages call it, such as ``"the plan"``.
        dtype: name of the exact type, such as ``"int32"``.
        shape: the exact shape.
        low: smallest value allowed, or None.
        high: largest value allowed, or None.
        values: how messages call the values, such as ``"expert ids"``.
        rules: what else must hold, checked in this order after the form.
    """

    what: str
    dtype: str
    shape: tuple[int, ...]
    low: float | None = None
    high: float | None = None
    values: str = "values"
    rules: tuple[Rule, ...] = ()

    @property
    def checks(self) -> tuple[str, ...]:
        """Names of the checks that this form implies, in the order in which they are made."""
        names = [DTYPE, SHAPE]
        if np.dtype(self.dtype).kind == "f":
            names.append(FINITE)
        if self.low is not None or self.high is not None:
            names.append(RANGE)
        return (*names, *(rule.name for rule in self.rules))


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What is wrong with a reply: which check found it, and why in one line."""

    check: str
    reason: str


def fault_of(value: object, expected: Expected, off: frozenset[str] = frozenset()) -> Fault | None:
    """The first thing that is wrong with a reply, in the order of the checks; None for a legal one.

    Args:
        value: what the guest sent.
        expected: the declared form.
        off: names of checks to leave out; only audits leave any out.
    """
    return next(_faults(value, expected, off), None)


def _faults(value: object, expected: Expected, off: frozenset[str]) -> Iterator[Fault]:
    """One fault of each kind; a later check may rely on the earlier ones, so only the first is of use."""
    if DTYPE not in off:
        if not isinstance(value, np.ndarray):
            yield Fault(check=DTYPE, reason=f"{expected.what} must be an array of {expected.dtype}, not {_kind(value)}")
        elif value.dtype != np.dtype(expected.dtype):
            yield Fault(check=DTYPE, reason=f"{expected.what} must have dtype {expected.dtype}, not {value.dtype.name}")
    array = np.asarray(value)
    if SHAPE not in off and array.shape != expected.shape:
        yield Fault(check=SHAPE, reason=f"{expected.what} must have shape {expected.shape}, not {array.shape}")
    if FINITE in expected.checks and FINITE not in off and not np.isfinite(array).all():
        yield Fault(check=FINITE, reason=f"{expected.what} must be finite everywhere, found NaN or infinity")
    if RANGE in expected.checks and RANGE not in off and array.size:
        yield from _out_of_range(array, expected)
    for rule in expected.rules:
        if rule.name not in off and (reason := rule.fault(array)):
            yield Fault(check=rule.name, reason=reason)


def _out_of_range(array: Array, expected: Expected) -> Iterator[Fault]:
    least, most = array.min().item(), array.max().item()
    low = -np.inf if expected.low is None else expected.low
    high = np.inf if expected.high is None else expected.high
    if not (least >= low and most <= high):  # NaN fails too
        reason = f"{expected.values} must lie in {expected.low}..{expected.high}, found"
        yield Fault(check=RANGE, reason=f"{reason} {least if not least >= low else most}")


def _kind(value: object) -> str:
    names = {"NoneType": "None", "tuple": "several values"}
    return names.get(type(value).__name__, type(value).__name__)
