"""``evolve ask``, ``tell`` and ``serve``: candidates from outside."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from evolve.cli.common import DB_OPTION, RUN_OPTION, interruptible, show, show_json
from evolve.cli.outside import (
    SERVED,
    archive_file,
    asker_name,
    author_name,
    begin,
    changes_of,
    patience_of,
    program_text,
    run_for,
    served_again,
    ticket_number,
    warn,
)
from evolve.cli.running import REPEATABLE, check_sandbox, drive, settings_options
from evolve.settings import DEFAULT_DB, DEFAULT_TIER

if TYPE_CHECKING:
    from db.archive import Archive
    from db.records import RunRecord
    from evaluators.model import Evaluation
    from evolve.evolution import Evolution
    from evolve.external.client import Address
    from evolve.external.desk import ExternalDesk
    from evolve.external.model import Asked, HandIn, Told
    from evolve.external.once import Counter, Done
    from evolve.runner import Flight, RunError

WAIT_SECONDS = 60.0
ASK_SECONDS = 600.0

EXPIRES_OPTION = click.option(
    "--expires",
    default="30m",
    show_default=True,
    metavar="TIME",
    help="How long an order is its asker's alone; then the next who asks may get it.",
)
ASKER_OPTION = click.option(
    "--asker", metavar="NAME", help="Who you are: letters, digits and . _ @ - .  [default: your user name]"
)
JSON_OPTION = click.option("--json", "as_json", is_flag=True, help="Write one JSON document to stdout.")


@click.command()
@click.argument("problem", required=False)
@RUN_OPTION
@DB_OPTION
@settings_options(*SERVED)
@click.option("--config", "config_file", metavar="FILE", help="Read settings from this TOML file.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen; the traffic is not encrypted.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, show_default=True, help="0 takes a free one.")
@click.option(
    "--token-file", metavar="FILE", help="File with the token, made if there is none.  [default: a new token]"
)
@EXPIRES_OPTION
@click.pass_context
def serve(
    ctx: click.Context,
    /,
    problem: str | None,
    run_name: str | None,
    db: str,
    config_file: str | None,
    host: str,
    port: int,
    token_file: str | None,
    expires: str,
    **flags: str | None,
) -> int:
    """Serve a run over HTTP to agents and people who write its programs.

    With PROBLEM a new run begins; without, --run or the newest run of this kind goes on. It ends when the budget is
    spent (then the finalists are measured) or at Ctrl-C. docs/agents.md shows how to work with it.
    """
    from db.archive import Archive
    from evolve.external.app import make_app
    from evolve.external.client import Address, announcement
    from evolve.external.gate import is_loopback
    from evolve.external.once import open_counter
    from evolve.external.patience import raise_file_limit
    from evolve.external.server import announced, listening, read_or_draw_token, serving, url_of

    patience, token = patience_of(expires), read_or_draw_token(token_file)
    raise_file_limit()
    with ExitStack() as stack:
        listener = stack.enter_context(listening(host, port))
        archive = stack.enter_context(Archive.open(db, create=problem is not None))
        if problem is None:
            record, changes = served_again(archive, run_name, flags)
        elif run_name is None:
            record, changes = begin(archive, problem, flags, config_file), {}
        else:
            raise click.UsageError("PROBLEM begins a new run, --run goes on with one\nhint: give one of the two")
        counter = open_counter(archive, record, changes, expires=patience)
        if not is_loopback(host):
            click.echo(
                f"warning: {host} can be reached from other machines, and neither programs nor the token are encrypted "
                "on the way; use a network that you trust, or a tunnel",
                err=True,
            )
        address = Address(url=url_of(listener), token=token, run=record.name, pid=os.getpid())
        path = announcement(archive_file(db), record.id)

        def make_desk(evolution: Evolution) -> ExternalDesk:
            desk = counter.desk(evolution)
            stack.enter_context(serving(make_app(desk, counter.views), listener, token=token, host=host))
            stack.enter_context(announced(path, address))
            click.echo(
                f"serving run {record.name} at {address.url}\n"
                f"token: {token}\n"
                f"{path} holds both; evolve ask and evolve tell find it by themselves\n"
                f"try: curl -H 'Authorization: Bearer TOKEN' {address.url}/task\n"
                "docs/agents.md says how to work with it; Ctrl-C stops",
                err=True,
            )
            return desk

        return drive(ctx, archive, record, db, changes=changes, make_desk=make_desk)


@click.command()
@click.argument("problem", required=False)
@RUN_OPTION
@DB_OPTION
@ASKER_OPTION
@JSON_OPTION
@EXPIRES_OPTION
@settings_options(*REPEATABLE)
@click.pass_context
def ask(
    ctx: click.Context,
    /,
    problem: str | None,
    run_name: str | None,
    db: str,
    asker: str | None,
    as_json: bool,
    expires: str,
    **flags: str | None,
) -> int:
    """Ask for an order: a prompt to write one program from, and a ticket to hand it in with.

    A running evolve serve is asked where there is one. Otherwise this command measures what has to be measured and
    makes the order itself; with PROBLEM and no run that takes programs from outside, it begins one.
    """
    from db.archive import Archive
    from evolve.external.client import find_server
    from reports.text import visible

    name, patience = asker_name(asker), patience_of(expires)
    with Archive.open(db, create=problem is not None) as archive:
        record = run_for(archive, problem, run_name)
        if record is None:
            assert problem is not None
            record = begin(archive, problem, {}, None)
            click.echo(f"run {record.name} begins; it takes programs from outside", err=True)
        address = find_server(archive_file(db), record.id, warn)
        if address is not None:
            document = _order_of(address, name)
        else:
            counter, done = _by_hand(archive, record, flags, patience, lambda desk: desk.ask(name))
            document = counter.views.sheet(done.sheet)
    if as_json:
        show_json(document)
    else:
        show(ctx, visible(document["prompt"]))
    ticket, expires_at = document["ticket"], datetime.fromisoformat(str(document["expires"]))
    where = "" if db == DEFAULT_DB else f" --db {db}"
    click.echo(
        f"order {ticket} of run {record.name}, yours until {expires_at:%Y-%m-%d %H:%M} UTC; hand in with: "
        f"evolve tell {ticket} FILE --run {record.name}{where}",
        err=True,
    )
    return 0


@click.command()
@click.argument("ticket")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True))
@RUN_OPTION
@DB_OPTION
@ASKER_OPTION
@click.option("--summary", default="", metavar="TEXT", help="What you changed and why it should help, in one line.")
@click.option("--hypothesis", default="", metavar="TEXT", help="What you found out; later orders show it to others.")
@click.option("--paradigm", default="", metavar="TEXT", help="Name of the approach, if it is a new one.")
@click.option("--parent", "parents", type=click.IntRange(0), multiple=True, help="What it was made of; repeatable.")
@JSON_OPTION
@settings_options(*REPEATABLE)
@click.pass_context
def tell(
    ctx: click.Context,
    /,
    ticket: str,
    file: str,
    run_name: str | None,
    db: str,
    asker: str | None,
    summary: str,
    hypothesis: str,
    paradigm: str,
    parents: tuple[int, ...],
    as_json: bool,
    **flags: str | None,
) -> int:
    """Hand in the program in FILE for order TICKET, and see how it is judged.

    A dash for TICKET hands in a program that nobody ordered, a dash for FILE reads it from stdin. Exit code 0 when
    the outcome is ok, 1 otherwise or when the program was refused; that costs nothing and leaves the order open.
    """
    from db.archive import Archive
    from evolve.external.client import find_server
    from evolve.external.model import HandIn

    with Archive.open(db) as archive:
        record = run_for(archive, None, run_name)
        assert record is not None
        number = ticket_number(ticket)
        hand_in = HandIn(
            program=program_text(file),
            asker=author_name(archive, record.id, number, asker),
            ticket=number,
            parents=tuple(dict.fromkeys(parents)),
            summary=summary,
            hypothesis=hypothesis,
            paradigm=paradigm,
        )
        address = find_server(archive_file(db), record.id, warn)
        if address is not None:
            document = _told_to(address, hand_in)
        else:
            counter, done = _by_hand(archive, record, flags, None, lambda desk: desk.tell(hand_in))
            document = counter.views.judged(done.judged, best=done.best, ticket=number)
        if as_json:
            show_json(document)
        else:
            _show_verdict(ctx, archive, record, document, yet=address is not None)
    return 0 if document["evaluation"]["outcome"] == "ok" else 1


def _show_verdict(
    ctx: click.Context, archive: Archive, record: RunRecord, document: dict[str, Any], *, yet: bool
) -> None:
    """The verdict for a reader; a title may be won later only where somebody else drives on (``yet``)."""
    from evaluators.registry import load_problem
    from evolve.external.ledger import first_verdict
    from reports.evaluation import evaluation_view

    number = document["candidate"]
    evaluation = first_verdict(archive, record.id, number)
    assert evaluation is not None
    show(ctx, evaluation_view(evaluation, load_problem(str(record.config["problem"])).declaration.metrics))
    best = "is called best now" if document["best"] else f"is not called best{' yet' if yet else ''}"
    show(ctx, f"candidate {number} of run {record.name} {best} (that takes a duel on workloads that nobody has met)")


def _by_hand(
    archive: Archive,
    record: RunRecord,
    flags: dict[str, str | None],
    patience: timedelta | None,
    errand: Callable[[ExternalDesk], Asked | Told],
) -> tuple[Counter, Done]:
    """Drive the run until the errand is done, where nobody serves it.

    Raises:
        RunError: it was refused, or another process drives the run.
    """
    from db.records import ArchiveError
    from evolve.external.model import Refused
    from evolve.external.once import do_once, open_counter
    from evolve.external.terms import EXPIRES
    from evolve.runner import RunError

    # One program at a time: starting Ray workers would take longer than judging it here.
    changes = {"pool": "serial", "workers": 1, **changes_of(flags)}
    check_sandbox({**record.config, **changes}.get("require_sandbox", DEFAULT_TIER))
    counter = open_counter(archive, record, changes, expires=patience or EXPIRES, once=True)
    observer = Steps()
    with ExitStack() as stack:
        try:
            stack.enter_context(archive.driving(record.id))
        except ArchiveError as error:
            raise RunError(
                f"run {record.name} is driven by another process, and no server of it answers\n"
                f"hint: wait until that ends; with evolve serve --run {record.name} many can work at once"
            ) from error
        interruption = stack.enter_context(interruptible(observer.say))
        done = do_once(counter, errand, observer, changes=changes, stopping=interruption)
    if isinstance(done.answer, Refused):
        raise _refusal(done.answer.what, done.answer.hint)
    return counter, done


class Steps:
    """Says on stderr what is measured."""

    def say(self, text: str) -> None:
        """See `evolve.runner.Observer`."""
        from evolve.external.terms import DONE

        if text != f"the search ends: {DONE}":  # a visit is no end
            click.echo(text, err=True)

    def recorded(self, flight: Flight, evaluation: Evaluation, best_changed: bool) -> None:
        """See `evolve.runner.Observer`."""
        from reports.evaluation import headline

        changed = "; the title of best candidate changes hands" if best_changed else ""
        click.echo(f"candidate {flight.candidate.number}: {headline(evaluation)}{changed}", err=True)

    def tick(self, phase: str, in_flight: int, elapsed_seconds: float) -> None:
        """Nothing is drawn."""


def _told_to(address: Address, hand_in: HandIn) -> dict[str, Any]:
    """Hand a program in over HTTP and wait for the verdict, however long that takes."""
    request = {**asdict(hand_in), "parents": list(hand_in.parents), "wait_seconds": WAIT_SECONDS}
    while True:
        document = _post(address, "/evaluate", request)
        if "evaluation" in document:
            return _checked(document, candidate=int, best=bool, evaluation=dict)


def _order_of(address: Address, asker: str) -> dict[str, Any]:
    """Ask for an order over HTTP."""
    document = _post(address, "/ask", {"asker": asker, "wait_seconds": ASK_SECONDS})
    return _checked(document, ticket=int, prompt=str, expires=str)


def _post(address: Address, path: str, request: dict[str, Any]) -> dict[str, Any]:
    """Send a request to a server.

    Raises:
        RunError: it was refused, or nobody answers any more.
    """
    from evolve.external.client import SLACK_SECONDS, Unreachable, call
    from evolve.runner import RunError
    from reports.text import one_line

    try:
        answer = call(address, "POST", path, request, timeout_seconds=request["wait_seconds"] + SLACK_SECONDS)
    except Unreachable as error:
        raise RunError(
            f"{one_line(str(error), 500)}\nhint: try again; sending the same program twice does no harm"
        ) from error
    if answer.is_fault:
        raise _refusal(**_checked(answer.body, error=str, hint=str))
    return _checked(answer.body)


def _checked(document: object, **kinds: type) -> dict[str, Any]:
    """An answer of the server that has what is read of it.

    Raises:
        RunError: it has not.
    """
    from evolve.runner import RunError

    if not isinstance(document, dict) or not all(isinstance(document.get(key), kinds[key]) for key in kinds):
        raise RunError("the server's answer is not of the described form\nhint: is it of another version of evolve?")
    return document


def _refusal(error: str, hint: str, **_: object) -> RunError:
    from evolve.runner import RunError
    from reports.text import one_line

    return RunError(f"{one_line(error, 1000)}\nhint: {one_line(hint, 500)}")
