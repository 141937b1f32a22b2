"""One request over the wire: what is in it, and how its answer is collected."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import httpx2
import openai

from evolve.proposers.llm.dialect import Dialect
from evolve.proposers.llm.errors import ContextOverflowError, ProviderError
from evolve.proposers.llm.faults import diagnose, one_line
from evolve.proposers.llm.models import NO_KEY, Model
from evolve.proposers.llm.reply import Reply
from evolve.proposers.llm.scrub import Scrubber
from evolve.proposers.llm.wire import ToolSpec, Turn, messages_of, tools_of

OPENAI_URL = "https://api.openai.com/v1"
PATH = "/chat/completions"
CONNECT_SECONDS = 10.0

LEAST_ROOM = 256
"""Tokens that a context must leave for an answer."""


class SilenceError(Exception):
    """The stream stopped without an end."""


def connect(base_url: str | None, api_key: str, timeout_seconds: float | None) -> openai.AsyncOpenAI:
    """A client of one server; belongs to the event loop that uses it first."""
    return openai.AsyncOpenAI(
        base_url=base_url or OPENAI_URL,
        api_key=api_key or NO_KEY,
        # Every attempt has a row of its own, so that the client must not make any by itself.
        max_retries=0,
        timeout=openai.Timeout(timeout_seconds, connect=CONNECT_SECONDS),
    )


def answer_limit(model: Model, dialect: Dialect, wanted: int, prompt_tokens: int, room: int | None) -> int:
    """Tokens to ask for: what is wanted, as far as the server and its context allow.

    ``room`` is what the server said that the context leaves; without it, ``prompt_tokens`` is a likely number.

    Raises:
        ContextOverflowError: the context leaves next to nothing.
    """
    limit = wanted if dialect.longest_answer is None else min(wanted, dialect.longest_answer)
    context = model.context_tokens or dialect.context_tokens
    if room is None and context is not None:
        # The likely number is on the upper side: three quarters of it may be all, and then the server shall say.
        if context - prompt_tokens * 3 // 4 < LEAST_ROOM:
            raise ContextOverflowError(
                f"{model.name}: a prompt of about {prompt_tokens:,} tokens leaves no room for an answer "
                f"in a context of {context:,}"
            )
        room = max(LEAST_ROOM, context - prompt_tokens)
    return limit if room is None else min(limit, room)


def request_fields(
    model: Model, turns: Sequence[Turn], tools: Sequence[ToolSpec], dialect: Dialect, answer_tokens: int
) -> dict[str, Any]:
    """The request, with what the server is known to take."""
    fields: dict[str, Any] = {
        "model": model.name,
        "messages": messages_of(turns, with_tools=bool(tools)),
        dialect.limit_field: answer_tokens,
    }
    if dialect.streams:
        fields["stream"] = True
        if dialect.stream_options:
            fields["stream_options"] = {"include_usage": True}
    if dialect.temperature and model.temperature is not None:
        fields["temperature"] = model.temperature
    if tools:
        fields["tools"] = tools_of(tools)
    return fields | dict(model.extra)


async def exchange(client: openai.AsyncOpenAI, model: Model, fields: dict[str, Any], reply: Reply) -> None:
    """Send a request and collect the answer, no more of it than was asked for."""
    most = fields.get("max_tokens") or fields["max_completion_tokens"]
    if "stream" not in fields:
        _take_whole(await client.post(PATH, body=fields, cast_to=object), reply)
        return
    # Plain JSON: the client's own objects take twenty times as long to make, for every token that arrives.
    answer = await client.post(PATH, body=fields, cast_to=object, stream=True, stream_cls=openai.AsyncStream[object])
    async with answer as stream:
        if "json" in stream.response.headers.get("content-type", ""):  # a stream was wanted, but the answer is there
            try:
                data = await stream.response.aread()
            except httpx2.RequestError as error:
                raise openai.APIConnectionError(request=stream.response.request) from error
            _take_whole(json.loads(data), reply)
            return
        while True:
            try:
                async with asyncio.timeout(model.stall_seconds if reply.begun else None):
                    piece = await anext(stream)
            except StopAsyncIteration:
                break
            except TimeoutError:
                raise SilenceError from None
            reply.add(piece)
            if reply.over(most):
                reply.finish, reply.complete = "length", True
                return
    reply.ended()


async def list_models(base_url: str | None, api_key: str, *, timeout_seconds: float = 10.0) -> list[str]:
    """Names of the models that a server offers.

    Raises:
        ProviderError: it does not say.
    """
    scrubber = Scrubber([api_key])
    client = connect(base_url, api_key, timeout_seconds)
    where = base_url or OPENAI_URL
    try:
        async with asyncio.timeout(timeout_seconds):
            return [model.id async for model in client.models.list() if isinstance(model.id, str)]
    except openai.APIError as error:
        words = diagnose(error)
        hint = words.hint or "check --base-url and that the server runs"
        raise ProviderError(f"{where}: {scrubber.clean(words.message)}\nhint: {hint}") from None
    except (TimeoutError, ValueError, TypeError, AttributeError) as error:
        raise ProviderError(
            f"{where}: no list of models ({scrubber.clean(one_line(str(error) or 'no answer'))})\n"
            "hint: name the model with --model, or check --base-url"
        ) from None
    finally:
        await client.close()


def _take_whole(answer: object, reply: Reply) -> None:
    if not isinstance(answer, dict):
        raise ValueError(f"no JSON object: {str(answer)[:100]}")
    if answer.get("error"):
        # Some gateways report an error of the server behind them with a status of 200.
        raise ValueError(f"an error instead of an answer: {answer['error']}")
    reply.add(answer, whole=True)
