"""How much an agent may do for one program, and how much it has done."""

from __future__ import annotations

from dataclasses import dataclass

from reports.text import count


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentLimits:
    """Bounds of one conversation. When one of the first three is reached, one last request asks to hand in.

    Args:
        turns: requests to the model.
        calls: tool calls over all turns, those answered from memory or refused included.
        tokens: of all requests, read and written; the last one begins while there is room for one of the size of the
            one before, so that it may pass the limit by what a conversation grows in one turn.
        evaluations: programs tried out.
        calls_per_turn: tool calls of one answer; further ones are not read.
        nudges: answers without a call and without a program that are put up with.
        hypotheses: notes for later authors.
        prompt_bytes: of the prompt, in UTF-8. Every turn pays for it again, so that it is shorter than for one answer.
        result_bytes: of the result of one call, in UTF-8.
        argument_characters: of the arguments of one call.
    """

    turns: int = 12
    calls: int = 40
    tokens: int = 60_000
    evaluations: int = 4
    calls_per_turn: int = 8
    nudges: int = 2
    hypotheses: int = 3
    prompt_bytes: int = 30_000
    result_bytes: int = 12_000
    argument_characters: int = 200_000

    def __post_init__(self) -> None:
        """Refuse bounds with which nothing can be done."""
        for name in ("turns", "calls", "tokens", "calls_per_turn", "argument_characters"):
            if getattr(self, name) < 1:
                raise ValueError(f"agent limits: {name} = {getattr(self, name)}; give at least 1")
        if self.result_bytes < SMALLEST_RESULT_BYTES:
            raise ValueError(f"agent limits: result_bytes = {self.result_bytes}; give at least {SMALLEST_RESULT_BYTES}")


SMALLEST_RESULT_BYTES = 4_000


class Meter:
    """Counts what one conversation uses."""

    def __init__(self, limits: AgentLimits) -> None:
        self.limits = limits
        self.turns = 0
        self.calls = 0
        self.evaluations = 0
        self.tokens = 0
        self._last_tokens = 0

    def turn(self, tokens: int) -> None:
        """A request was answered."""
        self.turns += 1
        self.tokens += tokens
        self._last_tokens = tokens

    @property
    def reached(self) -> str:
        """Which bound leaves room for one last request at most, in words; empty while there is more."""
        limits = self.limits
        if self.turns >= limits.turns:
            return f"all {count(limits.turns, 'turn')} are used"
        if self.calls >= limits.calls:
            return f"all {count(limits.calls, 'tool call')} are used"
        if self.tokens + self._last_tokens >= limits.tokens:
            return f"{count(self.tokens)} of {count(limits.tokens, 'token')} are used"
        return ""

    @property
    def evaluations_left(self) -> int:
        """Programs that may still be tried out."""
        return max(0, self.limits.evaluations - self.evaluations)

    @property
    def left(self) -> str:
        """What is left, in words for the model."""
        limits = self.limits
        parts = (
            count(max(0, limits.turns - self.turns), "turn"),
            count(max(0, limits.calls - self.calls), "tool call"),
            count(self.evaluations_left, "evaluation"),
            count(max(0, limits.tokens - self.tokens), "token"),
        )
        return f"Left: {', '.join(parts)}."
