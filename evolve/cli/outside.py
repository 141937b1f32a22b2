"""What the commands for candidates from outside share: which run is meant, and what its options say."""

from __future__ import annotations

import getpass
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from evolve.budget import parse_duration
from evolve.cli.running import REPEATABLE, check_sandbox
from evolve.config import LIMITS, SEARCH_LIMITS, environment, resolve
from evolve.settings import DEFAULT_TIER

if TYPE_CHECKING:
    from db.archive import Archive
    from db.records import RunRecord

EXTERNAL = "external"

RESUMED = (*SEARCH_LIMITS, *REPEATABLE)
"""Settings of a run that is served again; the others are fixed when it begins."""

SERVED = (*RESUMED, "selector", "seed", "name", "workload", "block_size", "clock", "secret_file")
"""Settings of a run whose programs come from outside."""

MAX_READ_BYTES = 1_000_000
NOBODY = "somebody"


def begin(archive: Archive, problem: str, flags: dict[str, str | None], config_file: str | None) -> RunRecord:
    """Begin a run whose programs come from outside."""
    from evolve.session import new_run

    config = resolve({**flags, "proposer": EXTERNAL}, environment(), config_file, problem)
    check_sandbox(config["require_sandbox"])
    return new_run(archive, problem, config)


def run_for(archive: Archive, problem: str | None, run_name: str | None) -> RunRecord | None:
    """The run that is meant: by its name, else the newest whose programs come from outside; of the problem, if given.

    None where a problem is given and all its runs are finished, or there are none.
    """
    from db.records import RunStatus
    from evaluators.registry import load_problem

    if run_name is not None:
        return archive.run(run_name)
    runs = [run for run in archive.runs() if run.config.get("proposer") == EXTERNAL]
    if problem is not None:
        wanted = load_problem(problem).declaration.name
        return next((run for run in runs if run.problem == wanted and run.status is not RunStatus.FINISHED), None)
    if not runs:
        raise click.UsageError(
            "no run of this archive takes programs from outside\nhint: begin one with evolve ask PROBLEM or "
            "evolve serve PROBLEM, or name any other with --run"
        )
    return runs[0]


def served_again(
    archive: Archive, run_name: str | None, flags: dict[str, str | None]
) -> tuple[RunRecord, dict[str, Any]]:
    """A run to go on with, and what is to differ this time."""
    from db.records import RunStatus

    fixed = [key for key in SERVED if key not in RESUMED and flags.get(key) is not None]
    if fixed:
        flag = "--" + fixed[0].replace("_", "-")
        raise click.UsageError(f"{flag} is fixed when a run begins\nhint: give PROBLEM to begin a new one")
    record = run_for(archive, None, run_name)
    assert record is not None
    changes = changes_of(flags)
    if record.status is RunStatus.FINISHED and not changes.keys() & set(LIMITS):
        raise click.UsageError(
            f"run {record.name} is finished\nhint: go on with a larger total budget, such as "
            f"evolve serve --run {record.name} --evaluations 1000"
        )
    check_sandbox({**record.config, **changes}.get("require_sandbox", DEFAULT_TIER))
    if changes.keys() & set(LIMITS):
        archive.set_config(record.id, {**record.config, **changes})
    return record, changes


def changes_of(flags: dict[str, str | None]) -> dict[str, Any]:
    """Settings that differ from the run's own; a limit that is given replaces all of them."""
    parsed = resolve(flags, {}, None)
    changes = {key: parsed[key] for key in RESUMED if flags.get(key)}
    return {**dict.fromkeys(SEARCH_LIMITS), **changes} if changes.keys() & set(SEARCH_LIMITS) else changes


def archive_file(db: str) -> Path:
    """The archive's file."""
    return Path(db.removeprefix("sqlite:///")).expanduser()


def warn(text: str) -> None:
    """Say on stderr what may be wrong; the text may quote somebody else's file."""
    from reports.text import one_line

    click.echo(f"warning: {one_line(text, 500)}", err=True)


def asker_name(name: str | None) -> str:
    """Who asks: as the option says, else this user."""
    from evolve.external.model import is_asker

    if name is None:
        try:
            name = getpass.getuser()
        except (KeyError, OSError):  # a user without a name
            name = NOBODY
        return name if is_asker(name) else NOBODY
    if not is_asker(name):
        raise click.UsageError(f"{name!r} is no asker's name\nhint: use up to 64 letters, digits and . _ @ -")
    return name


def author_name(archive: Archive, run_id: int, ticket: int | None, name: str | None) -> str:
    """Who hands in: as the option says, else whoever has the order, else this user."""
    from db.records import ArchiveError

    if name is None and ticket is not None:
        try:
            return archive.order(run_id, ticket).asker
        except ArchiveError:
            pass  # there is no such order, which is said where the program is refused
    return asker_name(name)


def patience_of(text: str) -> timedelta:
    """How long an order is its asker's alone."""
    try:
        return timedelta(seconds=parse_duration(text))
    except ValueError as error:
        raise click.UsageError(f"--expires: {error}\nhint: such as 30m") from error


def ticket_number(text: str) -> int | None:
    """The order's number; None for a dash."""
    if text == "-":
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise click.UsageError(f"{text!r} is no ticket\nhint: give the order's number, or - for a program of your own")
    return int(text)


def program_text(file: str) -> str:
    """The program in a file, or from stdin for a dash."""
    try:
        data = sys.stdin.buffer.read(MAX_READ_BYTES) if file == "-" else Path(file).read_bytes()
        return data.decode("utf-8")
    except OSError as error:
        raise click.UsageError(f"cannot read {file}: {error.strerror}\nhint: name a Python file") from error
    except UnicodeDecodeError as error:
        raise click.UsageError(f"{file} is not UTF-8 text\nhint: name a Python source file") from error
