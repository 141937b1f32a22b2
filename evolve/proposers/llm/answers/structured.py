"""Edits, patches and programs inside of JSON: fenced or bare, one value or several, tool calls included."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from evolve.proposers.llm.answers.markers import MOST_EDITS
from evolve.proposers.llm.answers.model import AnswerError, Block, Edit, lines_of

_OLD = ("search", "old_str", "old_string", "old_text", "old_code", "old", "find", "original", "before")
_NEW = ("replace", "new_str", "new_string", "new_text", "new_code", "new", "replacement", "updated", "after")
_CODE = ("code", "program", "source", "source_code", "new_program", "full_code", "file_text", "content", "answer")
_SUMMARY = ("summary", "description", "explanation", "title")
_CALL = {"input", "arguments", "parameters", "args", "function"}
_DEEPEST = 8
_MOST_TRIED = 1_000
_MOST_VALUES = 1_000
_MOST_WASTED = 2_000_000  # characters decoded in vain
_VALUE = re.compile(r"^[ \t]*+(?:<[\w|:=/ -]{1,40}>[ \t]*+)*(?=[{\[])", re.MULTILINE)
_BETWEEN = re.compile(r"(?:[\s,;]|</?[\w|:-]{1,40}>)*")
_KEYS = re.compile(r'"(?:search|old_str|old_string|new_str|new_string|file_text|edits)"\s*:')
_KEYS_WITHIN = 2_000  # characters; further on they belong to something else
_PATCH = re.compile(
    r"^[ \t]*(?:\*\*\* Begin Patch|<{5,9}[ \t]*(?:SEARCH|ORIGINAL)|@@(?: |$)|--- \S.*\n\+\+\+ \S)", re.MULTILINE
)
_FUNCTION = re.compile(r"^(?:async )?def \w", re.MULTILINE)
_FENCE = "~" * 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Structured:
    """What the JSON of an answer holds: edits, or text that is an answer itself, and what it says of itself.

    Args:
        edits: all edits, in order.
        text: patches or programs; empty beside edits.
        taken: the lines of the answer that hold the JSON.
        summary: what it says that it changes; may be empty.
        paradigm: the approach that it names; may be empty.
    """

    edits: tuple[Edit, ...]
    text: str
    taken: frozenset[int]
    summary: str
    paradigm: str

    @property
    def is_clear(self) -> bool:
        """Whether its text surely is code."""
        return bool(_PATCH.search(self.text) or _FUNCTION.search(self.text))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Value:
    """A decoded value and the lines of the answer that it stands in."""

    value: object
    start: int
    end: int


def json_answer(lines: Sequence[str], blocks: Sequence[Block]) -> Structured | None:
    """Read all JSON of an answer; None if it holds no edit and no program.

    Raises:
        AnswerError: it holds too many edits, edits that do not decode, or edits and a program.
    """
    values: list[_Value] = []
    failed: list[str] = []
    bare = list(lines)
    for block in blocks:
        bare[block.start : block.end] = [""] * (block.end - block.start)
        if block.code.lstrip()[:1] in {"{", "["}:
            found = [replace(value, start=block.start, end=block.end) for value in _values(block.code)]
            values += found
            if not found and (block.info.startswith("json") or not block.closed):
                failed.append(block.code.lstrip())
    values += _values("\n".join(bare))
    values.sort(key=lambda found: found.start)
    structured = _read(values)
    if structured is not None and structured.edits:
        failed += [line for n, line in enumerate(lines) if n not in structured.taken and _KEYS.search(line)]
        if failed:
            raise AnswerError(_undecodable(failed[0], 0))
    return structured


def _values(text: str) -> Iterator[_Value]:
    """Decode each JSON value that begins a line or follows another one.

    Raises:
        AnswerError: what looks like an edit does not decode.
    """
    position = line = counted = decoded = wasted = 0
    for _ in range(_MOST_TRIED):
        match = _VALUE.search(text, position)
        if match is None or wasted > _MOST_WASTED:
            return
        start = position = match.end()
        while text[start : start + 1] in {"{", "["}:
            value, end, reached = _decoded(text, start)
            if end is None:
                if _KEYS.search(text, start, start + _KEYS_WITHIN):
                    raise AnswerError(_undecodable(text, start))
                position, wasted = start + 1, wasted + reached - start
                break
            first = line + text.count("\n", counted, start)
            line = first + text.count("\n", start, end)
            counted = position = end
            yield _Value(value=value, start=first, end=line + 1)
            decoded += 1
            if decoded > _MOST_VALUES:
                raise AnswerError(f"The answer holds more than {_MOST_VALUES} JSON values. Send fewer.")
            between = _BETWEEN.match(text, end)
            start = between.end() if between else end


def _undecodable(text: str, start: int) -> str:
    first = text[start : start + 80].strip()
    return (
        f"The JSON that begins with {first!r} does not decode, perhaps because the answer is cut off or a quote or "
        "line end in it is not escaped. Nothing was applied. Send it again in full."
    )


def _decoded(text: str, start: int) -> tuple[object, int | None, int]:
    """Decode the JSON value at a place, up to its end, None if it has none; and say how far the text was read.

    Line ends inside of its strings are put up with.
    """
    try:
        value, end = json.JSONDecoder(strict=False).raw_decode(text, start)
    except json.JSONDecodeError as error:
        return None, None, error.pos
    except (ValueError, RecursionError):
        return None, None, len(text)
    return value, end, end


def _read(values: Sequence[_Value]) -> Structured | None:
    edits: list[Edit] = []
    texts: list[str] = []
    summaries: list[str] = []
    paradigms: list[str] = []
    taken: set[int] = set()
    for found in values:
        before = len(edits) + len(texts)
        for number, item in enumerate(_objects(found.value, 0)):
            _take(item, edits, texts, is_first=not number)
            summaries += _named(item)
            paradigms += [text for text in (_text(item, ("paradigm",)),) if text]
        if len(edits) > MOST_EDITS:
            raise AnswerError(f"The answer holds more than {MOST_EDITS} edits. Send fewer, larger ones.")
        if len(edits) + len(texts) > before:
            taken.update(range(found.start, found.end))
    text = _joined(texts, beside=bool(edits))
    if not edits and not text:
        return None
    return Structured(
        edits=tuple(edits),
        text=text,
        taken=frozenset(taken),
        summary=next(iter(summaries), ""),
        paradigm=next(iter(paradigms), ""),
    )


def _take(item: Mapping[str, object], edits: list[Edit], texts: list[str], *, is_first: bool) -> None:
    """Sort what an object says into edits and texts."""
    old, new = _text(item, _OLD), _text(item, _NEW)
    if new is not None and (old is not None or not is_first):
        name = f"edit {len(edits) + 1}"
        edits.append(Edit(name=name, search=lines_of(old or ""), replace=lines_of(new)))
        return
    code = _text(item, _CODE) or (new if old is None else None)
    if code:
        texts.append(code)
    for value in item.values():
        leaves = value if isinstance(value, list) else [value]
        texts += [leaf for leaf in leaves if isinstance(leaf, str) and leaf != code and _PATCH.search(leaf)]


def _named(item: Mapping[str, object]) -> list[str]:
    """Find what an object says of the change; the name of a call is not that of a change."""
    keys = _SUMMARY if item.keys() & _CALL else (*_SUMMARY, "name")
    text = _text(item, keys)
    return [text] if text else []


def _joined(texts: Sequence[str], *, beside: bool) -> str:
    """Write patches, else programs, as one answer.

    Raises:
        AnswerError: it is not clear which of several things is meant.
    """
    patches = [text for text in texts if _PATCH.search(text)]
    programs = [text for text in texts if text not in patches]
    functions = any(_FUNCTION.search(text) for text in programs)
    if (patches and beside) or (functions and (patches or beside)):
        raise AnswerError(
            "The answer holds edits in more than one form, or edits and a program, and it is not clear how they go "
            "together. Nothing was applied. Send edits in one form, or one whole program."
        )
    if beside:
        return ""
    if patches:
        return "\n\n".join(patches)
    if len(programs) > 1:
        return "\n".join(f"{_FENCE}\n{text}\n{_FENCE}" for text in programs)
    return "".join(programs)


def _objects(value: object, depth: int) -> Iterator[Mapping[str, object]]:
    """Yield the objects of a value, outer ones first; arguments given as JSON text are decoded.

    Raises:
        AnswerError: arguments that look like an edit do not decode.
    """
    if depth > _DEEPEST:
        return
    if isinstance(value, str):
        text = value.strip()
        value, end, _ = _decoded(text, 0)
        if end is None and _KEYS.search(text[:_KEYS_WITHIN]):
            raise AnswerError(_undecodable(text, 0))
    if isinstance(value, dict):
        yield {str(key).lower(): item for key, item in value.items()}
        for key, item in value.items():
            is_text = isinstance(item, str) and str(key).lower() in _CALL and item.lstrip()[:1] in {"{", "["}
            if isinstance(item, dict | list) or is_text:
                yield from _objects(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            if isinstance(item, dict | list):
                yield from _objects(item, depth + 1)


def _text(item: Mapping[str, object], keys: Sequence[str]) -> str | None:
    """Find the first of some keys that holds a text, or a list of lines."""
    for key in keys:
        value = item.get(key)
        if isinstance(value, str):
            return value
        if isinstance(value, list) and value and all(isinstance(line, str) for line in value):
            return "\n".join(str(line).rstrip("\n") for line in value)
    return None
