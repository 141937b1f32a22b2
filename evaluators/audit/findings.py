"""What an audit finds out, one line for each thing that it tried."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Part(StrEnum):
    """The parts of an audit, in the order in which they run."""

    SANDBOX = "sandbox"
    HONEST = "honest controls"
    NOISE = "noise floor"
    BOUND = "bound"
    RELATIONS = "metamorphic relations"
    LINT = "task lint"
    CORRUPTED = "corrupted replies"
    CHECKS = "checks switched off"
    CHEATS = "cheats"
    LEFTOVERS = "leftovers"


class Verdict(StrEnum):
    """What came of one attempt."""

    HELD = "held"
    MISSED = "missed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One attempt on the evaluator.

    Args:
        part: which part of the audit it belongs to.
        name: what was tried.
        verdict: whether the evaluator behaved as it must; ``skipped`` says in ``found`` why nothing was tried.
        expected: what had to come, in words.
        found: what came, in words.
        seconds: wall time of the attempt.
    """

    part: Part
    name: str
    verdict: Verdict
    expected: str
    found: str
    seconds: float = 0.0

    @classmethod
    def tried(cls, part: Part, name: str, held: bool, *, expected: str, found: str, seconds: float = 0.0) -> Finding:
        """Something that was tried, and whether the evaluator behaved as it must."""
        verdict = Verdict.HELD if held else Verdict.MISSED
        return cls(part=part, name=name, verdict=verdict, expected=expected, found=found, seconds=seconds)

    @classmethod
    def skipped(cls, part: Part, name: str, why: str) -> Finding:
        """Something that was not tried, and why."""
        return cls(part=part, name=name, verdict=Verdict.SKIPPED, expected="an attempt", found=why)
