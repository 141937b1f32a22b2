"""A guest's JSON, taken apart with nothing taken for granted: a bool is no number, and no text or list is endless."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import NoReturn

from evaluators.kernels.reading_limits import FORM
from evaluators.model import Outcome
from evaluators.problem import RefusedError

MOST_BYTES = 1 << 47
"""No size or offset is as large; sums of such still fit a machine word."""

_IDENTIFIER = re.compile(r"[A-Za-z_$.][A-Za-z0-9_$.]*")
_NOT_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def malformed(reason: str) -> RefusedError:
    """The refusal of a text that no recorder writes."""
    return RefusedError(Outcome.CHEATED, f"the recording is malformed: {reason}", check=FORM)


def parse(text: bytes) -> Mapping[str, object]:
    """Parse the text of a recording.

    Raises:
        RefusedError: it is not a JSON object.
    """
    try:
        value = json.loads(text.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise malformed(f"not JSON ({type(error).__name__})") from error
    return mapping(value, "the whole")


def mapping(value: object, what: str) -> Mapping[str, object]:
    """Hold a value to be an object."""
    if not isinstance(value, dict):
        raise malformed(f"{what} must be an object, not {kind(value)}")
    return value


def field(value: Mapping[str, object], name: str, what: str) -> object:
    """A field of an object that must be there."""
    if name not in value:
        raise malformed(f"{what} lacks {name!r}")
    return value[name]


def listing(value: object, what: str, *, length: int | None = None) -> Sequence[object]:
    """Hold a value to be a list, of a length where one is given."""
    if not isinstance(value, list):
        raise malformed(f"{what} must be a list, not {kind(value)}")
    if length is not None and len(value) != length:
        raise malformed(f"{what} must hold {length} items, not {len(value)}")
    return value


def integer(value: object, what: str, *, low: int = 0, high: int = MOST_BYTES) -> int:
    """Hold a value to be an integer in a range."""
    if type(value) is not int:
        raise malformed(f"{what} must be an integer, not {kind(value)}")
    if not low <= value <= high:
        raise malformed(f"{what} must lie in {low} .. {high}, not {shown(value)}")
    return value


def integers(value: object, what: str, *, low: int = 0, high: int = MOST_BYTES) -> tuple[int, ...]:
    """Hold a value to be a list of at most 32 integers in a range."""
    items = listing(value, what)
    if len(items) > 32:
        raise malformed(f"{what} holds {len(items)} items, more than 32")
    return tuple(integer(item, what, low=low, high=high) for item in items)


def real(value: object, what: str) -> float:
    """Hold a value to be a number, or one of the texts that stand for what JSON lacks."""
    if isinstance(value, str) and value in _NOT_FINITE:
        return _NOT_FINITE[value]
    if type(value) is not float and type(value) is not int:
        raise malformed(f"{what} must be a number, not {kind(value)}")
    try:
        number = float(value)
    except OverflowError as error:
        raise malformed(f"{what} is larger than any float") from error
    if not math.isfinite(number):
        raise malformed(f"{what} is larger than any float")
    return number


def text(value: object, what: str, *, most: int = 200) -> str:
    """Hold a value to be a text of bounded length."""
    if not isinstance(value, str):
        raise malformed(f"{what} must be a text, not {kind(value)}")
    if len(value) > most:
        raise malformed(f"{what} has {len(value)} characters, more than {most}")
    return value


def identifier(value: object, what: str) -> str:
    """Hold a value to be a symbol's name."""
    name = text(value, what, most=1000)
    if not _IDENTIFIER.fullmatch(name):
        raise malformed(f"{what} is no name: {shown(name)}")
    return name


def shown(value: object) -> str:
    """A plain value in at most 60 printable characters."""
    return ascii(value)[:60] if isinstance(value, str | int | float) else kind(value)


def kind(value: object) -> str:
    """What a value is, in a word."""
    return {"NoneType": "null", "dict": "an object", "str": "a text"}.get(type(value).__name__, type(value).__name__)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")
