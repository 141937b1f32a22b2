"""A conversation with a model: as we hold it, as it goes over the wire, and how many tokens it can be."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from db.records import Message, Usage

MESSAGE_TOKENS = 16
"""Upper bound of what a chat template adds around a message."""

TEMPLATE_TOKENS = 256
"""Upper bound of what a chat template adds around a conversation, such as a default system prompt."""

TOOLS_TOKENS = 1024
"""Upper bound of what servers say to a model about tools, apart from the tools themselves."""

BYTES_PER_TOKEN = 3
"""Of program text, on the low side of what today's tokenizers reach; for estimates where no money is at stake."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolSpec:
    """A tool that a model may call; ``parameters`` is a JSON schema."""

    name: str
    description: str
    parameters: Mapping[str, Any] = field(default_factory=lambda: {"type": "object", "properties": {}})


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A model's wish to have a tool called; ``arguments`` should be JSON, but a model wrote it."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A message of a conversation; ``role`` is system, user, assistant or tool."""

    role: str
    text: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """A model's answer, secrets scrubbed.

    Args:
        text: what it says.
        finish: why it stopped: ``stop``, ``tool_calls``, or ``length`` where it was cut at the limit.
        usage: tokens of the request that was answered; failed attempts before it have their own rows in the archive.
        cost: of the same request, in US dollars; None where the price is unknown.
        tool_calls: tools that it wants called.
        tools_offered: whether the server was told of the tools; if not, it takes none, and a text protocol must do.
    """

    text: str
    finish: str
    usage: Usage
    cost: float | None
    tool_calls: tuple[ToolCall, ...] = ()
    tools_offered: bool = False


def messages_of(turns: Sequence[Turn], *, with_tools: bool) -> list[dict[str, Any]]:
    """The conversation as the protocol wants it; without tools, their calls and results become plain text."""
    messages: list[dict[str, Any]] = []
    for turn in turns:
        if not with_tools and (turn.tool_calls or turn.role == "tool"):
            role = "user" if turn.role == "tool" else turn.role
            messages.append({"role": role, "content": text_of(turn)})
            continue
        message: dict[str, Any] = {"role": turn.role, "content": turn.text}
        if turn.tool_calls:
            message["tool_calls"] = [
                {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
                for call in turn.tool_calls
            ]
        if turn.role == "tool":
            message["tool_call_id"] = turn.tool_call_id
        messages.append(message)
    return messages


def tools_of(tools: Iterable[ToolSpec]) -> list[dict[str, Any]]:
    """Tools as the protocol wants them."""
    return [
        {
            "type": "function",
            "function": {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)},
        }
        for tool in tools
    ]


def text_of(turn: Turn) -> str:
    """A turn as text alone: tool calls and the name of a result's call included."""
    parts = [turn.text] if turn.text else []
    if turn.role == "tool" and turn.tool_call_id:
        parts.insert(0, f"[result of tool call {turn.tool_call_id}]")
    parts += [f"[tool call {call.id}] {call.name} {call.arguments}" for call in turn.tool_calls]
    return "\n".join(parts)


def record_of(turns: Sequence[Turn], tools: Sequence[ToolSpec]) -> tuple[Message, ...]:
    """The conversation as the archive keeps it; tools that were offered come first."""
    offered = (Message(role="system", text="[tools offered] " + json.dumps(tools_of(tools))),) if tools else ()
    return (*offered, *(Message(role=turn.role, text=text_of(turn)) for turn in turns))


def prompt_bytes(turns: Sequence[Turn], tools: Sequence[ToolSpec]) -> int:
    """UTF-8 bytes of all that a model is given to read."""
    texts = [text_of(turn) for turn in turns]
    if tools:
        texts.append(json.dumps(tools_of(tools), ensure_ascii=False))
    return sum(len(text.encode("utf-8", "replace")) for text in texts)


def prompt_bound(turns: Sequence[Turn], tools: Sequence[ToolSpec]) -> int:
    """Upper bound of a prompt's tokens: every token stands for at least one byte, or comes from the template."""
    around = TEMPLATE_TOKENS + MESSAGE_TOKENS * len(turns) + (TOOLS_TOKENS if tools else 0)
    return prompt_bytes(turns, tools) + around


def prompt_estimate(turns: Sequence[Turn], tools: Sequence[ToolSpec]) -> int:
    """A likely number of a prompt's tokens."""
    return -(-prompt_bytes(turns, tools) // BYTES_PER_TOKEN) + MESSAGE_TOKENS * len(turns)
