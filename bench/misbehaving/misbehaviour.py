"""What the misbehaving server can do wrong, and how it keeps its books."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

FAULTS = (
    "429",
    "500",
    "503",
    "slow",
    "cut",
    "malformed",
    "empty_choices",
    "empty_text",
    "giant",
    "no_usage",
    "refused",
)
"""What a share of all requests meets, each as often as the others unless a mix says otherwise."""

ERRORS = {
    "500": (500, "The server had an unexpected error while streaming your request.", "server_error"),
    "quota": (429, "You exceeded your current quota, check your billing.", "insufficient_quota"),
    "forbidden": (403, "This key may not use this model.", "forbidden"),
    "unknown": (404, "The model {model!r} does not exist.", "model_not_found"),
    "echo_key": (400, "what is this? Authorization: Bearer {key}", "bad_request"),
    "filter": (400, "The prompt was flagged by our content filter.", "content_filter"),
}
"""Faults that are an error and nothing else: status, words and code. Those without a share come by command only."""

REFUSES = {
    "no_stream": ("stream", "Streaming is not supported."),
    "no_options": ("stream_options", "Unrecognized request argument supplied: stream_options"),
    "no_tools": ("tools", "registry/model:7b does not support tools"),
    "no_temperature": ("temperature", "Unsupported value: 'temperature' does not support 0.2 with this model."),
    "completion_tokens": (
        "max_tokens",
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
    ),
}
"""Servers that do not take a parameter, by command: which, and their words."""

HABITS = (
    "fine",
    "429_date",
    "drop",
    "stall",
    "context",
    "empty_stream",
    "short",
    "ignores_stream",
    "tool",
    "reasoning",
    "hidden_reasoning",
)
"""Further commands: no fault; a 429 with a date; a dropped connection; silence amid an answer; a small context; a
stream that ends without a word; a small limit of answers; a stream that is none; a tool call; reasoning that is shown;
reasoning that only the total counts.
"""

SHORT_TOKENS = 100


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """How the server behaves; ``mix`` weighs FAULTS, ``key`` is the only one accepted where it is not empty."""

    latency_seconds: float = 0.0
    faults: float = 0.0
    mix: Mapping[str, float] = field(default_factory=lambda: dict.fromkeys(FAULTS, 1.0))
    seed: int = 0
    retry_after_seconds: float = 1.0
    slow_seconds: float = 3.0
    giant_tokens: int = 20_000
    piece_tokens: int = 50
    context_tokens: int = 2048
    key: str = ""


@dataclass(kw_only=True)
class Entry:
    """What a request was billed; ``status`` is 0 where the connection was dropped without one."""

    number: int
    model: str
    fault: str
    status: int = 200
    prompt_tokens: int = 0
    completion_tokens: int = 0


def tokens_of(text: str) -> int:
    return -(-len(text.encode()) // 4)
