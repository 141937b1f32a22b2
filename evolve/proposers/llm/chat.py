"""Talks to language models behind any server that speaks the OpenAI protocol, as far as servers really do.

Every attempt is a request of its own: held in the purse, written into the ledger before it is sent, charged once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from random import Random

import openai

from db.records import NewCall
from evolve.proposers.llm.dialect import Dialect
from evolve.proposers.llm.errors import ChatError, ContextOverflowError, ProviderError, RefusedError
from evolve.proposers.llm.exchange import (
    LEAST_ROOM,
    OPENAI_URL,
    SilenceError,
    answer_limit,
    connect,
    exchange,
    list_models,
    request_fields,
)
from evolve.proposers.llm.faults import Diagnosis, Fault, diagnose, one_line, room_of
from evolve.proposers.llm.lane import Lane, Sleep, backoff_seconds
from evolve.proposers.llm.ledger import Estimate, Ledger, OpenCall
from evolve.proposers.llm.models import Model
from evolve.proposers.llm.reply import Reply
from evolve.proposers.llm.scrub import Scrubber
from evolve.proposers.llm.wire import (
    Completion,
    ToolCall,
    ToolSpec,
    Turn,
    prompt_bound,
    prompt_estimate,
    record_of,
)
from evolve.spending import Hold, Purse, SpentError

__all__ = [
    "Chat",
    "ChatError",
    "Completion",
    "ContextOverflowError",
    "Ledger",
    "ProviderError",
    "RefusedError",
    "ToolCall",
    "ToolSpec",
    "Turn",
    "list_models",
]

LONGEST_WAIT_SECONDS = 300.0
"""A server that asks to wait longer is of no use to a run."""

SHORTEST_ANSWER = 1024
"""Tokens below which the limit of an answer is not lowered to fit what is left to spend."""


class Setback(StrEnum):
    """Why an attempt came to nothing, where another may do better; each has its own number of attempts."""

    LEARNED = "learned"
    BUSY = "busy"
    PASSING = "passing"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    EMPTY = "empty"


ATTEMPTS = {
    Setback.LEARNED: 10,
    Setback.BUSY: 12,
    Setback.PASSING: 6,
    Setback.TIMEOUT: 3,
    Setback.UNREACHABLE: 6,
    Setback.EMPTY: 3,
}
"""How often a request may meet with a setback of each kind before it is given up."""

ATTEMPTS_TO_COME_BACK = 24
"""How often a server that has answered before is looked for when nobody is there: for about five minutes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Failure:
    """An attempt in vain: what happened, and how long the server asks to wait."""

    setback: Setback
    message: str
    wait_seconds: float | None = None


@dataclass(slots=True, kw_only=True)
class _Request:
    """What is asked; ``room`` is what a context leaves for the answer, ``in_one_piece`` asks for no stream."""

    model: Model
    turns: tuple[Turn, ...]
    tools: tuple[ToolSpec, ...]
    ticket: int | None
    purpose: str
    max_tokens: int
    room: int | None = None
    in_one_piece: bool = False


class Chat:
    """A client of all models of a run; belongs to one event loop.

    Args:
        purse: what may be spent.
        ledger: where each attempt gets a row.
        scrubber: takes secrets out of all that is sent, stored or raised; models' own keys always.
        rng: for the jitter of delays.
        sleep: how to wait between attempts.
    """

    def __init__(
        self, *, purse: Purse, ledger: Ledger, scrubber: Scrubber, rng: Random, sleep: Sleep = asyncio.sleep
    ) -> None:
        self._purse = purse
        self._ledger = ledger
        self._scrubber = scrubber
        self._rng = rng
        self._sleep = sleep
        self._is_ending = False
        self._waiting: set[int | None] = set()
        self._clients: dict[tuple[str | None, str], openai.AsyncOpenAI] = {}
        self._lanes: dict[tuple[str | None, str], Lane] = {}

    def wind_down(self) -> None:
        """Begin no request any more; those on the wire may end. May be called from any thread."""
        self._is_ending = True

    def is_waiting(self, ticket: int) -> bool:
        """Whether a draft's request waits for its turn or its next attempt. May be called from any thread."""
        return ticket in self._waiting

    def takes_tools(self, model: Model) -> bool:
        """Whether its server takes tools, as far as is known; True until it refused them."""
        return self._lane(model).dialect.tools

    async def complete(
        self,
        model: Model,
        turns: Sequence[Turn],
        *,
        ticket: int | None,
        purpose: str,
        tools: Sequence[ToolSpec] = (),
        max_tokens: int | None = None,
    ) -> Completion:
        """Have a model answer, with as many attempts as make sense.

        Raises:
            SpentError: what is left to spend does not pay for it.
            ContextOverflowError: the prompt is too long.
            RefusedError: the model or a filter refused.
            ChatError: it failed for another reason; other requests may succeed.
            ProviderError: nothing can succeed with this model.
        """
        self._scrubber = self._scrubber.including(model.api_key)
        lane = self._lane(model)
        request = _Request(
            model=model,
            turns=tuple(self._clean(turn) for turn in turns),
            tools=tuple(tools),
            ticket=ticket,
            purpose=purpose,
            max_tokens=max_tokens or model.max_tokens,
        )
        failures: dict[Setback, int] = {}
        try:
            while True:
                outcome = await self._in_turn(lane, request)
                if isinstance(outcome, Completion):
                    lane.has_answered = True
                    return outcome
                if self._is_ending:
                    raise ChatError(f"{outcome.message} (no other attempt, because the run ends)")
                failures[outcome.setback] = failures.get(outcome.setback, 0) + 1
                self._waiting.add(ticket)
                await self._recover(lane, model, outcome, failures[outcome.setback])
        finally:
            self._waiting.discard(ticket)

    async def _in_turn(self, lane: Lane, request: _Request) -> Completion | _Failure:
        """One attempt, once there is a free slot and no pause."""
        self._refuse_at_the_end()
        self._waiting.add(request.ticket)
        async with lane.slots:
            await lane.opened(self._sleep, self._rng)
            self._refuse_at_the_end()
            self._waiting.discard(request.ticket)
            return await self._attempt(lane, request)

    def _refuse_at_the_end(self) -> None:
        if self._is_ending:
            raise ChatError("no request is begun any more, because the run ends")

    async def close(self) -> None:
        """Close all connections."""
        clients = list(self._clients.values())
        self._clients.clear()
        for client in clients:
            await client.close()

    async def _recover(self, lane: Lane, model: Model, failure: _Failure, count: int) -> None:
        """Wait for the next attempt, or raise when there is to be none."""
        where = f"{model.name} at {model.base_url or OPENAI_URL}"
        wait = failure.wait_seconds
        if wait is not None and wait > LONGEST_WAIT_SECONDS:
            raise ProviderError(
                f"{where} asks to wait {wait:,.0f} s, longer than {LONGEST_WAIT_SECONDS:.0f}: {failure.message}\n"
                "hint: resume the run later, raise the limits of the account, or choose another model"
            )
        gone = failure.setback is Setback.UNREACHABLE and lane.has_answered
        if count >= (ATTEMPTS_TO_COME_BACK if gone else ATTEMPTS[failure.setback]):
            message = f"{where}: {failure.message} ({count} attempts)"
            if failure.setback is Setback.UNREACHABLE:
                raise ProviderError(f"{message}\nhint: check --base-url and that the server runs")
            raise ChatError(message)
        if failure.setback is Setback.LEARNED:
            return
        seconds = backoff_seconds(count, self._rng) if wait is None else wait
        if failure.setback is Setback.BUSY or wait is not None:
            lane.warn(seconds)
        await self._sleep(seconds)

    async def _attempt(self, lane: Lane, request: _Request) -> Completion | _Failure:
        """One HTTP request with its row; the row is finished and the hold settled whatever happens."""
        model, dialect = request.model, lane.dialect
        if request.in_one_piece:
            dialect = replace(dialect, streams=False)
        tools = request.tools if dialect.tools else ()
        call = await self._begin(request, dialect, tools)
        reply = Reply()
        try:
            body = request_fields(model, request.turns, tools, dialect, call.estimate.answer_tokens)
            async with asyncio.timeout(model.timeout_seconds):
                await exchange(self._client(model), model, body, reply)
        except TimeoutError:
            return self._failed(call, reply, Setback.TIMEOUT, f"no whole answer in {model.timeout_seconds:g} s")
        except SilenceError:
            return self._failed(call, reply, Setback.TIMEOUT, f"silent for {model.stall_seconds:g} s amid the answer")
        except openai.APIResponseValidationError as error:
            return self._failed(call, reply, Setback.PASSING, f"malformed answer: {one_line(error.message)}")
        except openai.APIError as error:
            return self._after_error(lane, request, dialect, call, reply, diagnose(error))
        except (ValueError, TypeError, AttributeError) as error:
            # What the client raises where an answer is not what the protocol says.
            return self._failed(call, reply, Setback.PASSING, f"malformed answer: {one_line(str(error))}")
        except BaseException as error:
            words = "cancelled" if isinstance(error, asyncio.CancelledError) else one_line(repr(error))
            call.close(reply, call.charge(reply), words)
            raise
        if dialect.streams and not reply.heard:
            # llama-cpp-python ends a stream without a word where it would otherwise say what is wrong with a request.
            # Only there: an answer in one piece cannot be stopped where a server writes more than it was allowed to.
            request.in_one_piece = True
        return self._answered(model, call, reply, tools)

    async def _begin(self, request: _Request, dialect: Dialect, tools: tuple[ToolSpec, ...]) -> OpenCall:
        model = request.model
        bound, likely = prompt_bound(request.turns, tools), prompt_estimate(request.turns, tools)
        limit = answer_limit(model, dialect, request.max_tokens, likely, request.room)
        hold, answer_tokens = await self._reserve(model, bound, limit)
        try:
            call_id = self._ledger.begin(
                NewCall(
                    ticket=request.ticket,
                    purpose=request.purpose,
                    model=model.name,
                    messages=record_of(request.turns, tools),
                    held_tokens=hold.tokens,
                    held_cost=None if model.price is None else hold.cost,
                )
            )
        except BaseException:
            self._purse.settle(hold, 0, 0.0)
            raise
        return OpenCall(
            ledger=self._ledger,
            purse=self._purse,
            scrubber=self._scrubber,
            model=model,
            hold=hold,
            call_id=call_id,
            estimate=Estimate(
                prompt_bound=bound, prompt_likely=likely, answer_tokens=answer_tokens, streamed=dialect.streams
            ),
        )

    async def _reserve(self, model: Model, prompt_tokens: int, answer_tokens: int) -> tuple[Hold, int]:
        """Hold what the call can take at most; with a shorter answer where the rest of the cap asks for it."""
        while True:
            cost = None if model.price is None else model.price.bound(prompt_tokens, answer_tokens)
            try:
                return await self._purse.hold(prompt_tokens + answer_tokens, cost), answer_tokens
            except SpentError:
                shorter = self._affordable(model, prompt_tokens, answer_tokens)
                if not SHORTEST_ANSWER <= shorter < answer_tokens:
                    raise
                answer_tokens = shorter

    def _affordable(self, model: Model, prompt_tokens: int, answer_tokens: int) -> int:
        tokens, cost = self._purse.left_tokens, self._purse.left_cost
        affordable = answer_tokens - 1
        if tokens is not None:
            affordable = min(affordable, tokens - prompt_tokens)
        if cost is not None and model.price is not None:
            paid = model.price.affords(cost, prompt_tokens)
            affordable = affordable if paid is None else min(affordable, paid)
        return affordable

    def _after_error(
        self, lane: Lane, request: _Request, dialect: Dialect, call: OpenCall, reply: Reply, error: Diagnosis
    ) -> _Failure:
        """Close the row of a failed request and see what may help."""
        call.close(reply, call.charge(reply) if error.billed else call.free(), error.message)
        model = request.model
        message = self._scrubber.clean(error.message)
        where = f"{model.name} at {model.base_url or OPENAI_URL}"
        if error.fault is Fault.OVERFLOW:
            room = room_of(error.message)
            left = 0 if room is None else room.context_tokens - room.prompt_tokens
            if room is None or left < LEAST_ROOM or request.room is not None:
                raise ContextOverflowError(f"{where}: {message}") from None
            lane.dialect = replace(lane.dialect, context_tokens=room.context_tokens)
            request.room = left
            return _Failure(setback=Setback.LEARNED, message=message)
        if error.fault is Fault.REFUSED:
            raise RefusedError(f"{where}: {message}") from None
        learned = dialect.after(
            error.status, error.message, error.parameter, tools_sent=bool(request.tools and dialect.tools)
        )
        if learned is not None:
            # Another request may have taught the same, or more, in the meantime.
            lane.dialect = learned.merged_into(lane.dialect, since=dialect)
            return _Failure(setback=Setback.LEARNED, message=message)
        if error.fault is Fault.REQUEST:
            raise ChatError(f"{where}: {message}") from None
        if error.fault is Fault.PROVIDER:
            raise ProviderError(f"{where}: {message}\nhint: {error.hint}") from None
        setback = {Fault.BUSY: Setback.BUSY, Fault.UNREACHABLE: Setback.UNREACHABLE}.get(error.fault, Setback.PASSING)
        return _Failure(setback=setback, message=message, wait_seconds=error.wait_seconds)

    def _failed(self, call: OpenCall, reply: Reply, setback: Setback, message: str) -> _Failure:
        call.close(reply, call.charge(reply), message)
        return _Failure(setback=setback, message=self._scrubber.clean(message))

    def _answered(
        self, model: Model, call: OpenCall, reply: Reply, tools: tuple[ToolSpec, ...]
    ) -> Completion | _Failure:
        """Look at what came back without an error."""
        if reply.refusal or reply.finish == "content_filter":
            words = one_line(reply.refusal) or "a filter stopped the answer"
            call.close(reply, call.charge(reply), f"refused: {words}")
            raise RefusedError(f"{model.name} refused: {self._scrubber.clean(words)}")
        if not reply.any_choice:
            return self._failed(call, reply, Setback.EMPTY, "an answer without choices")
        if not reply.complete:
            return self._failed(call, reply, Setback.PASSING, "the answer was cut off")
        if not reply.text.strip() and not reply.tool_calls:
            hint = "; all its tokens went into reasoning, raise max_tokens" if reply.finish == "length" else ""
            return self._failed(call, reply, Setback.EMPTY, f"an empty answer{hint}")
        charged = call.charge(reply)
        call.close(reply, charged)
        clean = self._scrubber.clean
        return Completion(
            text=clean(reply.text),
            finish=reply.finish or "stop",
            usage=charged[0],
            cost=charged[1],
            tool_calls=tuple(replace(item, arguments=clean(item.arguments)) for item in reply.tool_calls),
            tools_offered=bool(tools),
        )

    def _clean(self, turn: Turn) -> Turn:
        clean = self._scrubber.clean
        calls = tuple(replace(call, arguments=clean(call.arguments)) for call in turn.tool_calls)
        return replace(turn, text=clean(turn.text), tool_calls=calls)

    def _client(self, model: Model) -> openai.AsyncOpenAI:
        key = (model.base_url, model.api_key)
        if key not in self._clients:
            self._clients[key] = connect(model.base_url, model.api_key, None)
        return self._clients[key]

    def _lane(self, model: Model) -> Lane:
        return self._lanes.setdefault((model.base_url, model.name), Lane(model.concurrency))
