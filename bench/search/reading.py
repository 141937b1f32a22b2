"""Reads a prompt as a model without a mind would: its programs, which one is to be changed, the form asked for."""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

SEARCH = "<<<<<<< SEARCH"

_FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})([^\n`]*)$", re.MULTILINE)
_TAG = re.compile(r"<([A-Za-z][A-Za-z0-9_-]*)(?: [^<>\n]*)?>\n(.*?)\n[ \t]*</\1>", re.DOTALL)
_STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"')
_HEADING = re.compile(r"^#{1,6}[ \t].*$", re.MULTILINE)

_TO_CHANGE = re.compile(
    r"current (?:program|solution|code|candidate|component|parent|individual)|first parent|\bparent\b"
    r"|being optimi[sz]ed|program to (?:improve|build on|evolve|change|mutate)|to improve|working program"
    r"|with the following (?:instructions|program|code)|your (?:program|code)|curr_param",
    re.IGNORECASE,
)
_CODE_LINE = re.compile(r"(?:def|class|import|from|@)\b|@|\"{3}|'{3}|[A-Za-z_]\w*[ \t]*(?::[^=\n]*)?=(?!=)|if __name__")
_LEFT_OUT = re.compile(r"^[ \t]*\.\.\.[ \t]*$|^[<=>]{7}(?: |$)", re.MULTILINE)
_JSON_ONLY = re.compile(
    r"\b(?:return|respond|reply|answer|output|provide|give)\b(?:[^.\n]*\bonly\b[^.\n]*\bJSON\b|[^.\n]*\bJSON\b[^.\n]*\bonly\b"
    r"|[^.\n]*\bas (?:a |an )?(?:valid )?JSON\b)[^.\n]*",
    re.IGNORECASE,
)
_PROGRAM_WANTED = re.compile(r"\b(?:program|code|candidate|component|parameters?|solution|rewrite)\b", re.IGNORECASE)
_WHOLE_WANTED = re.compile(
    r"\b(?:complete|whole|full|entire|new|rewritten|improved) (?:program|code|solution|version)\b|\brewrite the\b",
    re.IGNORECASE,
)
_NOT_TO_CHANGE = re.compile(
    r"inspiration|previous|history|attempt|prior|other|second parent|repair|archive",
    re.IGNORECASE,
)


class Form(StrEnum):
    """How an answer is to be written."""

    WHOLE = "whole"
    TAGGED_WHOLE = "tagged_whole"
    DIFF = "diff"
    TAGGED_DIFF = "tagged_diff"
    IDEAS = "ideas"
    JSON = "json"
    NOTHING = "nothing"


@dataclass(frozen=True, kw_only=True)
class Quoted:
    """A program in a prompt: its text, where it stands, the heading above it, and whether it is whole and parses."""

    source: str
    at: int
    heading: str
    language: str
    sound: bool = True


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What a prompt asks for; ``parent`` is None where it holds no program or wants none."""

    parent: Quoted | None
    others: tuple[Quoted, ...]
    form: Form
    wants_summary: bool
    wants_paradigm: bool


def read(prompt: str) -> Reading:
    """Find the programs of a prompt and what is asked."""
    form = _json_form(prompt)
    programs = _distinct(list(_programs(prompt))) if form is None else []
    parent = _parent(programs)
    others = [] if parent is None else [each for each in programs if each.sound and each.source != parent.source]
    return Reading(
        parent=parent,
        others=tuple(others),
        form=form or (_form(prompt) if parent else Form.NOTHING),
        wants_summary="SUMMARY:" in prompt,
        wants_paradigm="PARADIGM:" in prompt,
    )


def _parent(programs: list[Quoted]) -> Quoted | None:
    """The last program under a heading that calls it the one to change, else the last of all, sound ones first."""
    named = [each for each in programs if is_to_change(each.heading)]
    sound = [each for each in programs if each.sound]
    return next(iter(reversed(named or sound or programs)), None)


def _json_form(prompt: str) -> Form | None:
    """What JSON is asked for, where the prompt wants that alone; None where it wants a program."""
    if SEARCH in prompt or "<CODE>" in prompt or "<DIFF>" in prompt:
        return None
    said = _outside_fences(prompt)
    demands = list(_JSON_ONLY.finditer(said))
    if not demands or _PROGRAM_WANTED.search(demands[-1][0]) or _WHOLE_WANTED.search(said, demands[-1].end()):
        return None
    is_array = re.search(r"\bJSON (?:array|list)\b", demands[-1][0], re.IGNORECASE)
    return Form.IDEAS if is_array or "ideas" in demands[-1][0] or "approach_type" in said else Form.JSON


def _outside_fences(prompt: str) -> str:
    return "".join(piece for _, _, piece in _fences(prompt))


def _form(prompt: str) -> Form:
    if "<DIFF>" in prompt:
        return Form.TAGGED_DIFF
    if "<CODE>" in prompt:
        return Form.TAGGED_WHOLE
    return Form.DIFF if SEARCH in prompt else Form.WHOLE


def _programs(prompt: str) -> Iterator[Quoted]:
    """Every program in fences, tags and JSON strings, in order of place."""
    found = [*_fenced(prompt), *_tagged(prompt), *_strings(prompt)]
    yield from sorted(found, key=lambda each: each.at)


def _fences(prompt: str) -> Iterator[tuple[re.Match[str] | None, str, str]]:
    """Fenced blocks: the opening line, the text inside, and the text between it and the block before; the rest last."""
    opened: re.Match[str] | None = None
    outside_from = 0
    for fence in _FENCE.finditer(prompt):
        if opened is None:
            opened = fence
        elif fence[1].startswith(opened[1]) and not fence[2].strip():
            yield opened, prompt[opened.end() + 1 : fence.start()], prompt[outside_from : opened.start()]
            opened, outside_from = None, fence.end()
    yield None, "", prompt[outside_from:]


def _fenced(prompt: str) -> Iterator[Quoted]:
    outside = ""
    for opened, text, before in _fences(prompt):
        outside += before
        if opened is not None:
            language = opened[2].strip().lower()
            sound = is_program(text)
            if sound or is_code(text, language):
                yield Quoted(source=text, at=opened.start(), heading=_heading(outside), language=language, sound=sound)


def _tagged(prompt: str) -> Iterator[Quoted]:
    for match in _TAG.finditer(prompt):
        sound = is_program(match[2])
        if "```" not in match[2] and (sound or _is_torn(match[2])):
            heading = f"{match[1].replace('_', ' ')}\n{_heading(prompt[: match.start()])}"
            yield Quoted(source=match[2], at=match.start(), heading=heading, language="", sound=sound)


def _strings(prompt: str) -> Iterator[Quoted]:
    """Programs as JSON strings, which hold their line ends as escapes."""
    if "\\n" not in prompt:
        return
    for match in _STRING.finditer(prompt):
        if "\\n" in match[0] and "def " in match[0]:
            try:
                text = json.loads(match[0])
            except ValueError:
                continue
            sound = is_program(text)
            if sound or _is_torn(text):
                before = prompt[: match.start()]
                key = before.rpartition("\n")[2][-60:].replace("_", " ")
                yield Quoted(
                    source=text, at=match.start(), heading=f"{key}\n{_heading(before)}", language="", sound=sound
                )


def _heading(before: str) -> str:
    """What stands above a place: a line ending in a colon just before it, then its Markdown headings, inmost first."""
    near = before.rstrip().rpartition("\n")[2].strip()
    chain, level = [near] if near.endswith(":") else [], 7
    for line in reversed(_HEADING.findall(before)):
        depth = len(line) - len(line.lstrip("#"))
        if depth < level:
            chain.append(line.lstrip("# "))
            level = depth
    return "\n".join(chain)


def is_to_change(heading: str) -> bool:
    """Whether the inmost heading that says anything calls the program the one to change."""
    for line in heading.split("\n"):
        if _NOT_TO_CHANGE.search(line):
            return False
        if _TO_CHANGE.search(line):
            return True
    return False


def is_program(text: str) -> bool:
    """Whether a text parses, defines a function, and leaves nothing out with an ellipsis."""
    tree = parsed(text) if "def " in text else None
    if tree is None or any(isinstance(node, ast.Constant) and node.value is Ellipsis for node in ast.walk(tree)):
        return False
    return any(isinstance(node, ast.FunctionDef) for node in tree.body)


def parsed(text: str) -> ast.Module | None:
    """The syntax tree; None where there is none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def is_code(text: str, language: str = "") -> bool:
    """Whether a fenced text is code, be it whole or not, rather than a log, a form to fill in or an edit."""
    if language not in {"", "python", "py", "python3"} or _LEFT_OUT.search(text):
        return False
    lines = [line for line in text.split("\n") if line.strip() and not line.startswith("#")]
    return bool(lines) and (language != "" or _CODE_LINE.match(lines[0]) is not None)


def _is_torn(text: str) -> bool:
    """Whether a text that is no program looks like one all the same; beyond fences that takes a function."""
    return "def " in text and is_code(text)


def _distinct(programs: list[Quoted]) -> list[Quoted]:
    """Without those that stand inside another or say the same under a heading of less weight."""
    kept: list[Quoted] = []
    for each in programs:
        twins = [other for other in kept if other.source.strip() == each.source.strip()]
        if not twins:
            kept.append(each)
        elif is_to_change(each.heading):
            kept.remove(twins[0])
            kept.append(each)
    return kept
