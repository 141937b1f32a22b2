"""What goes over the counter between somebody outside and the driver."""

from __future__ import annotations

import re
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import StrEnum

from db.records import Order
from evaluators.model import Evaluation

PROPOSER = "external"
"""Who wrote a candidate, as the archive names it; its operator is the asker's name."""

MAX_PROGRAM_BYTES = 100_000
"""As many as `evaluators.screen` allows."""

MAX_SUMMARY = 300
MAX_NOTE = 2_000
MAX_PARENTS = 8
ASKER_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}"


class Fault(StrEnum):
    """Why a request is refused."""

    UNUSABLE = "unusable"
    DUPLICATE = "duplicate"
    SETTLED = "settled"
    UNKNOWN = "unknown"
    SPENT = "spent"
    OVER = "over"
    NOT_YOURS = "not yours"
    BUSY = "busy"
    TOO_MANY = "too many"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A request that was not granted.

    Args:
        fault: the kind of reason.
        what: the reason, in one line; may quote the program.
        hint: what to do about it.
        candidate: the candidate that has the ticket, or is the same program.
    """

    fault: Fault
    what: str
    hint: str
    candidate: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """An order as it is handed out.

    Args:
        order: its row in the archive.
        prompt: all that its asker needs, in Markdown.
    """

    order: Order
    prompt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A candidate's first verdict, on train workloads."""

    number: int
    evaluation: Evaluation


@dataclass(frozen=True, slots=True, kw_only=True)
class HandIn:
    """A program from outside.

    Args:
        program: its text.
        asker: who wrote it.
        ticket: the order that it answers; None for one that nobody ordered.
        parents: numbers of the candidates that it was made of; empty for the order's parent, or for the best seed.
        summary: the change in one line.
        hypothesis: what its author believes, for later authors; empty for nothing.
        paradigm: name of its approach, if it is a different one; empty for nothing.
    """

    program: str
    asker: str
    ticket: int | None = None
    parents: tuple[int, ...] = ()
    summary: str = ""
    hypothesis: str = ""
    paradigm: str = ""


@dataclass(slots=True, kw_only=True, eq=False)
class Asked:
    """Somebody waits for an order."""

    asker: str
    answer: Future[Sheet | Refused] = field(default_factory=Future)


@dataclass(slots=True, kw_only=True, eq=False)
class Told:
    """Somebody waits for the verdict on a program; ``number`` is set as soon as it is a candidate."""

    hand_in: HandIn
    answer: Future[Judged | Refused] = field(default_factory=Future)
    number: int | None = None


NOBODY = "agent"
"""The asker of who gives no name."""


def is_asker(name: str) -> bool:
    """Whether an asker may call itself so."""
    return re.fullmatch(ASKER_PATTERN, name) is not None


def one_line(text: str, limit: int) -> str:
    """Text on one line, without control characters, cut where it is too long."""
    joined = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return joined if len(joined) <= limit else joined[: limit - 1] + "…"
