"""What reading a model's answer gives: a program, or a reason written for the model."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

LONGEST_REASON = 1_500


class Form(StrEnum):
    """What a model was asked for, and what it gave."""

    EDIT = "edit"
    WHOLE = "whole"


class AnswerError(ValueError):
    """An answer cannot be used; the text tells the model what is wrong and how to mend it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason if len(reason) <= LONGEST_REASON else reason[: LONGEST_REASON - 4] + " ...")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A program read from an answer.

    Args:
        source: the whole new program.
        summary: what the model says that it changed, one line of at most 200 characters; may be empty.
        paradigm: the approach that the model names; may be empty.
        form: edits to the parent (also: functions merged into it), or a program that stands alone.
        tolerated: names of the departures from the format that were put up with, in order of first use.
    """

    source: str
    summary: str
    paradigm: str
    form: Form
    tolerated: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """Lines to find in the parent and lines to put in their place.

    Args:
        name: how to speak of it to the model, such as "edit 2".
        search: lines to find; empty for "add".
        replace: lines to write.
        line: where the answer says that it is, counted from 1; only a hint.
        anchors: lines that the place comes after, outermost first.
    """

    name: str
    search: tuple[str, ...]
    replace: tuple[str, ...]
    line: int | None = None
    anchors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Edits found in an answer.

    Args:
        edits: in order.
        taken: the lines of the answer that hold them.
        tolerated: names of the departures from the format.
        closed: whether a closing line says of all of them that they are complete.
    """

    edits: tuple[Edit, ...]
    taken: frozenset[int]
    tolerated: tuple[str, ...]
    closed: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A piece of an answer that may be code: its text, the lines from `start` up to `end` that hold it.

    Args:
        info: the language that the fence names, in lower case; empty without one.
        code: the text between the fences.
        start: number of its first line in the answer, counted from 0.
        end: number after its last line.
        fenced: whether it stands between fences.
        closed: whether its fence is closed before the answer ends.
    """

    info: str
    code: str
    start: int
    end: int
    fenced: bool = True
    closed: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What the answer is read for; as in `read_answer`."""

    parent: str
    entry: str
    wanted: Form
    template: str | None
    cut: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A program before the last checks."""

    source: str
    form: Form
    tolerated: tuple[str, ...]


def lines_of(text: str) -> tuple[str, ...]:
    """Split a text into lines; a line end at its end does not begin another line."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return tuple(text.removesuffix("\n").split("\n")) if text else ()
