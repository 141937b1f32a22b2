"""Where language models write: many requests at the same time in a thread of their own, beside the judging."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from queue import Empty, SimpleQueue
from random import Random

from db.records import Note, NoteKind
from evaluators.model import Evaluation
from evolve.bandit import arm as bandit
from evolve.brief import Attempt, Brief
from evolve.desk import DeskError, Draft, Trial, Written
from evolve.proposal import Selection
from evolve.proposers.llm.arms import Arm, find, offers_of
from evolve.proposers.llm.chat import Chat, Turn
from evolve.proposers.llm.errors import ChatError, ProviderError
from evolve.proposers.llm.models import Model
from evolve.proposers.llm.prompts import Kind, insights_prompt
from evolve.proposers.llm.trials import Trials
from evolve.proposers.llm.writer import Author, Job
from evolve.spending import SpentError
from reports.text import one_line

GRACE_SECONDS = 15.0
"""How long answers under way are waited for when a person wants to stop; they are paid for already."""

CLOSING_SECONDS = 10.0

FAILURES_IN_A_ROW = 3
"""Errors in a row that say that no request can succeed, until that is believed of a model that has answered before."""

TOLD_AT = frozenset({10, 50, 150})
"""After how many drafts in vain, one after another, a person hears why."""

DRAFTS_PER_REQUEST = 1.5
"""Drafts in hand for every request that may be under way: while one waits for another attempt, another one is sent."""

INSIGHTS_CHARACTERS = 4_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What the desk asks of search and archive, from the driver's thread.

    Args:
        next_ticket: draws a new ticket.
        brief: says what a model is told of a selection.
        attempts: the latest attempts of all lines, newest last.
        say: tells a person.
        spent: tokens and US dollars that the calls of a ticket were charged with.
        broken: number of the failed program that waits longest for its repair; None without any.
    """

    next_ticket: Callable[[], int]
    brief: Callable[[Selection], Brief]
    attempts: Callable[[], Sequence[Attempt]]
    say: Callable[[str], None]
    spent: Callable[[int], tuple[int, float]] = lambda _: (0, 0.0)
    broken: Callable[[], int | None] = lambda: None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lost:
    """A request to a model that failed as if no other could succeed."""

    model: Model
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answered:
    """A draft came to an end with a model that can be reached."""

    model: Model


class LlmDesk:
    """Implements `evolve.desk.Desk`.

    Args:
        chat: talks to the servers; closed with the desk.
        author: carries a job out.
        models: who may be asked.
        trials: programs that authors want to try out.
        memory: what is known.
        insights_every: how many candidates lie between two summaries of what was learned; 0 for none.
        share: weight of all its offers together, relative to what else there is.
    """

    def __init__(
        self,
        chat: Chat,
        author: Author,
        *,
        models: Sequence[Model],
        trials: Trials,
        memory: Memory,
        insights_every: int = 0,
        share: float = 1.0,
    ) -> None:
        self._chat = chat
        self._author = author
        self._models = {model.key: model for model in models}
        self._failures: Counter[tuple[str | None, str]] = Counter()
        self._answered: set[tuple[str | None, str]] = set()
        self._in_vain = 0
        self._slots = self._count_slots()
        self._share = share
        self._trials = trials
        self._memory = memory
        self._insights_every = insights_every
        self._summed_up: int | None = None
        self._repairs: dict[int, int] = {}
        self._pulled: dict[int, bandit.Arm | None] = {}
        self._jobs: dict[int, Future[None]] = {}
        self._others: set[Future[None]] = set()
        self._given_up: set[int] = set()
        self._arrived: SimpleQueue[Written | _Answered | _Lost | SpentError | Exception] = SimpleQueue()
        self._finished = ""
        self._cancelled_at: float | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="evolve-llm", daemon=True)
        self._thread.start()

    @property
    def slots(self) -> int:
        """Drafts at the same time, over all models; somewhat more than there may be requests."""
        return self._slots

    @property
    def offers(self) -> Sequence[bandit.Offer]:
        """Every model with every kind of change."""
        return offers_of(self._possible(self._memory.broken(), crossover=True), self._share)

    @property
    def under_way(self) -> int:
        """Drafts that a model is at."""
        return len(self._jobs)

    @property
    def wants(self) -> bool:
        """Whether a model is free."""
        return not self._finished and self._cancelled_at is None and len(self._jobs) < self._slots

    @property
    def finished(self) -> str:
        """Set once the budget leaves no room for another request."""
        return self._finished

    def submit(self, draft: Draft) -> None:
        """See `evolve.desk.Desk`."""
        brief = self._memory.brief(draft.selection)
        rng = draft.context.rng
        broken = brief.broken.number if brief.broken else None
        arm = find(draft.arm, self._possible(broken, crossover=bool(brief.inspirations)), rng)
        ticket = self._memory.next_ticket()
        self._pulled[ticket] = draft.arm
        if arm.kind is Kind.REPAIR and brief.broken:
            self._repairs[ticket] = brief.broken.number
        elif brief.broken:
            brief = replace(brief, broken=None)
        job = Job(ticket=ticket, arm=arm, brief=brief, context=draft.context)
        self._jobs[ticket] = asyncio.run_coroutine_threadsafe(self._carry_out(job), self._loop)
        self._sum_up_if_due(brief, rng)

    def next_written(self, timeout_seconds: float) -> Written | None:
        """See `evolve.desk.Desk`."""
        if not self._jobs:
            timeout_seconds = 0.0
        try:
            arrived = self._arrived.get(timeout=timeout_seconds) if timeout_seconds else self._arrived.get_nowait()
        except Empty:
            return None
        if isinstance(arrived, Written):
            if arrived.ticket is not None:
                self._jobs.pop(arrived.ticket, None)
                tokens, cost = self._memory.spent(arrived.ticket)
                return replace(arrived, arm=self._pulled.pop(arrived.ticket, None), tokens=tokens, cost=cost)
            return arrived
        if isinstance(arrived, _Lost):
            self._count_failure(arrived)
            return None
        if isinstance(arrived, _Answered):
            self._answered.add(arrived.model.key)
            self._failures[arrived.model.key] = 0
            return self.next_written(0.0)
        if isinstance(arrived, SpentError):
            self._finished = str(arrived)
            return None
        raise arrived

    def next_trial(self) -> Trial | None:
        """See `evolve.desk.Desk`."""
        return self._trials.next_trial()

    def tried(self, key: int, evaluation: Evaluation | None, failure: str) -> None:
        """See `evolve.desk.Desk`."""
        self._trials.tried(key, evaluation, failure)

    def settle(self, written: Written, number: int | None, reason: str) -> None:
        """Tell a person when nothing comes of anything."""
        if written.ticket is None:
            return
        broken = self._repairs.pop(written.ticket, None)
        if number is not None:
            self._in_vain = 0
            return
        if broken is not None:
            self._given_up.add(broken)
        self._in_vain += 1
        if self._in_vain in TOLD_AT and self._cancelled_at is None and not self._finished:
            words = one_line(reason, 200)
            self._memory.say(f"nothing has come of the last {self._in_vain} drafts; of the latest because: {words}")

    def recorded(self, number: int, evaluation: Evaluation, *, of_search: bool) -> None:
        """The search remembers verdicts; the next brief tells of them."""

    def wind_down(self) -> None:
        """Send nothing more; drafts whose request waits are given up, programs that are tried out come to an end."""
        self._chat.wind_down()
        for other in list(self._others):
            other.cancel()
        for ticket, job in self._jobs.items():
            if self._chat.is_waiting(ticket):
                job.cancel()

    def cancel(self) -> None:
        """Wait a little for answers under way, then give them up."""
        self.wind_down()
        if self._cancelled_at is None:
            self._cancelled_at = time.monotonic()
        if time.monotonic() - self._cancelled_at > GRACE_SECONDS:
            for job in self._jobs.values():
                job.cancel()

    def close(self) -> None:
        """Give up what is under way, and end the thread."""
        if not self._loop.is_closed():
            ending = asyncio.run_coroutine_threadsafe(self._end(), self._loop)
            try:
                ending.result(CLOSING_SECONDS)
            finally:
                self._loop.call_soon_threadsafe(self._loop.stop)
                self._thread.join(CLOSING_SECONDS)
                self._loop.close()

    # -- in the driver's thread ----------------------------------------------------------------------

    def _possible(self, broken: int | None, *, crossover: bool) -> list[Arm]:
        kinds = [Kind.EDIT, Kind.REWRITE]
        if crossover:
            kinds.append(Kind.CROSSOVER)
        if broken is not None and broken not in {*self._repairs.values(), *self._given_up}:
            kinds.append(Kind.REPAIR)
        return [Arm(model=model, kind=kind) for model in self._models.values() for kind in kinds]

    def _count_slots(self) -> int:
        return math.ceil(DRAFTS_PER_REQUEST * sum(model.concurrency for model in self._models.values()))

    def _count_failure(self, lost: _Lost) -> None:
        """Do without a model that never answered, or has stopped to; without any, end."""
        model = lost.model
        self._failures[model.key] += 1
        if model.key not in self._models or (
            model.key in self._answered and self._failures[model.key] < FAILURES_IN_A_ROW
        ):
            return
        if len(self._models) > 1:
            del self._models[model.key]
            self._slots = self._count_slots()
            self._memory.say(f"model {model.name} is left out from now on: {lost.reason}")
        elif self._answered:
            # What was paid for is judged, and there is a final.
            self._finished = self._finished or lost.reason
        else:
            raise DeskError(lost.reason)

    def _sum_up_if_due(self, brief: Brief, rng: Random) -> None:
        """Begin a summary of what was learned, if enough was tried since the last one."""
        if self._summed_up is None:
            self._summed_up = brief.told
        if not self._insights_every or brief.told - self._summed_up < self._insights_every:
            return
        self._summed_up = brief.told
        model = rng.choices(list(self._models.values()), [one.weight for one in self._models.values()])[0]
        attempts = tuple(self._memory.attempts())
        other = asyncio.run_coroutine_threadsafe(self._sum_up(model, brief, attempts), self._loop)
        self._others.add(other)
        other.add_done_callback(self._others.discard)

    # -- in the desk's own thread --------------------------------------------------------------------

    async def _carry_out(self, job: Job) -> None:
        try:
            written = await self._author.write(job)
            self._arrived.put(_Answered(model=job.arm.model))
            self._arrived.put(written)
        except asyncio.CancelledError:
            self._arrived.put(job.failed("given up"))
            raise
        except (SpentError, ProviderError) as error:
            self._arrived.put(error if isinstance(error, SpentError) else _Lost(model=job.arm.model, reason=str(error)))
            self._arrived.put(job.failed(str(error)))
        except Exception as error:  # noqa: BLE001 - the driver's thread raises it
            self._arrived.put(error)
            self._arrived.put(job.failed(str(error)))

    async def _sum_up(self, model: Model, brief: Brief, attempts: Sequence[Attempt]) -> None:
        prompt = insights_prompt(brief, attempts)
        turns = [Turn(role="system", text=prompt.system), Turn(role="user", text=prompt.user)]
        try:
            completion = await self._chat.complete(model, turns, ticket=None, purpose="insights")
        except (ChatError, ProviderError, SpentError):
            return  # its calls are in the archive with the reason; the search does without a summary
        text = completion.text.strip()[:INSIGHTS_CHARACTERS]
        if text:
            self._arrived.put(Written(notes=(Note(kind=NoteKind.INSIGHTS, text=text, author=model.name),)))

    async def _end(self) -> None:
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._chat.close()
