"""What a model says of its own answer."""

from __future__ import annotations

import re
from collections.abc import Sequence

LONGEST_SUMMARY = 200
_LABEL = r"[ \t#>*_-]*+"
_SUMMARY = re.compile(rf"{_LABEL}summary[*_]*+[ \t]*+:[ \t*_]*+(\S.*)", re.IGNORECASE)
_PARADIGM = re.compile(rf"{_LABEL}paradigm[*_]*+[ \t]*+:[ \t*_]*+(\S.*)", re.IGNORECASE)
_OWN_LINE = re.compile(r"(?:\*\*)?(?:SUMMARY|PARADIGM)(?:\*\*)?:")
_NAME = re.compile(r"<NAME>([^<]{1,400})</NAME>", re.IGNORECASE)
_DESCRIPTION = re.compile(r"<DESCRIPTION>([^<]{1,4000})</DESCRIPTION>", re.IGNORECASE)
_TAG = re.compile(r"</?[A-Za-z_]{1,30}>")
_SENTENCE = re.compile(r"(.+?[.!?:])(?:\s|$)")
_NUMBER = re.compile(r"\d+[.)][ \t]+")
_PLEASANTRY = re.compile(
    r"(?:sure|certainly|of course|okay|ok|absolutely|great|yes|no problem|got it|thanks?)"
    r"\b[^.!?:]{0,30}[.!?:,]+\s*",
    re.IGNORECASE,
)
_NOT_SAID = re.compile(
    r"[\w./\\-]+\.\w{1,4}:?|\*\*\* .*|(?:```|~~~).*|diff --git .*|(?i:python3?|py|code)|(?:---|\+\+\+) \S*"
)


def is_own_line(line: str) -> bool:
    """Say whether a line is the summary or paradigm, also where it stands right after code."""
    return bool(_OWN_LINE.match(line))


def summary_of(lines: Sequence[str], prose: Sequence[str]) -> str:
    """Find what the model says that it changed: a line that says so, tags, or its first sentence of prose.

    Args:
        lines: the answer.
        prose: its lines outside of code.
    """
    for group in (prose, lines):
        for line in group:
            match = _SUMMARY.fullmatch(line[:2_000])
            if match:
                return one_line(match[1])
    text = "\n".join(lines)
    named = [one_line(match[1]) for pattern in (_NAME, _DESCRIPTION) if (match := pattern.search(text))]
    if named:
        return one_line(": ".join(part for part in named if part))
    return _first_sentence(prose)


def paradigm_of(lines: Sequence[str]) -> str:
    """Find the approach that the model names."""
    matches = (_PARADIGM.fullmatch(line[:2_000]) for line in lines)
    return next((one_line(match[1]) for match in matches if match), "")


def _first_sentence(prose: Sequence[str]) -> str:
    words: list[str] = []
    for line in prose:
        text = _TAG.sub(" ", line[:2_000]).strip()
        if _NOT_SAID.fullmatch(text) or not any(character.isalpha() for character in text):
            text = ""
        text = _NUMBER.sub("", text.strip(" \t#>*-_"))
        if not words:
            text = _PLEASANTRY.sub("", text, count=1) if _PLEASANTRY.match(text) else text
        if text:
            words.append(text)
        elif words:
            break
        if sum(map(len, words)) > 2 * LONGEST_SUMMARY:
            break
    said = " ".join(words)
    sentence = _SENTENCE.match(said)
    return one_line(sentence[1] if sentence else said).rstrip(":")


def one_line(text: str) -> str:
    """Write a text in one printable line of at most 200 characters."""
    flat = " ".join("".join(c if c.isprintable() else " " for c in text[:8_000]).split()).strip("*_ ")
    return flat if len(flat) <= LONGEST_SUMMARY else f"{flat[: LONGEST_SUMMARY - 3].rstrip()}..."
