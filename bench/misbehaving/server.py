"""A server that speaks the OpenAI chat protocol and misbehaves on command, with exact books of what it billed.

    python bench/misbehaving/server.py --port 0 --faults 0.2 --latency 1.0

prints its base URL (``http://127.0.0.1:PORT/v1``), to be used as

    OPENAI_BASE_URL=http://127.0.0.1:PORT/v1 evolve run eplb --model faulty

A share ``--faults`` of all requests meets a fault; which, follows from ``--seed`` and the request's number alone.
A model's name may command something instead: ``faulty:429`` always gives that, ``faulty:429*2`` to the first two
requests of that name, ``faulty:no_stream+no_tools`` both, ``faulty:fine`` none. `misbehaviour` lists what there is.

``GET /books`` shows what was billed for each request: nothing for an error status; for an answer that was cut or whose
client went away, the prompt and what was sent until then. A token is four bytes of text, rounded up.

Answers come from a function ``(prompt, rng) -> text``; the default one takes the program in the prompt's last
``python`` block and changes one of its numbers. ``--answer FILE.py:FUNCTION`` names another.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib.util
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from random import Random
from typing import Any

from made_answers import Answer, change_a_number
from misbehaving_exchange import Exchange, GoneError, key_of
from misbehaviour import FAULTS, Behaviour, Entry


class Server:
    """One server; `start` and `stop` in the event loop that it is to live in, or use `running`."""

    def __init__(self, behaviour: Behaviour, answer: Answer = change_a_number) -> None:
        self.behaviour = behaviour
        self.base_url = ""
        self.entries: list[Entry] = []
        self.most_in_flight = 0
        self.bodies: list[dict[str, Any]] = []
        self._answer = answer
        self._in_flight = 0
        self._by_model: Counter[str] = Counter()
        self._server: asyncio.Server | None = None

    async def start(self, port: int = 0) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port, limit=2**24)
        self.base_url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"

    def stop(self) -> None:
        if self._server is not None:
            self._server.close()

    def books(self) -> dict[str, Any]:
        entries = list(self.entries)
        prompt, written = sum(e.prompt_tokens for e in entries), sum(e.completion_tokens for e in entries)
        return {
            "requests": [asdict(entry) for entry in entries],
            "prompt_tokens": prompt,
            "completion_tokens": written,
            "tokens": prompt + written,
            "most_in_flight": self.most_in_flight,
        }

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, GoneError):
                while True:
                    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                    verb, path, _ = head.split("\r\n", 1)[0].split(" ", 2)
                    headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
                    body = await reader.readexactly(int(headers.get("content-length", "0")))
                    await Exchange(self, reader, writer, key=key_of(head)).respond(verb, path.partition("?")[0], body)
        finally:
            writer.close()

    def fault_of(self, number: int, model: str) -> list[str]:
        """What a request meets: what its model's name commands, or else what the dice say."""
        self._by_model[model] += 1
        if ":" in model:
            commands = [part.partition("*") for part in model.partition(":")[2].split("+")]
            return [name for name, _, times in commands if not times or self._by_model[model] <= int(times)]
        rng, behaviour = Random(f"{self.behaviour.seed}:{number}"), self.behaviour
        if rng.random() >= behaviour.faults:
            return []
        return rng.choices(list(behaviour.mix), list(behaviour.mix.values()))

    @contextlib.contextmanager
    def in_flight(self) -> Iterator[None]:
        self._in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self._in_flight)
        try:
            yield
        finally:
            self._in_flight -= 1

    def text_for(self, number: int, messages: list[dict[str, Any]]) -> str:
        prompt = "\n\n".join(str(message.get("content") or "") for message in messages)
        return self._answer(prompt, Random(f"{self.behaviour.seed}:{number}:answer"))


@contextlib.contextmanager
def running(behaviour: Behaviour, answer: Answer = change_a_number) -> Iterator[Server]:
    """A server in a thread of its own."""
    server, loop, started = Server(behaviour, answer), asyncio.new_event_loop(), threading.Event()

    async def live() -> None:
        await server.start()
        started.set()

    def run() -> None:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(live())
        loop.run_forever()
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        loop.run_until_complete(asyncio.sleep(0.01))  # connections close
        loop.close()

    thread = threading.Thread(target=run, name="misbehaving", daemon=True)
    thread.start()
    if not started.wait(10):
        raise RuntimeError("the misbehaving server did not start")
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(server.stop)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)


def _load(name: str) -> Answer:
    file, _, function = name.rpartition(":")
    spec = importlib.util.spec_from_file_location("answers", Path(file))
    if spec is None or spec.loader is None:
        raise SystemExit(f"cannot load {file}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    loaded: Answer = getattr(module, function)
    return loaded


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--faults", type=float, default=0.0, help="share of requests that meet a fault")
    parser.add_argument("--mix", default="", help="FAULT=WEIGHT,...  [default: all alike]")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before an answer begins")
    parser.add_argument("--slow", type=float, default=3.0, help="further seconds of a slow one")
    parser.add_argument("--retry-after", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--key", default="", help="refuse all other keys")
    parser.add_argument("--answer", default="", help="FILE.py:FUNCTION that writes the answers")
    options = parser.parse_args()
    pairs = [part.partition("=") for part in options.mix.split(",") if part]
    behaviour = Behaviour(
        latency_seconds=options.latency,
        faults=options.faults,
        mix={name: float(weight or 1) for name, _, weight in pairs} or dict.fromkeys(FAULTS, 1.0),
        seed=options.seed,
        retry_after_seconds=options.retry_after,
        slow_seconds=options.slow,
        key=options.key,
    )

    async def serve() -> None:
        server = Server(behaviour, _load(options.answer) if options.answer else change_a_number)
        await server.start(options.port)
        print(server.base_url, flush=True)
        await asyncio.Event().wait()

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve())


if __name__ == "__main__":
    main()
