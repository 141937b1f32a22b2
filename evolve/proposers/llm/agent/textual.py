"""Tool calls that a model writes as plain text, in the form that we ask for or in one that it was trained on."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from evolve.proposers.llm.agent.arguments import loose_json
from evolve.proposers.llm.agent.tools import NAMES, TAKES_PROGRAM
from evolve.proposers.llm.answers.cleaning import clean
from evolve.proposers.llm.answers.fences import fenced_blocks
from evolve.proposers.llm.answers.model import Block
from evolve.proposers.llm.answers.parsing import Effort
from evolve.proposers.llm.wire import ToolCall

MOST_CALLS = 64
MOST_MARKS = 32
MOST_PARAMETERS = 8

_FENCE_NAMES = frozenset({"tool", "tools", "tool_call", "tool_calls", "tool-call", "tool_use", "function_call"})
_NAME_KEYS = ("name", "tool", "tool_name", "function", "function_name")
_ARGUMENT_KEYS = ("arguments", "parameters", "args", "input", "tool_input", "params")

# Hermes and Qwen 2.5, Qwen3-Coder and Llama's XML, Mistral, Llama 3.1.
_TAG = re.compile(r"<(tool_call|tool|function_call|tool_use)>\s*", re.IGNORECASE)
_XML = re.compile(r"<function\s*=\s*[\"']?(\w+)[\"']?\s*>", re.IGNORECASE)
_PARAMETER = re.compile(r"<parameter\s*=\s*[\"']?(\w+)[\"']?\s*>\n?", re.IGNORECASE)
_PREFIX = re.compile(r"\[TOOL_CALLS\]\s*|<\|python_tag\|>\s*|^(?:Action|Tool call)\s*:\s*(?=\{)", re.MULTILINE)


@dataclass(slots=True, kw_only=True)
class _Found:
    """A call, and the lines of the answer that hold it."""

    name: str
    arguments: dict[str, object] | str
    start: int
    end: int


def read_calls(text: str, parent: str) -> tuple[ToolCall, ...]:
    """Tool calls in a text, in order; a program in a block of its own is put into the arguments of its call.

    Args:
        text: a model's answer.
        parent: the program that it may quote.
    """
    cleaned = clean(text, parent).text
    lines = cleaned.split("\n")
    blocks = fenced_blocks(lines, Effort())
    found, used = _in_blocks(blocks)
    found += [call for call in _in_marks(cleaned, lines) if not _inside(call, found)]
    if not found and cleaned.lstrip()[:1] in {"{", "["}:
        found = [
            _Found(name=name, arguments=arguments, start=0, end=len(lines))
            for name, arguments in _calls_of(cleaned, strict=True)
        ]
    found.sort(key=lambda call: call.start)
    del found[MOST_CALLS:]
    _give_programs(found, [block for number, block in enumerate(blocks) if number not in used])
    return tuple(
        ToolCall(
            id=f"call-{position}",
            name=call.name,
            arguments=call.arguments if isinstance(call.arguments, str) else json.dumps(call.arguments),
        )
        for position, call in enumerate(found, start=1)
    )


def _in_blocks(blocks: Sequence[Block]) -> tuple[list[_Found], set[int]]:
    """Calls in fenced blocks, and the numbers of those blocks."""
    found: list[_Found] = []
    used: set[int] = set()
    for number, block in enumerate(blocks):
        named = (block.info.split() or [""])[0] in _FENCE_NAMES
        if not named and block.code.lstrip()[:1] not in {"{", "["}:
            continue
        calls = list(_calls_of(block.code, strict=not named))
        if calls or named:
            used.add(number)
        found += [_Found(name=name, arguments=given, start=block.start, end=block.end) for name, given in calls]
        if named and not calls:
            # It meant to call something: the answer to that says what was wrong with it.
            found.append(_Found(name="", arguments=block.code, start=block.start, end=block.end))
    return found, used


def _in_marks(text: str, lines: Sequence[str]) -> Iterator[_Found]:
    """Calls between tags, or after the marks of other formats."""
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)

    def line_of(offset: int) -> int:
        return bisect_right(starts, offset) - 1

    marks = [*_XML.finditer(text), *_TAG.finditer(text), *_PREFIX.finditer(text)][:MOST_MARKS]
    for mark in marks:
        start = line_of(mark.start())
        if mark.re is _XML:
            end = text.find("</function>", mark.end())
            body = text[mark.end() : len(text) if end < 0 else end]
            values = _parameters(body)
            given: dict[str, object] | str = values if values or not body.strip() else body
            yield _Found(name=mark[1], arguments=given, start=start, end=line_of(mark.end() + len(body)) + 1)
            continue
        body = text[mark.end() :]
        if body[:1] in {"{", "["}:
            closing = body.find("</") if mark.re is _TAG else -1
            for name, arguments in _calls_of(body if closing < 0 else body[:closing], strict=False, whole=body):
                end = start + 1 + (body.count("\n") if closing < 0 else body.count("\n", 0, closing))
                yield _Found(name=name, arguments=arguments, start=start, end=end)


def _parameters(body: str) -> dict[str, object]:
    """Parameters between tags; the last may have lost its closing tag."""
    values: dict[str, object] = {}
    position = 0
    while len(values) < MOST_PARAMETERS and (opening := _PARAMETER.search(body, position)):
        end = body.find("</parameter>", opening.end())
        position = len(body) if end < 0 else end
        values[opening[1].lower()] = body[opening.end() : position].removesuffix("\n")
    return values


def _calls_of(text: str, *, strict: bool, whole: str = "") -> Iterator[tuple[str, dict[str, object] | str]]:
    """Name and arguments of each call in a JSON text; only calls of known tools if ``strict``.

    ``whole`` is a longer text to read from where ``text`` was cut inside of a string.
    """
    for candidate in (text, whole):
        try:
            value = loose_json(candidate)
        except ValueError:
            continue
        for item in value if isinstance(value, list) else [value]:
            call = _call_of(item)
            if call is not None and (not strict or call[0] in NAMES):
                yield call
        return


def _call_of(item: object) -> tuple[str, dict[str, object] | str] | None:
    if not isinstance(item, dict):
        return None
    values: Mapping[str, object] = item
    for key in _NAME_KEYS:
        name = values.get(key)
        if isinstance(name, dict):  # {"type": "function", "function": {...}}
            return _call_of(name)
        if not isinstance(name, str) or not name.strip():
            continue
        given = next((values[key] for key in _ARGUMENT_KEYS if key in values), None)
        if given is None:
            given = {other: value for other, value in values.items() if other not in (key, "type", "id")}
        return name.strip(), given if isinstance(given, dict | str) else json.dumps(given)
    return None


def _inside(call: _Found, others: Sequence[_Found]) -> bool:
    return any(call.start < other.end and other.start < call.end for other in others)


def _give_programs(calls: Sequence[_Found], blocks: Sequence[Block]) -> None:
    """Put each program block into the call that it follows; one that is left, before a call, into that one."""
    left = [block for block in blocks if block.code.strip()]
    for position, call in enumerate(calls):
        later = calls[position + 1].start if position + 1 < len(calls) else None
        after = [block for block in left if block.start >= call.end and (later is None or block.start < later)]
        if after and _give(call, after[0]):
            left.remove(after[0])
    for position, call in enumerate(calls):
        earlier = calls[position - 1].end if position else 0
        before = [block for block in left if earlier <= block.start and block.end <= call.start]
        if before and _give(call, before[-1]):
            left.remove(before[-1])


def _give(call: _Found, block: Block) -> bool:
    if call.name not in TAKES_PROGRAM or not isinstance(call.arguments, dict):
        return False
    if any(str(call.arguments.get(key) or "").strip() for key in ("program", "edits", "code", "source")):
        return False
    call.arguments["edits" if "<<<<<<<" in block.code else "program"] = block.code + "\n"
    return True
