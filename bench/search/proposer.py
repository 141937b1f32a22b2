"""A server that speaks the OpenAI protocol and knows nothing but the prompt: the same proposer for every system.

    python bench/search/proposer.py --seed 0 --port 0 --port-file /tmp/port --log requests.jsonl

It finds the programs in the prompt, changes the one that the prompt calls the current one, and answers in the form
that the prompt asks for; see `reading`, `changes` and `forms`. It never reads a score. Random numbers come from the
seed, the text of the prompt, and how often this very text came before. ``GET /books`` counts what was asked.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import threading
import time
from collections import Counter
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from typing import Any

from changes import change
from forms import answer, json_answer
from reading import Form, read

MODEL = "proposer"
NOTHING = "There is no program here that I could change."
EMBEDDING = 64


@dataclass(frozen=True, kw_only=True)
class Answered:
    """An answer with what the log says of it."""

    text: str
    form: str
    kind: str
    programs: int


class Proposer:
    """Answers prompts; safe to be called from several threads."""

    def __init__(self, seed: int, log: Path | None = None) -> None:
        self._seed = seed
        self._log = log
        self._lock = threading.Lock()
        self._seen: Counter[str] = Counter()
        self._counts: Counter[str] = Counter()
        self._tokens: Counter[str] = Counter()
        self._started = time.monotonic()

    def propose(self, prompt: str) -> Answered:
        """Answer a prompt and enter it in the books."""
        digest = hashlib.sha256(prompt.encode("utf-8", "surrogatepass")).hexdigest()
        with self._lock:
            number = self._seen[digest]
            self._seen[digest] += 1
        answered = self._answer(prompt, Random(f"{self._seed}:{digest}:{number}"))
        self._enter(digest, answered, prompt)
        return answered

    def books(self) -> dict[str, Any]:
        """How many requests came, by form and kind, and how much was read and written."""
        with self._lock:
            apart = {form: self._counts[f"form {form.value}"] for form in (Form.NOTHING, Form.IDEAS, Form.JSON)}
            proposals = self._counts["requests"] - sum(apart.values())
            return {"proposals": proposals, "ideas": apart[Form.IDEAS], **self._counts, **self._tokens}

    def _answer(self, prompt: str, rng: Random) -> Answered:
        reading = read(prompt.replace("\r\n", "\n"))
        if reading.form in (Form.IDEAS, Form.JSON):
            text = json_answer(prompt, reading.form)
            return Answered(text=text, form=reading.form.value, kind="none", programs=0)
        if reading.parent is None:
            return Answered(text=NOTHING, form=Form.NOTHING.value, kind="none", programs=0)
        made = change(reading.parent.source, [other.source for other in reading.others], rng)
        text = answer(reading, made.source, made.kind)
        return Answered(text=text, form=reading.form.value, kind=made.kind, programs=1 + len(reading.others))

    def _enter(self, digest: str, answered: Answered, prompt: str) -> None:
        with self._lock:
            self._counts.update(["requests", f"form {answered.form}", f"kind {answered.kind}"])
            self._tokens["prompt_tokens"] += tokens(prompt)
            self._tokens["completion_tokens"] += tokens(answered.text)
            if self._log is not None:
                entry = {
                    "seconds": round(time.monotonic() - self._started, 3),
                    "prompt": digest[:16],
                    "form": answered.form,
                    "kind": answered.kind,
                    "programs": answered.programs,
                }
                with self._log.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(entry) + "\n")


def tokens(text: str) -> int:
    """Four bytes of text make a token."""
    return -(-len(text.encode("utf-8", "surrogatepass")) // 4)


def prompt_of(body: dict[str, Any]) -> str:
    """All texts of a request's messages, in order: those of chat completions, or the input of responses."""
    parts: list[str] = [str(body["instructions"])] if body.get("instructions") else []
    given = body.get("messages", body.get("input", body.get("prompt", "")))
    for message in [given] if isinstance(given, str | dict) else given or []:
        content = message if isinstance(message, str) else message.get("content")
        pieces = [content] if isinstance(content, str) else content or []
        parts.extend(str(piece if isinstance(piece, str) else piece.get("text") or "") for piece in pieces)
    return "\n\n".join(part for part in parts if part)


def embedding(text: str) -> list[float]:
    """A bag of words, hashed: some tools measure novelty by embeddings."""
    vector = [0.0] * EMBEDDING
    for word in text.split():
        digest = hashlib.sha256(word.encode("utf-8", "surrogatepass")).digest()
        vector[digest[0] % EMBEDDING] += 1.0 if digest[1] % 2 else -1.0
    length = sum(value * value for value in vector) ** 0.5 or 1.0
    return [value / length for value in vector]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    proposer: Proposer

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class says so
        """Nothing: the books are enough."""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0].rstrip("/")
        if path.endswith("/books"):
            self._send(self.proposer.books())
        elif path.endswith("/models"):
            self._send(
                {"object": "list", "data": [{"id": MODEL, "object": "model", "created": 0, "owned_by": "bench"}]}
            )
        else:
            self._send({"id": path.rpartition("/")[2] or MODEL, "object": "model", "created": 0, "owned_by": "bench"})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", "0"))) or b"{}")
        path = self.path.partition("?")[0].rstrip("/")
        with contextlib.suppress(ConnectionError):
            if path.endswith("/embeddings"):
                self._embed(body)
                return
            prompt = prompt_of(body)
            text = self.proposer.propose(prompt).text
            respond = self._responses if path.endswith("/responses") else self._chat
            respond(body, text, tokens(prompt))

    def _embed(self, body: dict[str, Any]) -> None:
        given = body.get("input", "")
        texts = [given] if isinstance(given, str) else [str(each) for each in given]
        data = [{"object": "embedding", "index": n, "embedding": embedding(text)} for n, text in enumerate(texts)]
        used = sum(map(tokens, texts))
        usage = {"prompt_tokens": used, "total_tokens": used}
        self._send({"object": "list", "model": body.get("model", MODEL), "data": data, "usage": usage})

    def _chat(self, body: dict[str, Any], text: str, read_tokens: int) -> None:
        usage = {
            "prompt_tokens": read_tokens,
            "completion_tokens": tokens(text),
            "total_tokens": read_tokens + tokens(text),
        }
        head = {"id": "chatcmpl-bench", "created": int(time.time()), "model": body.get("model", MODEL)}
        if not body.get("stream"):
            choices = [
                {
                    "index": index,
                    "message": {"role": "assistant", "content": text if index == 0 else self._again(body)},
                    "finish_reason": "stop",
                }
                for index in range(int(body.get("n") or 1))
            ]
            self._send({**head, "object": "chat.completion", "choices": choices, "usage": usage})
            return
        head["object"] = "chat.completion.chunk"
        deltas: list[tuple[dict[str, str], str | None]] = [({"role": "assistant", "content": ""}, None)]
        deltas += [({"content": text[at : at + 512]}, None) for at in range(0, len(text), 512)]
        deltas.append(({}, "stop"))
        chunks = [{**head, "choices": [{"index": 0, "delta": delta, "finish_reason": end}]} for delta, end in deltas]
        if (body.get("stream_options") or {}).get("include_usage"):
            chunks.append({**head, "choices": [], "usage": usage})
        self._stream([f"data: {json.dumps(chunk)}\n\n" for chunk in chunks] + ["data: [DONE]\n\n"])

    def _again(self, body: dict[str, Any]) -> str:
        """A further choice of the same request is a further request."""
        return self.proposer.propose(prompt_of(body)).text

    def _responses(self, body: dict[str, Any], text: str, read_tokens: int) -> None:
        message = {
            "id": "msg-bench",
            "type": "message",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": text, "annotations": []}],
        }
        response = {
            "id": "resp-bench",
            "object": "response",
            "created_at": int(time.time()),
            "status": "completed",
            "model": body.get("model", MODEL),
            "output": [message],
            "parallel_tool_calls": False,
            "tool_choice": "auto",
            "tools": [],
            "error": None,
            "incomplete_details": None,
            "usage": {
                "input_tokens": read_tokens,
                "input_tokens_details": {"cached_tokens": 0},
                "output_tokens": tokens(text),
                "output_tokens_details": {"reasoning_tokens": 0},
                "total_tokens": read_tokens + tokens(text),
            },
        }
        if not body.get("stream"):
            self._send(response)
            return
        place = {"item_id": message["id"], "output_index": 0, "content_index": 0}
        events: list[dict[str, Any]] = [
            {"type": "response.created", "response": {**response, "status": "in_progress", "output": []}},
            {"type": "response.output_text.delta", **place, "delta": text},
            {"type": "response.output_text.done", **place, "text": text},
            {"type": "response.completed", "response": response},
        ]
        numbered = [{**event, "sequence_number": number} for number, event in enumerate(events)]
        self._stream([f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in numbered])

    def _send(self, value: dict[str, Any]) -> None:
        payload = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def _stream(self, pieces: list[str]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for piece in pieces:
            data = piece.encode()
            self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.write(b"0\r\n\r\n")


def make_server(proposer: Proposer, port: int = 0) -> ThreadingHTTPServer:
    """A server on the loopback; ``serve_forever`` runs it."""
    handler = type("Handler", (_Handler,), {"proposer": proposer})
    server = ThreadingHTTPServer(("127.0.0.1", port), handler)
    server.daemon_threads = True
    return server


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--port-file", type=Path, help="where to write the port once it listens")
    parser.add_argument("--log", type=Path, help="a JSON line for every request")
    options = parser.parse_args()
    server = make_server(Proposer(options.seed, options.log), options.port)
    port = server.server_address[1]
    if options.port_file is not None:
        options.port_file.write_text(f"{port}\n", encoding="utf-8")
    print(f"http://127.0.0.1:{port}/v1", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        server.serve_forever()


if __name__ == "__main__":
    main()
