from __future__ import annotations

import asyncio
import importlib.util
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any

import pytest

from db.records import CallResult, CallState, NewCall
from evolve.proposers.llm.chat import Chat
from evolve.proposers.llm.models import Model
from evolve.proposers.llm.prices import Price
from evolve.proposers.llm.scrub import Scrubber
from evolve.spending import Allowance, Purse

MISBEHAVING = Path(__file__).parents[4] / "bench" / "misbehaving"
KEY = "sk-test-0123456789abcdefghij"


@pytest.fixture(scope="session")
def misbehaving() -> ModuleType:
    """bench/misbehaving/server.py as a module: `Behaviour`, `Server`, `running`."""
    if str(MISBEHAVING) not in sys.path:
        sys.path.append(str(MISBEHAVING))  # as it is for a script, which finds its neighbours there
    spec = importlib.util.spec_from_file_location("misbehaving_server", MISBEHAVING / "server.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["misbehaving_server"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def serve(misbehaving: ModuleType) -> Iterator[Callable[..., Any]]:
    """Starts a misbehaving server in a thread: ``serve(faults=0.2, answer=function, ...)``; it ends with the test."""
    with ExitStack() as stack:

        def start(*, answer: Callable[..., str] | None = None, **behaviour: Any) -> Any:
            more = () if answer is None else (answer,)
            return stack.enter_context(misbehaving.running(misbehaving.Behaviour(**behaviour), *more))

        yield start


class Rows:
    """A ledger in a list: every row is finished once, after it was begun."""

    def __init__(self) -> None:
        self.calls: list[NewCall] = []
        self.results: dict[int, CallResult] = {}

    def begin(self, call: NewCall) -> int:
        self.calls.append(call)
        return len(self.calls) - 1

    def finish(self, call_id: int, result: CallResult) -> None:
        assert 0 <= call_id < len(self.calls)
        assert call_id not in self.results, "a row was finished twice"
        self.results[call_id] = result

    @property
    def ordered(self) -> list[CallResult]:
        return [self.results[number] for number in range(len(self.calls))]


class Talk:
    """A chat with one server, and what must hold whenever it ends."""

    def __init__(self, server: Any, allowance: Allowance, sleep: Callable[[float], Awaitable[object]] | None) -> None:
        self.server, self.rows, self.purse, self.slept = server, Rows(), Purse(allowance), [0.0]
        self._sleep = sleep or self._shortly
        self.chat = self._fresh()

    def _fresh(self) -> Chat:
        scrubber = Scrubber(["run-token-abcdef"])
        return Chat(purse=self.purse, ledger=self.rows, scrubber=scrubber, rng=Random(7), sleep=self._sleep)

    async def _shortly(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(min(seconds, 0.005))

    def model(self, command: str = "", **more: Any) -> Model:
        name = "faulty" + (f":{command}" if command else "")
        defaults: dict[str, Any] = {"price": Price(input=1.0, output=2.0), "max_tokens": 2000, "timeout_seconds": 20.0}
        base_url = more.pop("base_url", None) or self.server.base_url
        return Model(name=name, base_url=base_url, api_key=KEY, **(defaults | more))

    def run(self, scenario: Callable[[], Awaitable[Any]]) -> Any:
        async def whole() -> Any:
            try:
                return await scenario()
            finally:
                await self.chat.close()

        try:
            return asyncio.run(whole())
        finally:
            self.check()
            self.chat = self._fresh()

    def check(self) -> None:
        assert (self.purse.held_tokens, self.purse.held_cost) == (0, 0), "something is still held"
        assert len(self.rows.results) == len(self.rows.calls), "a row was never finished"
        assert self.purse.spent_tokens == sum(result.usage.tokens for result in self.rows.ordered)
        assert self.purse.spent_cost == pytest.approx(sum(result.cost or 0.0 for result in self.rows.ordered))
        for result in self.rows.ordered:
            assert bool(result.error) == (result.state is CallState.FAILED)
            assert "\n" not in result.error
        for text in (repr(self.rows.calls), repr(self.rows.results)):
            assert KEY not in text
            assert "run-token" not in text


@pytest.fixture
def talk() -> Callable[..., Talk]:
    """A chat with a server: ``talk(server, Allowance(...), sleep=...)``; without ``sleep``, delays are cut short."""

    def make(server: Any, allowance: Allowance | None = None, sleep: Any = None) -> Talk:
        return Talk(server, allowance or Allowance(), sleep)

    return make
