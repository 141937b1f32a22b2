"""What has come back of a request so far, in pieces or as a whole, from servers that leave out what they like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from db.records import Usage
from evolve.proposers.llm.wire import ToolCall

MOST_BYTES_PER_TOKEN = 8
"""Twice what tokenizers reach on program text: with more bytes for each token allowed, an answer is over its limit."""

FEW_BYTES_PER_TOKEN = 3
"""As little as they mostly reach: with more pieces than tokens allowed, and so many bytes, it is over its limit too."""

EMPTY_CALL_BYTES = FEW_BYTES_PER_TOKEN + 1
"""What a piece of a tool call without arguments counts at least: more such pieces than tokens are over the limit."""


@dataclass(slots=True)
class _Call:
    id: str = ""
    name: str = ""
    arguments: str = ""


class Reply:
    """Collects an answer. ``complete`` says whether the server finished it; ``usage`` is None until it said so.

    ``heard`` says whether anything came at all, be it only that there is no answer.
    """

    def __init__(self) -> None:
        self.finish = ""
        self.refusal = ""
        self.usage: Usage | None = None
        self.cache_write_tokens = 0
        self.complete = False
        self.heard = False
        self.any_choice = False
        self.pieces = 0
        self.bytes = 0
        self._texts: list[str] = []
        self._calls: list[_Call] = []
        self._by_index: dict[int | str, _Call] = {}

    @property
    def begun(self) -> bool:
        """Whether anything of an answer has come; a model that reasons in secret is silent for long before."""
        return self.pieces > 0

    @property
    def text(self) -> str:
        """The answer so far, without reasoning."""
        return "".join(self._texts)

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """Tools that the model wants called; those without a name are left out."""
        return tuple(
            ToolCall(id=call.id or f"call-{position}", name=call.name, arguments=call.arguments or "{}")
            for position, call in enumerate(self._calls)
            if call.name
        )

    def over(self, tokens: int) -> bool:
        """Whether the answer is longer than so many tokens can be."""
        few = self.pieces > tokens and self.bytes > FEW_BYTES_PER_TOKEN * tokens
        return few or self.bytes > MOST_BYTES_PER_TOKEN * tokens

    def add(self, event: object, *, whole: bool = False) -> None:
        """Take a piece of a stream, or a whole answer, as the JSON that it came as."""
        self.heard = True
        usage = _of(event, "usage")
        if usage is not None:
            self._count(usage)
        choices = _of(event, "choices")
        for choice in choices if isinstance(choices, list) else []:
            if (_of(choice, "index") or 0) != 0:
                continue
            self.any_choice = True
            part = _of(choice, "message" if whole else "delta")
            if part is not None:
                self._take(part)
            finish = _of(choice, "finish_reason")
            if finish:
                self.finish = str(finish)
        self.complete = self.complete or whole or bool(self.finish)

    def ended(self) -> None:
        """The stream is over: one with usage is whole, for that comes last."""
        self.complete = self.complete or self.usage is not None

    def _take(self, part: object) -> None:
        text = _plain(_of(part, "content"))
        reasoning = _plain(_of(part, "reasoning_content")) or _plain(_of(part, "reasoning"))
        refusal = _plain(_of(part, "refusal"))
        if text:
            self._texts.append(text)
        self.refusal += refusal
        size = sum(len(piece.encode("utf-8", "replace")) for piece in (text, reasoning, refusal))
        calls = _of(part, "tool_calls")
        for call in calls if isinstance(calls, list) else []:
            size += self._take_call(call)
        self.pieces += 1 if size else 0
        self.bytes += size

    def _take_call(self, piece: object) -> int:
        """Take a piece of a tool call; gives its size in bytes."""
        function = _of(piece, "function")
        index, identity = _of(piece, "index"), _of(piece, "id")
        index = index if isinstance(index, int | str) else None
        identity = identity if isinstance(identity, str) else "" if identity is None else str(identity)
        name = _plain(_of(function, "name"))
        arguments = _plain(_of(function, "arguments"))
        call = None if index is None else self._by_index.get(index)
        # Some servers number all calls 0: a new identity then begins a new call.
        if call is None or (identity and call.id and identity != call.id):
            call = _Call()
            self._calls.append(call)
            if index is not None:
                self._by_index[index] = call
        # Some servers say identity and name again with each piece: only what is new counts.
        new = [text for text, known in ((identity, call.id), (name, call.name)) if text != known]
        call.id, call.name, call.arguments = call.id or identity, call.name or name, call.arguments + arguments
        size = len("".join([*new, arguments]).encode("utf-8", "replace"))
        return size if arguments else max(size, EMPTY_CALL_BYTES)

    def _count(self, usage: object) -> None:
        prompt, written = _whole(usage, "prompt_tokens"), _whole(usage, "completion_tokens")
        details, read = _of(usage, "completion_tokens_details"), _of(usage, "prompt_tokens_details")
        if prompt == 0 and written == 0:
            return
        # Where reasoning is not among the completion tokens, only the total tells: it is billed all the same.
        written = max(written, _whole(usage, "total_tokens") - prompt)
        self.usage = Usage(
            prompt_tokens=prompt,
            completion_tokens=written,
            reasoning_tokens=min(written, _whole(details, "reasoning_tokens")),
            cached_tokens=min(prompt, _whole(read, "cached_tokens") or _whole(usage, "prompt_cache_hit_tokens")),
        )
        self.cache_write_tokens = _whole(read, "cache_write_tokens")


def _of(holder: object, name: str) -> Any:
    return holder.get(name) if isinstance(holder, dict) else None


def _plain(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list):  # content in parts
        return "".join(_plain(part.get("text")) for part in value if isinstance(part, dict))
    return ""


def _whole(holder: object, name: str) -> int:
    value = _of(holder, name)
    # No archive holds more than 64 bits, and no model writes a billion tokens.
    return min(value, 10**9) if isinstance(value, int) and value > 0 else 0
