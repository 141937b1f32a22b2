"""The values that a marked constant may take, read from the text behind ``# tune:``."""

from __future__ import annotations

import math
import re
import sys
from dataclasses import dataclass
from enum import StrEnum

Value = int | float | str | None
"""What a marked constant holds: a number, a text, True, False or None."""

LARGEST = 2.0**53
"""Bounds beyond this are refused: up to here every integer is a float of its own."""

LONGEST_CHOICE = 200

MOST_CHOICES = 64
"""A mark with more choices is refused: what a sampler learns of each would be next to nothing."""

NARROWEST_LOG = 1e-6
"""By how much, relative, the upper bound of a log range lies above the lower one at least, so that their logarithms
differ by far more than their rounding."""

_TOKEN = re.compile(r"'[^']*'|\"[^\"]*\"|[^\s,]+")
_WORDS = {"True": True, "False": False, "None": None}


class MarkError(ValueError):
    """A mark cannot be used; the message says why and how to mend it, without the line."""


class Kind(StrEnum):
    """What a constant is drawn from."""

    FLOAT = "float"
    INT = "int"
    CHOICE = "choice"


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """The values that a constant may take.

    Args:
        kind: what it is drawn from.
        low: smallest number; 0 for a choice.
        high: largest number; for integers a whole number of steps above `low`; 0 for a choice.
        log: whether factors matter rather than differences; then `low` is above 0.
        step: distance between two integers; 1 for the others.
        choices: the values of a choice, none twice; empty for numbers.
    """

    kind: Kind
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    step: int = 1
    choices: tuple[Value, ...] = ()

    def holds(self, value: Value) -> bool:
        """Whether a value is allowed; an integer need not be a whole number of steps from `low`."""
        if self.kind is Kind.CHOICE:
            return any(same(value, choice) for choice in self.choices)
        if not is_number(value) or (self.kind is Kind.INT and not isinstance(value, int)):
            return False
        assert isinstance(value, int | float)
        return self.low <= value <= self.high

    def nearest(self, value: Value, otherwise: Value) -> Value:
        """Clamp a number into the range (an integer onto a step); what cannot be clamped becomes the other value."""
        if self.kind is Kind.CHOICE:
            return next((choice for choice in self.choices if same(value, choice)), otherwise)
        if not is_number(value):
            return otherwise
        assert isinstance(value, int | float)
        clamped = min(max(value, self.low), self.high)
        if self.kind is Kind.INT:
            return round(self.low) + round((clamped - self.low) / self.step) * self.step
        short = float(f"{clamped:.6g}")
        return short if self.low <= short <= self.high else float(clamped)

    @property
    def text(self) -> str:
        """The mark in one form, whatever way it was written."""
        if self.kind is Kind.CHOICE:
            return f"choice {' '.join(map(repr, self.choices))}"
        tail = " log" if self.log else f" step {self.step}" if self.step != 1 else ""
        return f"{self.kind.value} {self.low:.17g} {self.high:.17g}{tail}"


def is_number(value: object) -> bool:
    """Whether a value is a finite number that a bound can be compared with; True and False are none."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return abs(value) <= LARGEST if isinstance(value, int) else math.isfinite(value)


def same(value: Value, choice: Value) -> bool:
    """Whether two values are one choice: 1 and 1.0 are, 1 and True are not."""
    if is_number(value) and is_number(choice):
        return value == choice
    return type(value) is type(choice) and value == choice


def literal(value: Value) -> str:
    """Write a value as Python."""
    return repr(value)


def parse_space(text: str) -> Space:
    """Read what stands behind ``# tune:``, up to the next ``#``.

    Raises:
        MarkError: it is none of ``float LOW HIGH [log]``, ``int LOW HIGH [log | step N]`` and ``choice A B C``.
    """
    tokens = _TOKEN.findall(text)
    match tokens:
        case ["choice", *choices]:
            return _choice(choices)
        case ["float", low, high, *rest]:
            return _float(_number(low), _number(high), rest)
        case ["int", low, high, *rest]:
            return _int(_number(low), _number(high), rest)
    raise MarkError("the mark is none of `float LOW HIGH [log]`, `int LOW HIGH [step N]` and `choice A B C`")


def _choice(tokens: list[str]) -> Space:
    if len(tokens) > MOST_CHOICES:
        raise MarkError(
            f"a choice has at most {MOST_CHOICES} values, not {len(tokens)}; leave some out, or mark a range"
        )
    choices: list[Value] = []
    met: set[tuple[str, Value]] = set()
    for token in tokens:
        value = _value(token)
        # As `same` compares them: 1 and 1.0 are one key, for a set too, and True is told from 1 by its type.
        key = ("number" if is_number(value) else type(value).__name__, value)
        if key in met:
            raise MarkError(f"the choice {token[:LONGEST_CHOICE]} stands there twice; name every value once")
        met.add(key)
        choices.append(value)
    if len(choices) < 2:
        raise MarkError("a choice needs at least two values")
    return Space(kind=Kind.CHOICE, choices=tuple(choices))


def _float(low: float, high: float, rest: list[str]) -> Space:
    if rest not in ([], ["log"]):
        raise MarkError(f"after the bounds may stand `log` and nothing else, not `{' '.join(rest)[:LONGEST_CHOICE]}`")
    return _ordered(Space(kind=Kind.FLOAT, low=low, high=high, log=bool(rest)))


def _int(low: float, high: float, rest: list[str]) -> Space:
    steps = [word for word in rest if word != "step"]
    log = steps == ["log"]
    step = _number(steps[0]) if steps and not log else 1.0
    if len(steps) > 1 or len(rest) > 2 or (rest and rest[-1] == "step") or (log and len(rest) > 1):
        raise MarkError("after the bounds may stand `step N` and nothing else")
    if not (low.is_integer() and high.is_integer() and step.is_integer() and step >= 1):
        raise MarkError("the bounds and the step of `int` are whole numbers, the step at least 1")
    whole = low + (high - low) // step * step
    if whole <= low:
        raise MarkError(f"HIGH {high:g} is not a step above LOW {low:g}; write the smaller bound first")
    return _ordered(Space(kind=Kind.INT, low=low, high=whole, log=log, step=int(step)))


def _ordered(space: Space) -> Space:
    if not space.low < space.high:
        raise MarkError(f"LOW {space.low:g} is not below HIGH {space.high:g}; write the smaller bound first")
    if space.log and space.low <= 0:
        raise MarkError(f"`log` needs LOW above 0, not {space.low:g}")
    # Below the smallest normal number a float keeps too few digits to divide by, or to take a logarithm of.
    if not sys.float_info.min <= space.high - space.low < math.inf:
        raise MarkError(f"HIGH {space.high:.17g} is too close to LOW {space.low:.17g}; widen the range")
    if space.log:
        margin = 0.5 if space.kind is Kind.INT else 0.0
        low, high = space.low - margin, space.high + margin
        if low < sys.float_info.min or high < low * (1.0 + NARROWEST_LOG):
            raise MarkError(
                f"HIGH {space.high:.17g} is too close to LOW {space.low:.17g} for `log`, or LOW too close to 0; "
                "leave `log` out or widen the range"
            )
    return space


def _number(token: str) -> float:
    try:
        value = float(token)
    except ValueError as error:
        raise MarkError(f"`{token[:LONGEST_CHOICE]}` is not a number") from error
    if not abs(value) <= LARGEST:
        raise MarkError(f"the bound `{token[:LONGEST_CHOICE]}` is beyond 2**53")
    return value


def _value(token: str) -> Value:
    """A choice as it is meant: a number, True, False, None, or a text with or without quotes."""
    if len(token) > LONGEST_CHOICE:
        raise MarkError(f"a choice is longer than {LONGEST_CHOICE} characters")
    if token[0] in "'\"":
        return token[1:-1] if len(token) > 1 and token[-1] == token[0] else token
    if token in _WORDS:
        return _WORDS[token]
    for read in (int, float):
        try:
            value = read(token)
        except ValueError:
            continue
        if not is_number(value):
            raise MarkError(f"the choice `{token}` is not a finite number below 2**53")
        return value
    return token
