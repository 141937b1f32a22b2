"""One job in a conversation of bounded length: the model calls tools until it hands a program in."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from evolve.desk import Written
from evolve.proposers.llm.agent.texts import notice
from evolve.proposers.llm.agent.toolbox import Toolbox
from evolve.proposers.llm.agent.tools import HYPOTHESIS, NAMES, SUBMIT
from evolve.proposers.llm.agent.trials import Workbench
from evolve.proposers.llm.agent.voices import NativeVoice, TextVoice, Voice, said
from evolve.proposers.llm.answers import AnswerError
from evolve.proposers.llm.chat import Chat
from evolve.proposers.llm.errors import ChatError, ContextOverflowError, ProviderError, RefusedError
from evolve.proposers.llm.prompts import propose_prompt
from evolve.proposers.llm.wire import Completion, ToolCall, Turn
from evolve.proposers.llm.writer import Job
from evolve.spending import SpentError
from reports.text import one_line

SMALLEST_PROMPT_BYTES = 4_000
LONGEST_REASON = 400

TEXT_CALLS_BEFORE_SWITCH = 2
"""Answers with calls in their text, from a model that was offered tools, after which they are no longer offered."""

_FORGOTTEN = "(This was left out to save space.)"
_FORGOTTEN_FROM = 400


class _StuckError(Exception):
    """A model goes on without a call and without a program."""


class Conversation:
    """Carries one job out.

    Args:
        chat: talks to the model's server.
        job: what is to be written.
        toolbox: carries calls out.
        bench: knows the best program that was tried out.
        plainly: whether calls go in plain text from the start.
        sure: whether it is known that the server takes tools; if not, a first request that fails is made without.

    Attributes:
        called: whether the model called a tool by the protocol's own means.
        to_be_plain: whether later jobs of this model should go in plain text from the start.
    """

    def __init__(self, chat: Chat, job: Job, *, toolbox: Toolbox, bench: Workbench, plainly: bool, sure: bool) -> None:
        self.called = False
        self.to_be_plain = False
        self._chat = chat
        self._job = job
        self._toolbox = toolbox
        self._bench = bench
        self._meter = toolbox.meter
        self._limits = toolbox.meter.limits
        self._sure = sure
        self._plain = TextVoice(job.base)
        self._voice: Voice = self._plain if plainly else NativeVoice(self._limits)
        self._system = ""
        self._turns: list[Turn] = []
        self._nudges = 0
        self._text_calls = 0

    async def run(self) -> Written:
        """Write a program, or say why there is none; with what the model noted for later authors.

        Raises:
            ProviderError: no request to this model can succeed, and there is nothing to show.
            SpentError: the budget leaves no room for another request, and there is nothing to show.
        """
        try:
            written = await self._converse()
        except (SpentError, ProviderError) as error:
            # What was found out is paid for; the next job meets the same error with its first request.
            if self._bench.best is None and not self._toolbox.notes:
                raise
            written = self._give_up(str(error))
        except (ChatError, _StuckError) as error:
            written = self._give_up(str(error))
        return replace(written, notes=(*written.notes, *self._toolbox.notes))

    async def _converse(self) -> Written:
        completion, closing = await self._open(), ""
        while True:
            written = await self._take(completion, closing=bool(closing))
            if written is not None:
                return written
            if closing:
                return self._give_up(f"{closing}, and no usable program was handed in")
            closing = self._meter.reached
            completion = await self._ask(closing)

    def _give_up(self, reason: str) -> Written:
        """The best program that was tried out, else none."""
        reason, best = one_line(reason, LONGEST_REASON), self._bench.best
        if best is None or self._job.context.repeats(best.source):
            return self._job.failed(reason)
        summary = f"best of {self._bench.count} tried out, not handed in by its author: {reason}"
        return self._job.written(self._toolbox.answer(best.source, summary))

    # -- requests ------------------------------------------------------------------------------------

    async def _open(self) -> Completion:
        """The first answer; with a shorter prompt where the model takes no longer one."""
        size, without = self._limits.prompt_bytes, False
        while True:
            prompt = propose_prompt(self._job.brief, self._job.arm.kind, agentic=True, budget_bytes=size)
            self._system = prompt.system
            self._turns = [
                Turn(role="system", text=self._voice.system(prompt.system)),
                Turn(role="user", text=prompt.user),
            ]
            try:
                completion = await self._request(_noted(self._turns, self._meter.left), closing=False)
            except ContextOverflowError:
                size //= 2
                if size < SMALLEST_PROMPT_BYTES:
                    raise
            except RefusedError:
                raise
            except ChatError:
                # Not every server says in so many words that it is the tools that it fails on.
                if self._sure or self._voice is self._plain:
                    raise
                self._voice, without = self._plain, True
            else:
                self.to_be_plain = without
                return completion

    async def _ask(self, closing: str) -> Completion:
        """Go on with the conversation; with older results left out where it is too long for the model.

        Args:
            closing: why this is the last request; empty if it is not.
        """
        words = self._meter.left
        if closing:
            words = (
                f"This is the last turn, because {closing}. Hand in your best program now, by submit alone. "
                "Nothing else is carried out any more."
            )
        try:
            return await self._request(_noted(self._turns, words), closing=bool(closing))
        except ContextOverflowError:
            if not self._forget():
                raise
            return await self._request(_noted(self._turns, words), closing=bool(closing))

    async def _request(self, turns: Sequence[Turn], *, closing: bool) -> Completion:
        completion = await self._chat.complete(
            self._job.arm.model,
            turns,
            ticket=self._job.ticket,
            purpose="agent",
            tools=self._voice.tools(closing=closing),
        )
        self._meter.turn(completion.usage.tokens)
        return completion

    def _forget(self) -> bool:
        """Leave out what was said before the last exchange; whether there was anything."""
        last = max((at for at, turn in enumerate(self._turns) if turn.role == "assistant"), default=0)
        shorter = [*self._turns[:2], *(_shortened(turn) for turn in self._turns[2:last]), *self._turns[max(2, last) :]]
        changed, self._turns = shorter != self._turns, shorter
        self._toolbox.forget()
        return changed

    # -- answers -------------------------------------------------------------------------------------

    async def _take(self, completion: Completion, *, closing: bool) -> Written | None:
        """Do what an answer wants; gives what came of the job once that is settled."""
        voice, calls = self._voice, self._voice.calls(completion)
        switched = False
        self.called = self.called or bool(completion.tool_calls)
        if not calls and voice is not self._plain:
            voice, calls = self._plain, self._plain.calls(completion)
            self._text_calls += bool(calls)
            self.to_be_plain = self._text_calls >= TEXT_CALLS_BEFORE_SWITCH
            switched = self.to_be_plain or not completion.tools_offered
        if switched:
            self._speak_plainly()
        # A call of somebody else's tool, such as an editor's, may be the very edit that is wanted.
        foreign = voice is self._plain and all(call.name and call.name not in NAMES for call in calls)
        if calls and not foreign:
            return await self._carry_out(voice, completion, calls, closing=closing)
        try:
            return self._job.written(self._job.read(completion.text))
        except AnswerError as error:
            if calls:
                return await self._carry_out(voice, completion, calls, closing=closing)
            if not switched:  # else it had not been told how to call
                self._nudge(completion, str(error))
        return None

    async def _carry_out(
        self, voice: Voice, completion: Completion, calls: Sequence[ToolCall], *, closing: bool
    ) -> Written | None:
        kept, results = calls[: self._limits.calls_per_turn], []
        if closing:
            kept = [call for call in calls if call.name in {SUBMIT, HYPOTHESIS}][: self._limits.calls_per_turn]
        for call in kept:
            results.append(await self._toolbox.run(call, cut_off=completion.finish == "length"))
            if self._toolbox.handed_in is not None:
                return self._job.written(self._toolbox.handed_in)
        if len(calls) > len(kept) and results:
            words = f"Only the first {len(kept)} of your {len(calls)} calls were read. Make fewer at a time."
            results[-1] += "\n" + notice(words)
        self._turns += voice.turns(completion, kept, results)
        return None

    def _nudge(self, completion: Completion, reason: str) -> None:
        self._nudges += 1
        if self._nudges > self._limits.nudges:
            raise _StuckError(f"{self._nudges} answers without a tool call and without a usable program")
        words = (
            "Your answer called no tool, and no program could be taken from it, for the reason below. "
            "Call a tool now; call submit to hand in your program."
        )
        self._turns += [
            Turn(role="assistant", text=said(completion.text)),
            Turn(role="user", text=notice(words, reason)),
        ]

    def _speak_plainly(self) -> None:
        """From now on calls go in plain text; the model is told how."""
        self._voice = self._plain
        self._turns[0] = Turn(role="system", text=self._plain.system(self._system))


def _noted(turns: Sequence[Turn], words: str) -> list[Turn]:
    """The conversation with words at its end; in its last turn, for some servers want roles to alternate."""
    return [*turns[:-1], replace(turns[-1], text=f"{turns[-1].text.rstrip()}\n\n{words}\n")]


def _shortened(turn: Turn) -> Turn:
    text = turn.text if len(turn.text) < _FORGOTTEN_FROM else _FORGOTTEN
    calls = tuple(
        call if len(call.arguments) < _FORGOTTEN_FROM else replace(call, arguments=json.dumps({"left_out": _FORGOTTEN}))
        for call in turn.tool_calls
    )
    return replace(turn, text=text, tool_calls=calls)
