"""How far a server follows the protocol: what it refuses is left out of the next request."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, replace

REFUSALS = (400, 404, 405, 415, 422, 500, 501)
"""Statuses with which servers refuse a parameter: vLLM 400, FastAPI 422, llama.cpp 500, OpenRouter 404."""

_UNSUPPORTED = re.compile(
    r"unsupported|not supported|does ?n[o']t support|not (?:yet )?implemented|requires? (?:the )?--|no endpoints",
    re.IGNORECASE,
)
_UNKNOWN = re.compile(
    _UNSUPPORTED.pattern + r"|unknown|unrecognized|unexpected|not allowed|not permitted|extra (?:inputs|fields)"
    r"|invalid (?:parameter|argument)|requires?|only the default",
    re.IGNORECASE,
)
_AT_MOST = re.compile(r"(?:at most|maximum of|less than or equal to|<=)\s*(\d{2,7})\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """What may be in a request.

    Args:
        streams: whether the answer may come in pieces.
        stream_options: whether usage may be asked for in a stream.
        tools: whether tools may be offered.
        temperature: whether it may be set.
        limit_field: name of the limit on the answer's tokens.
        longest_answer: most tokens that may be asked for; None while not known.
        context_tokens: of prompt and answer together; None while not known.
    """

    streams: bool = True
    stream_options: bool = True
    tools: bool = True
    temperature: bool = True
    limit_field: str = "max_tokens"
    longest_answer: int | None = None
    context_tokens: int | None = None

    def after(self, status: int, message: str, parameter: str, *, tools_sent: bool) -> Dialect | None:
        """The dialect that this refusal teaches; None where it teaches none, so that it is an error."""
        if status not in REFUSALS:
            return None
        said = f"{parameter} {message}".lower()
        # An unexpected error is no verdict on a parameter where the server itself broke.
        refused = (_UNSUPPORTED if status >= 500 else _UNKNOWN).search(said) is not None
        if "max_completion_tokens" in said and self.limit_field == "max_tokens" and refused:
            return replace(self, limit_field="max_completion_tokens")
        if self.limit_field in said:
            return self._after_limit(said, refused=refused)
        if refused and (learned := self._after_parameter(said, tools_sent=tools_sent)) is not None:
            return learned
        return replace(self, streams=False) if status == 501 and self.streams else None

    def _after_parameter(self, said: str, *, tools_sent: bool) -> Dialect | None:
        if tools_sent and self.tools and ("tool" in said or "function call" in said or "functions" in said):
            return replace(self, tools=False)
        if "stream_options" in said or "include_usage" in said:
            return replace(self, stream_options=False) if self.stream_options and self.streams else None
        if "stream" in said and self.streams:
            return replace(self, streams=False)
        if "temperature" in said and self.temperature:
            return replace(self, temperature=False)
        return None

    def merged_into(self, current: Dialect, *, since: Dialect) -> Dialect:
        """What is known now, with what this one learned since a request was sent: others may have learned too."""
        names = [item.name for item in fields(self) if getattr(self, item.name) != getattr(since, item.name)]
        return replace(current, **{name: getattr(self, name) for name in names})

    def _after_limit(self, said: str, *, refused: bool) -> Dialect | None:
        most = _AT_MOST.search(said)
        if most and (self.longest_answer is None or int(most.group(1)) < self.longest_answer):
            return replace(self, longest_answer=int(most.group(1)))
        about_the_other = "max_tokens" in said.replace(self.limit_field, "")
        if refused and self.limit_field == "max_completion_tokens" and not about_the_other:
            return replace(self, limit_field="max_tokens")
        return None
