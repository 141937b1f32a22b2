"""What servers really say when they refuse a parameter, and what is left out thereafter."""

from __future__ import annotations

import pytest

from evolve.proposers.llm.dialect import Dialect

LIMIT = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."


TOO_LARGE = "max_tokens is too large: 9000. This model supports at most 4096 completion tokens"
EXTRA = "[{'loc': ['body', 'stream_options'], 'msg': 'Extra inputs are not permitted'}]"
TOOL_CHOICE = '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'
TEMPERATURE = "Unsupported value: 'temperature' does not support 0.2 with this model."


@pytest.mark.parametrize(
    ("status", "message", "parameter", "learned"),
    [
        (400, LIMIT, "max_tokens", Dialect(limit_field="max_completion_tokens")),
        (400, TOO_LARGE, "max_tokens", Dialect(longest_answer=4096)),
        (400, "Unrecognized request argument supplied: stream_options", "", Dialect(stream_options=False)),
        (422, EXTRA, "", Dialect(stream_options=False)),
        (400, "Streaming is not supported for this model", "stream", Dialect(streams=False)),
        (501, "Not Implemented", "", Dialect(streams=False)),
        (400, "registry.ollama.ai/library/llama3:latest does not support tools", "", Dialect(tools=False)),
        (500, "Unsupported param: tools", "", Dialect(tools=False)),
        (500, "tools param requires --jinja flag", "", Dialect(tools=False)),
        (404, "No endpoints found that support tool use.", "", Dialect(tools=False)),
        (400, TOOL_CHOICE, "", Dialect(tools=False)),
        (400, TEMPERATURE, "temperature", Dialect(temperature=False)),
    ],
)
def test_a_refusal_teaches(status: int, message: str, parameter: str, learned: Dialect) -> None:
    assert Dialect().after(status, message, parameter, tools_sent=True) == learned
    assert learned.after(status, message, parameter, tools_sent=learned.tools) is None, "nothing is learned twice"


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, "messages must not be empty"),
        (500, "The server had an unexpected error while streaming your request"),
        (500, "Unknown error in tool parser"),
        (404, "The model 'x' does not exist"),
        (401, "streaming is not supported"),
        (429, "tools are not supported"),
    ],
)
def test_other_errors_teach_nothing(status: int, message: str) -> None:
    assert Dialect().after(status, message, "", tools_sent=True) is None


def test_tools_are_not_given_up_where_none_were_sent() -> None:
    assert Dialect().after(400, "x does not support tools", "", tools_sent=False) is None


def test_a_server_that_wants_the_old_name_of_the_limit_gets_it_back() -> None:
    new = Dialect(limit_field="max_completion_tokens")
    said = "Unrecognized request argument supplied: max_completion_tokens"
    assert new.after(400, said, "", tools_sent=False) == Dialect()


def test_what_several_requests_learned_at_the_same_time_adds_up() -> None:
    sent = Dialect()
    now = Dialect(tools=False)
    assert Dialect(streams=False).merged_into(now, since=sent) == Dialect(tools=False, streams=False)
