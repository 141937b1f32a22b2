"""The two ways in which a model calls tools: by the protocol's own means, or in plain text."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from evolve.proposers.llm.agent.arguments import Arguments, ArgumentsError
from evolve.proposers.llm.agent.limits import AgentLimits
from evolve.proposers.llm.agent.texts import protocol_text
from evolve.proposers.llm.agent.textual import read_calls
from evolve.proposers.llm.agent.tools import CLOSING_TOOLS, TOOLS
from evolve.proposers.llm.wire import Completion, ToolCall, ToolSpec, Turn

QUOTED_CHARACTERS = 12_000
"""How much of an answer's text stays in the conversation."""

REMEMBERED_CHARACTERS = 60_000
"""How much of the arguments of a call stays in the conversation."""


_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def said(text: str) -> str:
    """An answer's text as it stays in the conversation."""
    # Half of a surrogate pair cannot be sent back.
    return text[:QUOTED_CHARACTERS].encode("utf-8", "replace").decode("utf-8")


class Voice(Protocol):
    """How calls come in and how results go out."""

    def system(self, text: str) -> str:
        """The system prompt, with what the model must know about calling."""

    def tools(self, *, closing: bool) -> tuple[ToolSpec, ...]:
        """What is offered by the protocol's own means."""

    def calls(self, completion: Completion) -> tuple[ToolCall, ...]:
        """The calls of an answer, in order."""

    def turns(self, completion: Completion, calls: Sequence[ToolCall], results: Sequence[str]) -> list[Turn]:
        """An answer with calls, and their results, as the conversation goes on; the last turn is ours."""


class NativeVoice:
    """Calls by the protocol's own means."""

    def __init__(self, limits: AgentLimits) -> None:
        self._limits = limits

    def system(self, text: str) -> str:
        """See `Voice`: the server says what tools there are."""
        return text

    def tools(self, *, closing: bool) -> tuple[ToolSpec, ...]:
        """See `Voice`."""
        return CLOSING_TOOLS if closing else TOOLS

    def calls(self, completion: Completion) -> tuple[ToolCall, ...]:
        """See `Voice`; each gets an identity of its own."""
        taken: set[str] = set()
        calls = []
        for position, call in enumerate(completion.tool_calls):
            identity = call.id if call.id not in taken else f"{call.id}-{position}"
            taken.add(identity)
            calls.append(replace(call, id=identity))
        return tuple(calls)

    def turns(self, completion: Completion, calls: Sequence[ToolCall], results: Sequence[str]) -> list[Turn]:
        """See `Voice`."""
        answer = Turn(
            role="assistant",
            text=said(completion.text),
            tool_calls=tuple(self._remembered(call) for call in calls),
        )
        return [
            answer,
            *(
                Turn(role="tool", text=result, tool_call_id=call.id)
                for call, result in zip(calls, results, strict=True)
            ),
        ]

    def _remembered(self, call: ToolCall) -> ToolCall:
        """A call as it stays in the conversation: servers read name and arguments again, and fail on odd ones."""
        if not _NAME.fullmatch(call.name):
            call = replace(call, name="unreadable")
        if len(call.arguments) > REMEMBERED_CHARACTERS:
            return replace(call, arguments=json.dumps({"left_out": f"{len(call.arguments):,} characters"}))
        try:
            values = Arguments(call.arguments, self._limits.argument_characters).values
        except ArgumentsError:
            return replace(call, arguments=json.dumps({"unreadable": call.arguments[:200]}))
        return replace(call, arguments=json.dumps(values))


class TextVoice:
    """Calls in plain text.

    Args:
        parent: the program that answers may quote.
    """

    def __init__(self, parent: str) -> None:
        self._parent = parent

    def system(self, text: str) -> str:
        """See `Voice`."""
        return f"{text.rstrip()}\n\n{protocol_text()}"

    def tools(self, *, closing: bool) -> tuple[ToolSpec, ...]:
        """See `Voice`: none."""
        del closing
        return ()

    def calls(self, completion: Completion) -> tuple[ToolCall, ...]:
        """See `Voice`; some servers make calls out of text by themselves, whether tools were offered or not."""
        return read_calls(completion.text, self._parent) or completion.tool_calls

    def turns(self, completion: Completion, calls: Sequence[ToolCall], results: Sequence[str]) -> list[Turn]:
        """See `Voice`."""
        parts = [
            f"# Result of call {position}, {call.name if _NAME.fullmatch(call.name) else 'unreadable'}\n\n{result}"
            for position, (call, result) in enumerate(zip(calls, results, strict=True), start=1)
        ]
        return [
            Turn(
                role="assistant",
                text=said(completion.text or "\n".join(f"{call.name} {call.arguments}" for call in calls)),
            ),
            Turn(role="user", text="\n".join(parts)),
        ]
