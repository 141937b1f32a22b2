"""Errors as servers word them, and what they mean for a request."""

from __future__ import annotations

import httpx2
import openai
import pytest

from evolve.proposers.llm.faults import Fault, Room, diagnose, one_line, room_of

REQUEST = httpx2.Request("POST", "http://127.0.0.1/v1/chat/completions")
CLIENT = openai.OpenAI(api_key="none", base_url="http://127.0.0.1/v1")


def error(status: int, body: object, **headers: str) -> openai.APIStatusError:
    """The error that the client makes of such an answer."""
    made = httpx2.Response(status, json=body, headers=headers, request=REQUEST)
    return CLIENT._make_status_error_from_response(made)


MAXIMUM = "This model's maximum context length is 8192 tokens. However, "
OPENAI = MAXIMUM + "your messages resulted in 9000 tokens."
BOTH = MAXIMUM + "you requested 9000 tokens (1000 in the messages, 8000 in the completion)."
VLLM = (
    "You passed 1015 input tokens and requested 10 output tokens. However, the model's context length is only 1024 "
    "tokens, resulting in a maximum input length of 1014 tokens."
)
VLLM_LIMIT = (
    "'max_tokens' or 'max_completion_tokens' is too large: 8192. This model's maximum context length is 4096 tokens "
    "and your request has 300 input tokens (8192 > 4096 - 300)."
)
LLAMA = "request (1407 tokens) exceeds the available context size (256 tokens), try increasing it"
OLD_LLAMA = "the request exceeds the available context size. try increasing the context size or enable context shift"

OVERFLOWS = [
    (400, OPENAI, None),
    (400, BOTH, Room(context_tokens=8192, prompt_tokens=1000)),
    (400, VLLM, Room(context_tokens=1024, prompt_tokens=1015)),
    (400, VLLM_LIMIT, Room(context_tokens=4096, prompt_tokens=300)),
    (500, OLD_LLAMA, None),
    (400, LLAMA, Room(context_tokens=256, prompt_tokens=1407)),
    (400, "Requested tokens (5000) exceed context window of 2048", None),  # llama-cpp-python
    (400, "the input length exceeds the context length", None),  # Ollama
    (400, "prompt is too long: 210000 tokens > 200000 maximum", None),  # Anthropic
    (400, "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).", None),  # Google
    (413, "Payload Too Large", None),
    (429, "Request too large for gpt-x on tokens per min (TPM): Limit 30000, Requested 50000.", None),
]


@pytest.mark.parametrize(("status", "message", "room"), OVERFLOWS)
def test_a_prompt_that_is_too_long_is_known_by_each_servers_words(status: int, message: str, room: Room | None) -> None:
    assert diagnose(error(status, {"error": {"message": message}})).fault is Fault.OVERFLOW
    assert room_of(message) == room


@pytest.mark.parametrize(
    ("status", "body", "fault"),
    [
        (400, {"error": {"message": "bad", "code": "content_filter"}}, Fault.REFUSED),
        (403, {"error": {"message": "Your input was flagged by moderation"}}, Fault.REFUSED),
        (400, {"error": {"message": "messages: at least one is required"}}, Fault.REQUEST),
        (401, {"error": {"message": "Incorrect API key"}}, Fault.PROVIDER),
        (402, {"error": {"message": "Insufficient Balance"}}, Fault.PROVIDER),
        (404, {"error": {"message": "The model does not exist"}}, Fault.PROVIDER),
        (429, {"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}}, Fault.PROVIDER),
        (429, {"error": {"message": "Rate limit reached"}}, Fault.BUSY),
        (429, {"object": "error", "message": "too many requests", "code": 429}, Fault.BUSY),
        (408, {}, Fault.PASSING),
        (409, {}, Fault.PASSING),
        (500, {"detail": "Internal Server Error"}, Fault.PASSING),
        (529, {"error": {"message": "overloaded"}}, Fault.PASSING),
    ],
)
def test_every_status_means_what_helps(status: int, body: object, fault: Fault) -> None:
    found = diagnose(error(status, body))
    assert found.fault is fault
    assert found.status == status
    assert not found.billed
    assert bool(found.hint) == (fault is Fault.PROVIDER)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.25"}, 0.25),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": "Sun, 22 Nov 2026 10:00:30 GMT", "date": "Sun, 22 Nov 2026 10:00:00 GMT"}, 30.0),
        ({"retry-after": "Sun, 22 Nov 2026 09:00:00 GMT", "date": "Sun, 22 Nov 2026 10:00:00 GMT"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_read_in_each_form(headers: dict[str, str], seconds: float | None) -> None:
    assert diagnose(error(429, {}, **headers)).wait_seconds == seconds


def test_pages_and_long_words_become_one_short_line() -> None:
    assert one_line("<html><body>\n<h1>Bad\nGateway</h1></body></html>") == "Bad Gateway"
    assert len(one_line("word " * 500)) == 300
