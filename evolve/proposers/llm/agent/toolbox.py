"""Carries out the tool calls of one conversation."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from db.records import Note, NoteKind
from evaluators.program import ProgramError, parse_program
from evolve.proposers.llm.agent.arguments import Arguments, ArgumentsError
from evolve.proposers.llm.agent.library import Library
from evolve.proposers.llm.agent.limits import Meter
from evolve.proposers.llm.agent.texts import candidate_text, cut, diff_text, notice, profile_text, top_text, trial_text
from evolve.proposers.llm.agent.tools import (
    DIFF,
    EVALUATE,
    HYPOTHESIS,
    INSPECT,
    MOST_LISTED,
    NAMES,
    PROFILE,
    SUBMIT,
    TOP,
)
from evolve.proposers.llm.agent.trials import TrialsOverError, Tried, Workbench
from evolve.proposers.llm.answers import Answer, AnswerError, Form, read_answer
from evolve.proposers.llm.wire import ToolCall
from evolve.proposers.llm.writer import Job
from reports.text import one_line

LISTED = 5
QUOTED_CHARACTERS = 400
HYPOTHESIS_CHARACTERS = 300
SUMMARY_CHARACTERS = 200

_PROGRAM_NAMES = ("program", "code", "source")
_SUMMARY_NAMES = ("summary", "note", "description")


class _RefusedCallError(Exception):
    """A call that comes to nothing, for a reason that its model can mend.

    Args:
        words: ours.
        quoted: text that belongs to them and is data.
    """

    def __init__(self, words: str, quoted: str = "") -> None:
        super().__init__(words)
        self.words = words
        self.quoted = quoted


@dataclass(frozen=True, slots=True, kw_only=True)
class _Given:
    """A program that came with a call, and whether a reader had to make it out of edits or an answer's text."""

    source: str
    form: Form


class Toolbox:
    """The tools of one conversation. Results are texts for the model; what goes wrong on our side is raised.

    Args:
        job: what is to be written.
        library: what may be looked up.
        bench: where programs are tried out.
        meter: counts calls.
    """

    def __init__(self, job: Job, *, library: Library, bench: Workbench, meter: Meter) -> None:
        self.handed_in: Answer | None = None
        self.notes: list[Note] = []
        self._job = job
        self._library = library
        self._bench = bench
        self.meter = meter
        self._answered: set[tuple[str, str]] = set()
        self._tools: dict[str, Callable[[Arguments], Awaitable[str]]] = {
            EVALUATE: self._evaluate,
            PROFILE: self._profile,
            INSPECT: self._inspect,
            TOP: self._top,
            DIFF: self._diff,
            HYPOTHESIS: self._hypothesis,
            SUBMIT: self._submit,
        }

    async def run(self, call: ToolCall, *, cut_off: bool = False) -> str:
        """Carry a call out; gives its result for the model, within the bound on its size.

        Args:
            call: what a model wants.
            cut_off: whether its answer stopped at its longest length, so that arguments may be cut.
        """
        return cut(await self._run(call, cut_off), self.meter.limits.result_bytes)

    async def _run(self, call: ToolCall, cut_off: bool) -> str:
        spent = self.meter.calls >= self.meter.limits.calls
        self.meter.calls += 1
        name = call.name.strip()
        tool = self._tools.get(name)
        try:
            if not name:
                words = (
                    'The call could not be read. It must be JSON such as {"name": "top", "arguments": {"count": 3}}.'
                )
                raise _RefusedCallError(words, call.arguments[:QUOTED_CHARACTERS])
            if tool is None:
                raise _RefusedCallError(f"There is no such tool. The tools are {', '.join(sorted(NAMES))}.", name)
            if spent and name not in {SUBMIT, HYPOTHESIS}:
                raise _RefusedCallError("No tool call is left but submit. Hand in your program.")
            arguments = Arguments(call.arguments, self.meter.limits.argument_characters)
            key = (name, json.dumps(arguments.values, sort_keys=True))
            if key in self._answered:
                return notice("You made this very call before. Its result stands above.")
            text = await tool(arguments)
        except ArgumentsError as error:
            cut = " The answer was cut off at its longest length; be brief." if cut_off else ""
            return notice(f"{name} was not called. {error}{cut}")
        except _RefusedCallError as error:
            return notice(error.words, error.quoted)
        except TrialsOverError as error:
            self.meter.evaluations = self.meter.limits.evaluations
            return notice("No program can be tried out any more. Hand in the best that you have.", str(error))
        self._answered.add(key)
        return text

    def forget(self) -> None:
        """Results were left out of the conversation: carry repeated calls out again."""
        self._answered.clear()

    # -- tools ---------------------------------------------------------------------------------------

    async def _evaluate(self, arguments: Arguments) -> str:
        tried = await self._tried(arguments)
        return trial_text(tried, self._job.brief.task, self._job.brief.parent.number)

    async def _profile(self, arguments: Arguments) -> str:
        tried = await self._tried(arguments)
        brief = self._job.brief
        return profile_text(tried, brief.task, brief.parent.number, self.meter.limits.result_bytes)

    async def _inspect(self, arguments: Arguments) -> str:
        number = arguments.number("candidate", "number")
        candidate, standing = self._library.candidate(number), self._library.standing(number)
        if candidate is None or standing is None:
            raise _RefusedCallError(f"There is no candidate {number} in this search. Ask top for some that there are.")
        return candidate_text(candidate, standing, self._job.brief.task, self.meter.limits.result_bytes)

    async def _top(self, arguments: Arguments) -> str:
        count = min(max(1, arguments.number("count", default=LISTED)), MOST_LISTED)
        return top_text(self._library.top(count), self.meter.limits.result_bytes)

    async def _diff(self, arguments: Arguments) -> str:
        numbers = arguments.number("a"), arguments.number("b")
        old, new = (self._library.candidate(number) for number in numbers)
        if old is None or new is None:
            missing = numbers[0] if old is None else numbers[1]
            raise _RefusedCallError(f"There is no candidate {missing} in this search. Ask top for some that there are.")
        return diff_text(old, new, self.meter.limits.result_bytes)

    async def _hypothesis(self, arguments: Arguments) -> str:
        text = one_line(arguments.text("text", "hypothesis", "note"), HYPOTHESIS_CHARACTERS)
        if not text:
            raise _RefusedCallError("The argument 'text' is missing; it holds the note.")
        most = self.meter.limits.hypotheses
        if len(self.notes) >= most:
            raise _RefusedCallError(f"Not kept: {most} notes are kept of one author, and you left as many.")
        if all(note.text != text for note in self.notes):
            self.notes.append(Note(kind=NoteKind.HYPOTHESIS, text=text, author=self._job.arm.model.name))
        return notice("Kept for later authors.")

    async def _submit(self, arguments: Arguments) -> str:
        summary = arguments.text(*_SUMMARY_NAMES)
        given = self._given(arguments)
        if given is None:
            best = self._bench.best
            if best is None:
                raise _RefusedCallError("Nothing was handed in: give program or edits, for none was evaluated as ok.")
            given = _Given(source=best.source, form=Form.WHOLE)
        self._refuse_useless(given.source)
        self.handed_in = self.answer(given.source, summary, given.form)
        return notice("Handed in.")

    def answer(self, source: str, summary: str, form: Form = Form.WHOLE) -> Answer:
        """A program as an answer; the approach that was asked for on a plateau stands before the summary."""
        summary, paradigm = one_line(summary, 2 * SUMMARY_CHARACTERS), ""
        head, colon, rest = summary.partition(":")
        if colon and head.strip().lower() == "paradigm":
            paradigm, _, summary = (part.strip() for part in rest.partition(";"))
        return Answer(
            source=source,
            summary=one_line(summary, SUMMARY_CHARACTERS),
            paradigm=one_line(paradigm, SUMMARY_CHARACTERS),
            form=form,
            tolerated=(),
        )

    # -- programs ------------------------------------------------------------------------------------

    async def _tried(self, arguments: Arguments) -> Tried:
        given = self._given(arguments)
        if given is None:
            raise _RefusedCallError("Nothing was tried out: give program or edits.")
        known = self._bench.known(given.source)
        if known is not None:
            return known
        self._refuse_useless(given.source)
        if not self.meter.evaluations_left:
            raise _RefusedCallError("No evaluation is left. Hand in the best program that you have.")
        return await self._bench.try_out(given.source)

    def _given(self, arguments: Arguments) -> _Given | None:
        """The program of a call; None if it came with none."""
        program, edits = arguments.text(*_PROGRAM_NAMES), arguments.text("edits")
        if program and not edits:
            try:
                parse_program(program)
                return _Given(source=program, form=Form.WHOLE)
            except ProgramError:
                pass  # fenced, edits in the wrong place, or broken: the reader sees which
        if not program and not edits:
            return None
        context = self._job.context
        try:
            answer = read_answer(
                edits or program,
                parent=self._job.base,
                entry=context.entry,
                wanted=Form.EDIT if edits else Form.WHOLE,
                template=context.template,
            )
        except AnswerError as error:
            raise _RefusedCallError("The program could not be read, and no evaluation was used.", str(error)) from error
        return _Given(source=answer.source, form=answer.form)

    def _refuse_useless(self, source: str) -> None:
        """Refuse what would be refused when it is handed in, before anybody pays for it."""
        objection = self._job.context.objection(source)
        if objection:
            raise _RefusedCallError(
                "The static check refuses this program; mend that and call again. No evaluation was used.",
                f"The program {objection}.",
            )
        if self._job.context.repeats(source):
            raise _RefusedCallError(
                "This program was judged before in this search and cannot be handed in. Make a change that nobody "
                "has tried. No evaluation was used."
            )
