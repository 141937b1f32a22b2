"""What a run does when a part that it can do without fails on a strange program: it says so and goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
A = TypeVar("A")

FAULTS: tuple[type[Exception], ...] = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)
"""What a mistake of ours raises on a program that nobody thought of. Want of memory, files and the archive is not here:
that is no mistake, and a run must not go on without knowing."""

LONGEST_REASON = 200


def told(error: Exception) -> str:
    """A fault in one line, and whose it is."""
    reason = " ".join(f"{type(error).__name__}: {error}".split())[:LONGEST_REASON]
    return f"{reason}; this is a fault of evolve, please report it"


class Guard:
    """Calls a part that a run can do without. Its first fault is told to a person; each gives a harmless answer.

    Args:
        who: the part, as a sentence begins with it.
        instead: what the run does where the part fails, as "the run goes on without it".
        say: tells a person.
    """

    def __init__(self, who: str, instead: str, say: Callable[[str], None]) -> None:
        self._who = who
        self._instead = instead
        self._say = say
        self.failed = False

    def call(self, part: Callable[[], T], otherwise: T) -> T:
        """What the part answers, or the other value where it fails."""
        try:
            return part()
        except FAULTS as error:
            if not self.failed:
                self.failed = True
                self._say(f"{self._who} failed, {self._instead}: {told(error)}")
            return otherwise

    def around(self, part: Callable[[A], T], otherwise: T) -> Callable[[A], T]:
        """The part as a function that answers with the other value where it fails."""

        def guarded(argument: A) -> T:
            return self.call(lambda: part(argument), otherwise)

        return guarded
