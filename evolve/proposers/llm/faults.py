"""What an error of a model's server means for the request, and for those after it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum

import openai

LONGEST_MESSAGE = 300


class Fault(StrEnum):
    """What may help: waiting, another attempt, a shorter prompt, another request, or nothing."""

    BUSY = "busy"
    PASSING = "passing"
    UNREACHABLE = "unreachable"
    OVERFLOW = "overflow"
    REFUSED = "refused"
    REQUEST = "request"
    PROVIDER = "provider"


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """An error, understood.

    Args:
        fault: what may help.
        message: the server's words in one line, not yet scrubbed.
        status: of the HTTP answer; 0 where there was none.
        parameter: of the request that the server names; empty if none.
        wait_seconds: what the server asks to wait; None if nothing.
        hint: how to mend what no other request can.
        billed: whether the server may have billed something.
    """

    fault: Fault
    message: str
    status: int = 0
    parameter: str = ""
    wait_seconds: float | None = None
    hint: str = ""
    billed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What an overflow says: tokens of the context, and of the prompt in it."""

    context_tokens: int
    prompt_tokens: int


_OVERFLOW = re.compile(
    r"context[ _](?:length|window|size)|exceed_context_size|maximum context|prompt (?:is )?too (?:long|large)"
    r"|too many input tokens|input (?:length|token count|tokens?)(?: \(\d+\))? exceeds?|reduce the length"
    r"|max_new_tokens must be|request too large",
    re.IGNORECASE,
)
_REFUSED = re.compile(
    r"content[ _](?:filter|policy|management)|responsible ?ai|moderation|safety system|flagged", re.IGNORECASE
)
_NO_MONEY = re.compile(
    r"insufficient_quota|billing|credit balance|insufficient (?:balance|credits|funds)", re.IGNORECASE
)
_CONTEXT = re.compile(
    r"context (?:length|window|size)(?: is| of)?(?: only)? \(?(\d+)|available context size \((\d+)", re.IGNORECASE
)
_PROMPT = re.compile(
    r"(\d+) (?:tokens )?in the messages|(\d+) (?:input|prompt) tokens|request \((\d+) tokens\)", re.IGNORECASE
)
_NOT_SENT = {
    "ConnectError",
    "ConnectTimeout",
    "PoolTimeout",
    "ProxyError",
    "UnsupportedProtocol",
    "InvalidURL",
    "LocalProtocolError",
}

_PROVIDER_HINTS = {
    401: "check the key: OPENAI_API_KEY, or api_key_env and api_key_file in the models file",
    402: "add credit to the account, or choose another model",
    403: "check that this key may use this model, from here",
    404: "check the model's name and the base URL, which mostly ends in /v1",
    405: "check the base URL, which mostly ends in /v1",
}


def diagnose(error: openai.APIError) -> Diagnosis:
    """Understand an error of the client."""
    if isinstance(error, openai.APIStatusError):
        return _of_status(error)
    if isinstance(error, openai.APIConnectionError):
        cause = error.__cause__
        kinds = {type(item).__name__ for item in (cause, getattr(cause, "__cause__", None)) if item is not None}
        words = one_line(str(cause) or type(cause).__name__) if cause is not None else one_line(error.message)
        if kinds & _NOT_SENT:
            return Diagnosis(fault=Fault.UNREACHABLE, message=words)
        return Diagnosis(fault=Fault.PASSING, message=f"connection broke: {words}", billed=True)
    # An error that came inside a stream, after a status of 200.
    message, code = _words(error), f"{error.code or ''} {error.type or ''}"
    if _OVERFLOW.search(f"{message} {code}"):
        return Diagnosis(fault=Fault.OVERFLOW, message=message, billed=True)
    if _REFUSED.search(f"{message} {code}"):
        return Diagnosis(fault=Fault.REFUSED, message=message, billed=True)
    return Diagnosis(fault=Fault.PASSING, message=f"error in the stream: {message}", billed=True)


def room_of(message: str) -> Room | None:
    """Sizes that an overflow's message tells; None where it does not tell both."""
    context, prompt = _CONTEXT.search(message), _PROMPT.search(message)
    if context is None or prompt is None:
        return None
    return Room(context_tokens=int(context[1] or context[2]), prompt_tokens=int(prompt[1] or prompt[2] or prompt[3]))


def one_line(text: str) -> str:
    """A server's words without line breaks and tags, cut where they go on and on."""
    line = " ".join(re.sub(r"<[^>]{0,200}>", " ", text).split())
    return line if len(line) <= LONGEST_MESSAGE else line[: LONGEST_MESSAGE - 1] + "…"


def _of_status(error: openai.APIStatusError) -> Diagnosis:
    status, message = error.status_code, _words(error)
    said = f"{message} {error.code or ''} {error.type or ''}"
    fault, hint = _fault(status, said), ""
    if fault is Fault.PROVIDER:
        hint = (
            _PROVIDER_HINTS[402 if status == 429 else status]
            if status in {*_PROVIDER_HINTS, 429}
            else "check the server"
        )
    return Diagnosis(
        fault=fault,
        message=f"HTTP {status}: {message}",
        status=status,
        parameter=error.param or "",
        wait_seconds=_wait(error),
        hint=hint,
    )


def _fault(status: int, said: str) -> Fault:
    if status == 429:
        if _NO_MONEY.search(said):
            return Fault.PROVIDER
        return Fault.OVERFLOW if "request too large" in said.lower() else Fault.BUSY
    if status in {400, 403} and _REFUSED.search(said):
        return Fault.REFUSED
    if status == 413 or (status in {400, 422, 500} and _OVERFLOW.search(said)):
        return Fault.OVERFLOW
    if status in {401, 402, 403, 404, 405}:
        return Fault.PROVIDER
    if status in {408, 409, 425} or status >= 500:
        return Fault.PASSING
    return Fault.REQUEST


def _words(error: openai.APIError) -> str:
    body = error.body
    if isinstance(body, dict):
        detail = body.get("message") or body.get("detail") or body.get("error") or body
        return one_line(str(detail))
    return one_line(str(body or error.message))


def _wait(error: openai.APIStatusError) -> float | None:
    """What the server asks to wait: Retry-After in seconds or as a date (RFC 9110, section 10.2.3)."""
    headers = error.response.headers
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            return max(0.0, float(headers[name]) * unit)
        except (KeyError, ValueError):
            continue
    try:
        until = parsedate_to_datetime(headers["retry-after"])
        # Its own clock, where it shows it: ours may be wrong.
        now = parsedate_to_datetime(headers["date"]) if "date" in headers else datetime.now(UTC)
        return max(0.0, (until - now).total_seconds())
    except (KeyError, ValueError, TypeError):
        return None
