"""An answer without what is not said to us: reasoning, control tokens, broken characters."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from evolve.proposers.llm.answers.characters import plain_spaces, unescape_entities

LONGEST_RAW = 2_000_000
LONGEST_ANSWER = 250_000
_MOST_THOUGHTS = 2_000
_THOUGHT_TAGS = "think|thinking|thought|thoughts|reasoning|analysis|reflection|scratchpad"
_THOUGHT = re.compile(rf"<(/?)({_THOUGHT_TAGS})>|\[(/?)(think)\]|◁(/?)(think)▷", re.IGNORECASE)
_CHANNEL = re.compile(r"<\|channel\|>[ \t]*+(\w{1,20})[^<\n]{0,80}(?:<\|message\|>)?")
_TOKEN = re.compile(
    r"<\|(?:channel|message|start|end|return|im_start|im_end|endoftext|eot_id|eom_id|assistant)\|>|</s>"
)
_BAD = re.compile("\x1b\\[[0-9;]{0,20}m|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_ROLE = re.compile(r"\s*+(?:assistant|final)\b:?[ \t]*+\n", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaned:
    """The text to read, its lines end with a line feed; and what was tolerated."""

    text: str
    tolerated: tuple[str, ...]


def clean(text: str, parent: str, *, cut: bool = False) -> Cleaned:
    """Leave what a model says to us, in plain characters; what the parent itself holds stays as it is.

    Args:
        text: all that it returned.
        parent: the program that it was shown.
        cut: whether the text was cut off; then reasoning that is never closed is all reasoning.
    """

    def without_thoughts(text: str) -> str:
        return _without_thoughts(text, cut=cut)

    def unescaped(text: str) -> str:
        plain = unescape_entities(text, known=parent)
        return without_thoughts(plain) if plain != text else text

    tolerated = []
    rest = text[:LONGEST_RAW]
    steps = (
        ("line ends", lambda text: text.replace("\r\n", "\n").replace("\r", "\n")),
        ("broken characters", lambda text: _BAD.sub("", text)),
        ("unusual spaces", lambda text: plain_spaces(text, known=parent)),
        ("reasoning", without_thoughts),
        ("reasoning", _final_channel),
        ("giant answer", lambda text: text[:LONGEST_ANSWER]),
        ("control tokens", lambda text: _TOKEN.sub("", text)),
        ("HTML entities", unescaped),
    )
    if len(rest) < len(text):
        tolerated.append("giant answer")
    for name, step in steps:
        changed = step(rest)
        if changed != rest and name not in tolerated:
            tolerated.append(name)
        rest = changed
    return Cleaned(text=rest, tolerated=tuple(tolerated))


def _without_thoughts(text: str, *, cut: bool) -> str:
    """Drop tagged reasoning; a tag that is never closed goes alone, and all before one that was never opened."""
    marks = [
        (match, bool(match[1] or match[3] or match[5]), (match[2] or match[4] or match[6]).lower())
        for match in islice(_own_tags(text), _MOST_THOUGHTS)
    ]
    last_close = {name: number for number, (_, closes, name) in enumerate(marks) if closes}
    kept: list[str] = []
    position = 0
    inside: str | None = None
    for number, (match, closes, name) in enumerate(marks):
        if inside is not None:
            if closes and name == inside:
                position, inside = match.end(), None
        elif closes:
            # Templates of several models put the opening tag into the prompt.
            kept, position = [], match.end()
        else:
            kept.append(text[position : match.start()])
            position = match.end()
            inside = name if cut or last_close.get(name, -1) > number else None
    if inside is not None:
        position = len(text)
    return "".join([*kept, text[position:]])


def _own_tags(text: str) -> Iterator[re.Match[str]]:
    """Find reasoning tags that begin or end a line: those inside a line of code are text."""
    for match in _THOUGHT.finditer(text):
        before, after = text[match.start() - 1 : match.start()], text[match.end() : match.end() + 1]
        if not match.start() or before == "\n" or after in {"", "\n"}:
            yield match


def _final_channel(text: str) -> str:
    """Keep what was said in the last final channel, where the text has channels."""
    channels = list(_CHANNEL.finditer(text))
    finals = [match for match in channels if match[1].lower() == "final"]
    if finals:
        text = text[finals[-1].end() :]
    elif channels:
        text = text[channels[-1].end() :]
    else:
        return text
    return _ROLE.sub("", text, count=1) if _ROLE.match(text) else text
