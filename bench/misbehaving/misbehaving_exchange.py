"""One request to the misbehaving server and its answer, as HTTP."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

from misbehaviour import ERRORS, REFUSES, SHORT_TOKENS, Entry, tokens_of

if TYPE_CHECKING:
    from server import Server


class GoneError(Exception):
    """The client went away, or is to be left alone."""


@dataclass
class Exchange:
    """One request and its answer."""

    server: Server
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    key: str
    entry: Entry = field(init=False)

    async def respond(self, verb: str, path: str, body: bytes) -> None:
        if (verb, path) == ("GET", "/books"):
            await self.json(200, self.server.books())
        elif self.server.behaviour.key and self.key != self.server.behaviour.key:
            await self.error(
                401, f"Incorrect API key provided: {self.key}. Check your account.", code="invalid_api_key"
            )
        elif (verb, path) == ("GET", "/v1/models"):
            await self.json(200, {"object": "list", "data": [{"id": "faulty", "object": "model", "created": 0}]})
        elif (verb, path) == ("POST", "/v1/chat/completions"):
            request = json.loads(body)
            number = len(self.server.entries)
            faults = self.server.fault_of(number, request["model"])
            self.entry = Entry(number=number, model=request["model"], fault="+".join(faults))
            self.server.entries.append(self.entry)
            self.server.bodies.append(request)
            with self.server.in_flight():
                await self.chat(request, faults)
        else:
            await self.error(404, f"nothing at {path}")

    async def chat(self, request: dict[str, Any], faults: list[str]) -> None:
        behaviour = self.server.behaviour
        for fault in faults:
            if await self.refused(fault, request):
                return
        prompt = sum(4 + tokens_of(str(m.get("content") or "")) for m in request["messages"])
        prompt += tokens_of(json.dumps(request["tools"])) if "tools" in request else 0
        limit = request.get("max_tokens") or request.get("max_completion_tokens") or 10**9
        if "empty_stream" in faults and request.get("stream"):
            self.writer.write(_head(200, {"content-type": "text/event-stream", "transfer-encoding": "chunked"}))
            self.writer.write(b"0\r\n\r\n")
            await self.writer.drain()
            return
        if "context" in faults and prompt + limit > behaviour.context_tokens:
            await self.error(
                400,
                f"This model's maximum context length is {behaviour.context_tokens} tokens. However, you requested "
                f"{prompt + limit} tokens ({prompt} in the messages, {limit} in the completion).",
                code="context_length_exceeded",
            )
            return
        self.entry.prompt_tokens = prompt
        await self.wait(behaviour.latency_seconds + (behaviour.slow_seconds if "slow" in faults else 0.0))
        if "empty_text" in faults:
            text = ""
        elif "giant" in faults:
            text = "giant " * (behaviour.giant_tokens * 4 // 6)
        else:
            text = self.server.text_for(self.entry.number, request["messages"])
            text = text.encode()[: limit * 4].decode("utf-8", "ignore")
        finish = "length" if tokens_of(text) >= limit else "stop"
        if request.get("stream") and "ignores_stream" not in faults:
            await self.stream(request, faults, text, finish)
        else:
            await self.whole(request, faults, text, finish)

    async def refused(self, fault: str, request: dict[str, Any]) -> bool:
        """Answer with an error, where this fault is one for this request."""
        if fault in REFUSES:
            parameter, words = REFUSES[fault]
            if not request.get(parameter):
                return False
            await self.error(400, words, param=parameter, code="unsupported_parameter")
        elif fault in ERRORS:
            status, words, code = ERRORS[fault]
            await self.error(status, words.format(model=request["model"], key=self.key), code=code)
        elif fault in {"429", "429_date"}:
            seconds = self.server.behaviour.retry_after_seconds
            after = f"{seconds:g}" if fault == "429" else _date(seconds)
            await self.error(429, "Rate limit reached", code="rate_limit_exceeded", headers={"retry-after": after})
        elif fault == "503":
            page = b"<html><head><title>503</title></head><body><h1>Service Unavailable</h1></body></html>"
            await self.send(503, page, "text/html")
        elif fault == "short" and (limit := request.get("max_tokens", 0)) > SHORT_TOKENS:
            words = f"max_tokens is too large: {limit}. This model supports at most {SHORT_TOKENS} completion tokens."
            await self.error(400, words)
        elif fault == "drop":
            self.entry.status = 0
            raise GoneError
        else:
            return False
        return True

    async def whole(self, request: dict[str, Any], faults: list[str], text: str, finish: str) -> None:
        entry = self.entry
        entry.completion_tokens = tokens_of(text) + (100 if {"reasoning", "hidden_reasoning"} & {*faults} else 0)
        message: dict[str, Any] = {"role": "assistant", "content": text}
        if "refused" in faults:
            message = {"role": "assistant", "content": None, "refusal": "I cannot help with that."}
        if "tool" in faults and "tools" in request:
            name = request["tools"][0]["function"]["name"]
            call = {"id": f"call_{entry.number}", "type": "function", "function": {"name": name, "arguments": "{}"}}
            message, finish = {"role": "assistant", "content": None, "tool_calls": [call]}, "tool_calls"
        answer: dict[str, Any] = self.shell("chat.completion") | {
            "choices": [] if "empty_choices" in faults else [{"index": 0, "message": message, "finish_reason": finish}]
        }
        if "no_usage" not in faults:
            answer["usage"] = self.usage(faults)
        data = json.dumps(answer).encode()
        if "cut" in faults or "malformed" in faults:
            data = data[: len(data) // 2]
        await self.send(200, data, "application/json", announced=len(data) + (10 if "cut" in faults else 0))
        if "cut" in faults:
            raise GoneError

    async def stream(self, request: dict[str, Any], faults: list[str], text: str, finish: str) -> None:
        self.writer.write(_head(200, {"content-type": "text/event-stream", "transfer-encoding": "chunked"}))
        if "empty_choices" not in faults:
            await self.event({"role": "assistant", "content": ""})
        if {"reasoning", "hidden_reasoning"} & {*faults}:
            self.entry.completion_tokens += 100
            if "reasoning" in faults:
                await self.event({"reasoning_content": "Let me think. " * 28})
        if "refused" in faults:
            text, finish = "", "stop"
            await self.event({"refusal": "I cannot help with that."})
        if "tool" in faults and "tools" in request:
            text, finish = "", "tool_calls"
            await self.tool_call(request["tools"][0]["function"]["name"])
        await self.pieces(text, faults)
        if "empty_choices" not in faults:
            await self.event({}, finish=finish)
        if request.get("stream_options", {}).get("include_usage") and "no_usage" not in faults:
            await self.event(None, usage=self.usage(faults))
        await self.chunk(b"data: [DONE]\n\n")
        self.writer.write(b"0\r\n\r\n")
        await self.writer.drain()

    async def pieces(self, text: str, faults: list[str]) -> None:
        """The text, some tokens at a time; a giant answer one by one, as fast as a small model writes."""
        size = 4 * (1 if "giant" in faults else self.server.behaviour.piece_tokens)
        data = text.encode()
        if "empty_choices" in faults:
            data = b""
        for start in range(0, len(data), size):
            if start > 0 and start >= len(data) // 2:
                if "cut" in faults:
                    raise GoneError
                if "malformed" in faults:
                    await self.chunk(b'data: {"id": "broken", "choices": [{"index": 0, "delta": {"conte\n\n')
                    raise GoneError
                if "stall" in faults:
                    await self.wait(self.server.behaviour.slow_seconds)
            piece = data[start : start + size]
            self.entry.completion_tokens += -(-len(piece) // 4)
            await self.event({"content": piece.decode("utf-8", "replace")})
            if "giant" in faults and start % (size * 5) == 0:
                await asyncio.sleep(0.002)
        if data and len(data) <= size and {"cut", "malformed"} & {*faults}:
            raise GoneError

    async def tool_call(self, name: str) -> None:
        self.entry.completion_tokens += tokens_of(name + "{}")
        first = {"index": 0, "id": f"call_{self.entry.number}", "type": "function"}
        await self.event({"tool_calls": [first | {"function": {"name": name, "arguments": ""}}]})
        for part in "{}":
            await self.event({"tool_calls": [{"index": 0, "function": {"arguments": part}}]})

    def shell(self, kind: str) -> dict[str, Any]:
        return {"id": f"chatcmpl-{self.entry.number}", "object": kind, "created": 0, "model": self.entry.model}

    def usage(self, faults: list[str]) -> dict[str, Any]:
        entry, hidden = self.entry, 100 if "hidden_reasoning" in faults else 0
        usage: dict[str, Any] = {
            "prompt_tokens": entry.prompt_tokens,
            "completion_tokens": entry.completion_tokens - hidden,
            "total_tokens": entry.prompt_tokens + entry.completion_tokens,
            "prompt_tokens_details": {"cached_tokens": entry.prompt_tokens // 2 if "reasoning" in faults else 0},
        }
        if {"reasoning", "hidden_reasoning"} & {*faults}:
            usage["completion_tokens_details"] = {"reasoning_tokens": 100}
        return usage

    async def event(self, delta: dict[str, Any] | None, *, finish: str | None = None, **more: Any) -> None:
        choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
        data = json.dumps(self.shell("chat.completion.chunk") | {"choices": choices} | more)
        await self.chunk(f"data: {data}\n\n".encode())

    async def chunk(self, data: bytes) -> None:
        if self.reader.at_eof():
            raise GoneError
        self.writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        await self.writer.drain()

    async def wait(self, seconds: float) -> None:
        """Sleep, unless the client goes away."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while (left := end - loop.time()) > 0:
            await asyncio.sleep(min(left, 0.05))
            if self.reader.at_eof():
                raise GoneError

    async def error(self, status: int, message: str, *, headers: Mapping[str, str] | None = None, **more: str) -> None:
        body = {"error": {"message": message, "type": "error", "param": None, "code": None} | more}
        await self.send(status, json.dumps(body).encode(), "application/json", headers=headers)

    async def json(self, status: int, value: object) -> None:
        await self.send(status, json.dumps(value).encode(), "application/json")

    async def send(
        self,
        status: int,
        data: bytes,
        kind: str,
        *,
        announced: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        if hasattr(self, "entry"):
            self.entry.status = status
        size = str(len(data) if announced is None else announced)
        self.writer.write(_head(status, {"content-type": kind, "content-length": size, **(headers or {})}) + data)
        await self.writer.drain()


def _head(status: int, headers: Mapping[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} X", f"date: {_date(0)}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def key_of(head: str) -> str:
    found = re.search(r"^authorization: bearer (\S+)", head, re.IGNORECASE | re.MULTILINE)
    return found[1] if found else ""


def _date(seconds: float) -> str:
    return formatdate(time.time() + seconds, usegmt=True)
