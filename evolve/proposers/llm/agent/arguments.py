"""Arguments of a tool call, as models really write them."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping
from typing import Any

from evaluators.program import ProgramError, parse_program

_TRAILING_COMMA = re.compile(r",(\s*[}\]])")
LONGEST_LITERAL = 50_000
"""Characters of a Python literal; JSON may be longer, since it is read faster."""

_NUMBER = re.compile(r"\s*#?\s*0*(\d{1,9})(?:\.0*)?\s*")


class ArgumentsError(ValueError):
    """Arguments cannot be used; the message is written for the model."""


def loose_json(text: str) -> object:
    """Read the JSON value that a text begins with, or a Python literal in its place.

    Line ends inside strings, single or triple quotes and trailing commas are put up with.

    Raises:
        ValueError: it is neither.
    """
    text = text.strip()
    try:
        return _decoded(text)
    except ValueError:
        pass
    try:
        # JSON's own words are names to Python, so that JSON with nothing but commas wrong goes on below.
        statements = parse_program(text).body if len(text) <= LONGEST_LITERAL else []
        if len(statements) == 1 and isinstance(statements[0], ast.Expr):
            return _decoded(json.dumps(ast.literal_eval(statements[0].value)))  # sets and the like are refused
    except (ProgramError, ValueError, TypeError, RecursionError, MemoryError):
        pass
    return _decoded(_TRAILING_COMMA.sub(r"\1", text))


def _decoded(text: str) -> object:
    try:
        value, _ = json.JSONDecoder(strict=False).raw_decode(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    return value


class Arguments:
    """What a call was given.

    Args:
        text: JSON of an object, as far as the model got it right.
        most_characters: what is too long.

    Raises:
        ArgumentsError: it is no object, or too long.
    """

    def __init__(self, text: str, most_characters: int) -> None:
        if len(text) > most_characters:
            raise ArgumentsError(f"The arguments are {len(text):,} characters long; {most_characters:,} are allowed.")
        self.values = _object(text)

    def text(self, *names: str) -> str:
        """The first of some arguments that is there; a list of lines is put together. Empty if none is there.

        Raises:
            ArgumentsError: it is no text.
        """
        for name in names:
            value = self.values.get(name)
            if isinstance(value, list) and value and all(isinstance(line, str) for line in value):
                value = "\n".join(line.rstrip("\n") for line in value)
            if isinstance(value, str):
                if value.strip():
                    return value
            elif value is not None:
                raise ArgumentsError(f"The argument {name!r} must be a string, not {_kind(value)}.")
        return ""

    def number(self, *names: str, default: int | None = None) -> int:
        """The first of some arguments that is there, as a whole number; ``#0012`` is one.

        Raises:
            ArgumentsError: it is none, or is missing and has no default.
        """
        for name in names:
            value = self.values.get(name)
            if value is None:
                continue
            match = None if isinstance(value, bool) else _NUMBER.fullmatch(str(value)[:40])
            if match is None:
                raise ArgumentsError(f"The argument {name!r} must be a whole number such as 12, not {_kind(value)}.")
            return int(match[1])
        if default is None:
            raise ArgumentsError(f"The argument {names[0]!r} is missing; it must be a whole number such as 12.")
        return default


def _object(text: str) -> Mapping[str, Any]:
    value: object = text
    for _ in range(2):  # some models write JSON text inside JSON text
        if isinstance(value, str):
            try:
                value = loose_json(value) if value.strip() else {}
            except ValueError as error:
                raise ArgumentsError(
                    f"The arguments are no JSON ({error}). Write one object, with quotes and line ends "
                    "inside its strings escaped."
                ) from error
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ArgumentsError(f"The arguments must be one JSON object, not {_kind(value)}.")
    return {str(key).strip().lower(): item for key, item in value.items()}


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "another number" if isinstance(value, float) else "a number"
    if isinstance(value, dict):
        return "an object"
    return "a list" if isinstance(value, list) else "a text" if isinstance(value, str) else "null"
