"""One draft, one conversation: prompt, answer, and another try with the reason where the answer was of no use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from db.records import Note, NoteKind
from evolve.brief import Brief
from evolve.desk import Written
from evolve.proposal import Context, Proposal
from evolve.proposers.llm.answers import Answer, AnswerError, Form, read_answer
from evolve.proposers.llm.arms import Arm
from evolve.proposers.llm.chat import Chat, Completion, Turn
from evolve.proposers.llm.errors import ChatError, ContextOverflowError
from evolve.proposers.llm.prompts import Kind, propose_prompt, retry_prompt

RETRIES = 2
"""How often a model may answer again after an answer that was of no use."""

PROMPT_BYTES = 60_000
SMALLEST_PROMPT_BYTES = 8_000
QUOTED_CHARACTERS = 12_000
"""How much of an answer of no use is shown to the model again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A draft with all that a model is told of it."""

    ticket: int
    arm: Arm
    brief: Brief
    context: Context

    @property
    def base(self) -> str:
        """The program that edits are meant for."""
        broken = self.brief.broken
        return broken.source if self.arm.kind is Kind.REPAIR and broken else self.brief.parent.source

    @property
    def parents(self) -> tuple[int, ...]:
        """Numbers of the candidates that the new one is made of."""
        brief, parent = self.brief, self.brief.parent.number
        if self.arm.kind is Kind.CROSSOVER and brief.inspirations:
            return (parent, brief.inspirations[-1].number)
        if self.arm.kind is Kind.REPAIR and brief.broken:
            first = parent if brief.broken.parent is None else brief.broken.parent
            return tuple(dict.fromkeys((first, brief.broken.number)))
        return (parent,)

    def written(self, answer: Answer) -> Written:
        """The program that came of it, and the approach that its author named."""
        notes: tuple[Note, ...] = ()
        if answer.paradigm and self.brief.plateau:
            notes = (Note(kind=NoteKind.PARADIGM, text=answer.paradigm, author=self.arm.model.name),)
        proposal = Proposal(
            source=answer.source,
            proposer="llm",
            operator=self.arm.name,
            parents=self.parents,
            note=answer.summary,
        )
        return Written(proposal=proposal, ticket=self.ticket, notes=notes)

    def failed(self, reason: str) -> Written:
        """No program came of it."""
        return Written(reason=f"{self.arm.name}: {reason}", ticket=self.ticket)

    def read(self, text: str, *, cut: bool = False) -> Answer:
        """Read a program out of an answer, one that is worth judging; ``cut`` if it ended at its longest length.

        Raises:
            AnswerError: there is none; the message is written for the model.
        """
        answer = read_answer(
            text,
            parent=self.base,
            entry=self.context.entry,
            wanted=Form.EDIT if self.arm.kind is Kind.EDIT else Form.WHOLE,
            template=self.context.template,
            cut=cut,
        )
        objection = self.context.objection(answer.source)
        if objection:
            raise AnswerError(f"The program {objection}.")
        if self.context.repeats(answer.source):
            raise AnswerError("This program was judged before. Make a change that nobody has tried.")
        return answer


class Author(Protocol):
    """Carries a job out, in one answer or many."""

    async def write(self, job: Job) -> Written:
        """Write a program.

        Raises:
            ProviderError: no request to this model can succeed.
            SpentError: the budget leaves no room for another request.
        """


class Writer:
    """Asks a model once, and again with the reason where that was of no use."""

    def __init__(self, chat: Chat, *, retries: int = RETRIES) -> None:
        self._chat = chat
        self._retries = retries

    async def write(self, job: Job) -> Written:
        """See `Author`."""
        try:
            turns, completion = await self._open(job)
        except ChatError as error:
            return job.failed(str(error))
        for left in range(self._retries, -1, -1):
            if completion is None:
                return job.failed("the prompt is longer than the model takes")
            cut = completion.finish == "length"
            try:
                return job.written(job.read(completion.text, cut=cut))
            except AnswerError as error:
                reason = str(error)
            if cut:
                reason = f"The answer was cut off at its longest length; be brief. {reason}"
            if left == 0:
                break
            turns += [
                Turn(role="assistant", text=completion.text[:QUOTED_CHARACTERS]),
                Turn(role="user", text=retry_prompt(reason, job.arm.kind)),
            ]
            try:
                completion = await self._ask(job, turns)
            except ChatError as error:
                return job.failed(f"{reason} On asking again: {error}")
        return job.failed(reason)

    async def _open(self, job: Job) -> tuple[list[Turn], Completion | None]:
        """The first answer; with a shorter prompt where the model takes no longer one."""
        size, shown = PROMPT_BYTES, ""
        while size >= SMALLEST_PROMPT_BYTES:
            prompt = propose_prompt(job.brief, job.arm.kind, budget_bytes=size)
            if prompt.user == shown:
                break
            shown = prompt.user
            turns = [Turn(role="system", text=prompt.system), Turn(role="user", text=prompt.user)]
            try:
                return turns, await self._ask(job, turns)
            except ContextOverflowError:
                size //= 2
        return [], None

    async def _ask(self, job: Job, turns: list[Turn]) -> Completion:
        return await self._chat.complete(job.arm.model, turns, ticket=job.ticket, purpose=job.arm.kind.value)
