"""The HTTP interface: one choke point for any number of askers. Needs FastAPI, so it is imported only to serve."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime
from typing import Annotated, Any, TypeVar

from fastapi import Depends, FastAPI, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException

import evolve
from db.archive import utc_now
from db.records import Note, NoteKind
from evolve.external import forms
from evolve.external.desk import ExternalDesk
from evolve.external.model import MAX_NOTE, MAX_PROGRAM_BYTES, Fault, HandIn, Refused, one_line
from evolve.external.views import Views
from reports.formats import to_json

T = TypeVar("T")

STATUS = {
    Fault.UNUSABLE: 422,
    Fault.UNKNOWN: 404,
    Fault.DUPLICATE: 409,
    Fault.SETTLED: 409,
    Fault.SPENT: 409,
    Fault.OVER: 409,
    Fault.NOT_YOURS: 409,
    Fault.TOO_MANY: 429,
    Fault.BUSY: 503,
}

LEAST_ASK_SECONDS = 2.0

DESCRIPTION = """\
A search for a better program, open to anybody who can write one. Ask for an order, write a program, hand it in, read
its score, ask again. All programs meet the same judge and share one budget; nothing of the hidden workloads that decide
in the end is to be had here. Every request carries `Authorization: Bearer TOKEN`. An error is
`{"error": what, "hint": how}`."""

FAULTS: dict[int | str, dict[str, Any]] = {
    401: {"model": forms.Fault, "description": "No token, or a wrong one."},
    422: {"model": forms.Fault, "description": "The request is not of the described form, or the program is unusable."},
}
SPENT: dict[int | str, dict[str, Any]] = {
    409: {
        "model": forms.Fault,
        "description": "Duplicate, ticket settled or somebody else's, budget spent, or the sitting is over.",
    },
}
BUSY: dict[int | str, dict[str, Any]] = {
    503: {"model": forms.Fault, "description": "Not ready, or too many wait already; send the same again later."}
}
OFTEN: dict[int | str, dict[str, Any]] = {429: {"model": forms.Fault, "description": "Too many notes in an hour."}}
UNKNOWN: dict[int | str, dict[str, Any]] = {404: {"model": forms.Fault, "description": "There is no such thing."}}


class Document(Response):
    """JSON in full precision, with null for what is not finite."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """As every other JSON output."""
        return to_json(content).encode()


class Api:
    """The endpoints.

    Args:
        desk: takes asks and programs to the driver.
        views: what may be read.
        now: the clock that orders expire by.
    """

    def __init__(self, desk: ExternalDesk, views: Views, now: Callable[[], datetime] = utc_now) -> None:
        self._desk = desk
        self._views = views
        self._now = now

    def task(self) -> Document:
        """What is asked: statement, rules, interface, starting programs, how to work, what is left of the budget."""
        return Document(self._views.task())

    async def ask(self, form: forms.AskForm) -> Document:
        """Get an order: a ticket, a program to build on, and a prompt with all that is known of the search."""
        asked = await run_in_threadpool(self._desk.ask, form.asker)
        # The driver needs a moment even where it has nothing else to do.
        answer = await _within(asked.answer, max(form.wait_seconds, LEAST_ASK_SECONDS))
        if answer is None and not asked.answer.cancel():
            answer = await _within(asked.answer, forms.MAX_WAIT_SECONDS)
        if answer is None:
            return _error(503, "no order could be made in time", "ask again: the starting programs are being measured")
        if isinstance(answer, Refused):
            return _refused(answer)
        return Document(await run_in_threadpool(self._views.sheet, answer))

    async def evaluate(self, form: forms.EvaluateForm) -> Document:
        """Hand in a program and wait for its score on train workloads. Sending the same again is safe."""
        size = len(form.program.encode())
        if size > MAX_PROGRAM_BYTES:
            return _error(413, f"the program has {size} bytes", f"a program has at most {MAX_PROGRAM_BYTES} bytes")
        hand_in = HandIn(
            program=form.program,
            asker=form.asker,
            ticket=form.ticket,
            parents=tuple(dict.fromkeys(form.parents)),
            summary=form.summary,
            hypothesis=form.hypothesis,
            paradigm=form.paradigm,
        )
        told = await run_in_threadpool(self._desk.tell, hand_in)
        answer = await _within(told.answer, form.wait_seconds)
        if answer is None:
            state = "waiting" if told.number is None else "judging"
            return Document({"candidate": told.number, "ticket": form.ticket, "state": state}, status_code=202)
        if isinstance(answer, Refused):
            return _refused(answer)
        return Document(self._views.judged(answer, best=self._desk.best, ticket=form.ticket))

    async def notes(self, form: forms.NoteForm) -> Document:
        """Leave a note that later orders show to their authors."""
        if form.candidate is not None and not await run_in_threadpool(self._views.holds, form.candidate):
            return _no_candidate(form.candidate)
        text = one_line(form.text, MAX_NOTE)
        if not text:
            return _error(422, "the note holds nothing that can be shown", "write what others should know")
        note = Note(kind=NoteKind.HYPOTHESIS, text=text, author=form.asker, number=form.candidate)
        answer = await _within(self._desk.note(note), form.wait_seconds)
        if answer is None:
            return Document({"kept": False}, status_code=202)
        return _refused(answer) if isinstance(answer, Refused) else Document({"kept": True})

    def candidate(self, number: int) -> Document:
        """A candidate: its program, where it stands and every verdict so far."""
        if not self._views.holds(number):
            return _no_candidate(number)
        return Document(self._views.candidate(number, best=self._desk.best))

    def leaderboard(self, top: Annotated[int, Query(ge=1, le=1000, description="How many rows.")] = 20) -> Document:
        """Candidates by the lower end of their train score's interval, best first."""
        return Document(self._views.leaderboard(top, best=self._desk.best))

    def status(self) -> Document:
        """Where the run stands: budget, counts, best candidate, open orders."""
        return Document(self._views.status(best=self._desk.best, now=self._now(), phase=self._desk.phase))


def make_app(desk: ExternalDesk, views: Views, now: Callable[[], datetime] = utc_now) -> FastAPI:
    """The application, without a door; `evolve.external.gate.Gate` is that."""
    api = Api(desk, views, now)
    app = FastAPI(
        title=f"evolve: {views.problem.declaration.title}",
        version=evolve.__version__,
        description=DESCRIPTION,
        docs_url=None,  # these pages load scripts from elsewhere
        redoc_url=None,
        responses=FAULTS,
        dependencies=[Depends(HTTPBearer(auto_error=False))],  # described here, checked at the door
    )
    app.get("/task", response_model=forms.TaskAnswer)(api.task)
    app.post("/ask", response_model=forms.OrderAnswer, responses={**SPENT, **BUSY})(api.ask)
    large: dict[int | str, dict[str, Any]] = {
        202: {"model": forms.Judging, "description": "No verdict in time; send the same request again."},
        413: {"model": forms.Fault, "description": "Too long."},
    }
    app.post("/evaluate", response_model=forms.Verdict, responses={**large, **UNKNOWN, **SPENT, **BUSY})(api.evaluate)
    app.post("/notes", response_model=forms.Kept, responses={**UNKNOWN, **SPENT, **OFTEN, **BUSY})(api.notes)
    app.get("/candidates/{number}", response_model=forms.Candidate, responses=UNKNOWN)(api.candidate)
    app.get("/leaderboard", response_model=list[forms.Ranked])(api.leaderboard)
    app.get("/status", response_model=forms.Status)(api.status)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(HTTPException, _no_such_thing)
    app.add_exception_handler(Exception, _our_fault)
    return app


async def _within(future: Future[T], seconds: float) -> T | None:
    """What comes of it in time; None otherwise, and then it is left as it is."""
    waiting = asyncio.wrap_future(future)
    done, _ = await asyncio.wait({waiting}, timeout=seconds)
    return waiting.result() if done else None


def _refused(refused: Refused) -> Document:
    return _error(STATUS[refused.fault], refused.what, refused.hint, candidate=refused.candidate)


def _error(status: int, what: str, hint: str, **more: int | None) -> Document:
    known = {key: value for key, value in more.items() if value is not None}
    return Document({"error": what, "hint": hint, **known}, status_code=status)


def _no_candidate(number: int) -> Document:
    return _error(404, f"the run has no candidate {number}", "GET /leaderboard lists those that have a score")


async def _malformed(_: Request, error: Exception) -> Document:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return _error(422, one_line(f"{where}: {first['msg']}", 500), "GET /openapi.json describes every request")


async def _no_such_thing(request: Request, error: Exception) -> Document:
    assert isinstance(error, HTTPException)
    what = f"{request.method} {one_line(request.url.path, 100)}: {one_line(str(error.detail), 200)}"
    return _error(error.status_code, what, "GET /openapi.json lists what there is")


async def _our_fault(_: Request, error: Exception) -> Document:
    # What it was goes to the log of whoever serves: it may name files.
    return _error(500, f"the server failed ({type(error).__name__})", "try again; whoever serves the run sees why")
