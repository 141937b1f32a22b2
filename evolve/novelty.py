"""Is a program new enough to pay for its evaluation? Its tokens against those of the programs it would live among."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from types import MappingProxyType

THRESHOLD = 1.0
"""Refused from this similarity on. One token changed in N costs about ``2 * SHINGLE / N``, so that any threshold below
1 refuses tuned constants in programs that are long enough. At 1 the order of all tokens is compared too, for programs
whose steps are swapped may have the same shingles."""

SHINGLE = 4
"""Tokens in a row that are compared as one."""

SLOTS = 4_096
"""Of the quick comparison that comes first."""

REMEMBERED = 1_000
"""Programs in mind; the one that was remembered first makes room."""

NUMBER_STEP = 0.01
"""Width of the bins of floats, relative: two that are farther apart than this are never the same."""

# Every part is possessive and reads on to the end where its own end is missing, so that nothing is read twice.
_TOKEN = re.compile(
    r"""
    (?P<space> [ \t\f]*+ )
    (?: (?P<string>  (?: [rR][bBfF]?+ | [bBfFuU][rR]?+ )?
                     (?: "{3} (?:[^"\\]++|\\.|"(?!""))*+ (?:"{3})? | '{3} (?:[^'\\]++|\\.|'(?!''))*+ (?:'{3})?
                       | " (?:[^"\\\r\n]++|\\.)*+ "?               | ' (?:[^'\\\r\n]++|\\.)*+ '? ) )
      | (?P<name>    [^\W\d]\w*+ )
      | (?P<other>   [-+*/%@&|^=!<>]= | \*\*=? | //=? | <<=? | >>=? | -> | := | [][(){},:;=+*/<>%&|^~@!?$`-]
                   | \.(?!\d) )
      | (?P<newline> \r?\n | \r )
      | (?P<comment> \#[^\r\n]*+ )
      | (?P<exact>   0[xX][0-9a-fA-F_]++ | 0[bB][01_]++ | 0[oO][0-7_]++ )
      | (?P<number>  (?: [0-9][0-9_]*+ \.?+ [0-9_]*+ | \.[0-9][0-9_]*+ ) (?:[eE][+-]?[0-9]++)? )
      | (?P<joined>  \\\r?\n | \Z )
      | (?P<stray>   . ) )
    """,
    re.VERBOSE | re.DOTALL,
)
_SKIPPED = frozenset({"comment", "joined"})
_DEPTH = MappingProxyType({"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1})


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What is compared of a program.

    Args:
        shingles: a hash of every run of `SHINGLE` tokens.
        slots: one byte for each of `SLOTS` residues of those hashes, 1 where there is one, read as one number.
        whole: a hash of all tokens in their order.
    """

    shingles: frozenset[int]
    slots: int
    whole: int

    @classmethod
    def of(cls, source: str) -> Profile:
        """Take a program's profile. Hashes of text differ between processes; only ever compare those of one."""
        found = list(tokens(source))
        width = max(1, min(SHINGLE, len(found)))
        counts = Counter(map(hash, zip(*(found[start:] for start in range(width)), strict=False)))
        # The second time that a run occurs it is another shingle, so that a repetition counts.
        again = (hash((shingle, nth)) for shingle, count in counts.items() for nth in range(1, count))
        shingles = frozenset(chain(counts, again))
        taken = bytearray(SLOTS)
        for shingle in shingles:
            taken[shingle % SLOTS] = 1
        return cls(shingles=shingles, slots=int.from_bytes(taken), whole=hash(tuple(found)))

    def most_alike(self, other: Profile) -> float:
        """What the similarity cannot exceed, at a fraction of its cost: where slots differ, shingles do."""
        both = len(self.shingles) + len(other.shingles)
        differing = (self.slots ^ other.slots).bit_count()
        return (both - differing) / (both + differing) if both else 1.0

    def similarity(self, other: Profile) -> float:
        """Share of the shingles of either program that both have (Jaccard), in 0..1."""
        common = len(self.shingles & other.shingles)
        either = len(self.shingles) + len(other.shingles) - common
        return common / either if either else 1.0


class Novelty:
    """Remembers programs by number and says when another one is like one of them.

    Comments, docstrings, blank lines and line breaks inside brackets do not count. Floats count by their bin, of
    the relative width `NUMBER_STEP`: 0.9 tuned to 0.5 is new, 0.9 tuned to 0.9001 is not. Every other token does, and
    so does every integer as it is: one more item of a list may matter.

    Args:
        threshold: similarity from which on a program is refused, in 0..1; at 1 only where the order is the same too.
        remembered: how many programs are kept in mind.

    Raises:
        ValueError: a threshold outside 0..1, or nothing to be remembered.
    """

    def __init__(self, *, threshold: float = THRESHOLD, remembered: int = REMEMBERED) -> None:
        if not 0 < threshold <= 1:
            raise ValueError(f"threshold must be above 0 and at most 1, got {threshold}")
        if remembered < 1:
            raise ValueError(f"remembered must be at least 1, got {remembered}")
        self._threshold = threshold
        self._most = remembered
        self._profiles: dict[int, Profile] = {}

    def remember(self, number: int, source: str) -> None:
        """Keep a program in mind under its number."""
        if number in self._profiles:
            return
        self._profiles[number] = Profile.of(source)
        if len(self._profiles) > self._most:
            del self._profiles[next(iter(self._profiles))]

    def forget(self, number: int) -> None:
        """A program is of no interest any more; one that is not known is ignored."""
        self._profiles.pop(number, None)

    def objection(self, source: str, neighbours: Sequence[int]) -> str | None:
        """Why a program is not new among some that are remembered; None where it is.

        Args:
            source: its text.
            neighbours: numbers of those that it must differ from; the ones not remembered count for nothing.
        """
        known = [(number, self._profiles[number]) for number in neighbours if number in self._profiles]
        if not known:
            return None
        mine = Profile.of(source)
        alike = [(mine.similarity(theirs), -number) for number, theirs in known if self._may_be_alike(mine, theirs)]
        nearest, minus_number = max(alike, default=(0.0, 0))
        if nearest < self._threshold:
            return None
        share = f"{math.floor(1000 * nearest) / 10:g} %"
        return (
            f"it repeats candidate {-minus_number}: {share} of the code is the same, "
            f"comments and changes of floats by less than about {100 * NUMBER_STEP:g} % aside"
        )

    def _may_be_alike(self, one: Profile, other: Profile) -> bool:
        """Rule out most programs at a fraction of the cost of their similarity."""
        return one.whole == other.whole if self._threshold == 1 else one.most_alike(other) >= self._threshold


def tokens(source: str) -> Iterator[str]:
    """Read a program's tokens as they are compared. What is no valid Python is read as well as can be.

    Ends of statements and changes of indentation are tokens; other whitespace, comments and docstrings are not.
    """
    indentation = 0
    for width, statement in _statements(source):
        if len(statement) == 1 and statement[0][0] == "string":
            continue
        if width != indentation:
            yield ">" if width > indentation else "<"
            indentation = width
        for kind, text in statement:
            yield _bin_of(text) if kind == "number" else text
        yield "\n"


def _statements(source: str) -> Iterator[tuple[int, list[tuple[str, str]]]]:
    """Split into logical lines: width of the indentation, then kind and text of every token."""
    statement: list[tuple[str, str]] = []
    depth = width = 0
    for match in _TOKEN.finditer(source):
        kind = match.lastgroup
        if kind is None or kind in _SKIPPED:
            continue
        if kind == "newline":
            if statement and not depth:
                yield width, statement
                statement = []
            continue
        text = match[kind]
        if not statement:
            width = match.end("space") - match.start()
        if kind == "other":
            depth = max(0, depth + _DEPTH.get(text, 0))
        statement.append((kind, text))
    if statement:
        yield width, statement


def _bin_of(text: str) -> str:
    """Name the bin of a float: 0 and 1 % steps on a logarithmic scale; an integer has one of its own."""
    if not set(text) & set(".eE"):
        return text.replace("_", "").lstrip("0") or "0"
    value = float(text.replace("_", ""))
    if not value or math.isinf(value):
        return str(value)
    return f"~{round(math.log(value) / NUMBER_STEP)}"
