"""What commands share: consoles, the archive, candidates by name, interruption."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from evolve.config import environment, resolve
from evolve.settings import DEFAULT_DB, DEFAULT_TIER, DEVICES, SANDBOX_TIERS, SETTINGS

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from db.archive import Archive
    from db.records import RunRecord


def default_db() -> str:
    """The archive that environment or TOML name, else the default."""
    return str(resolve({}, environment(), None)["db"])


DB_OPTION = click.option(
    "--db",
    default=default_db,
    show_default=DEFAULT_DB,
    metavar="PATH|URL",
    help="Archive to read.",
)
RUN_OPTION = click.option("--run", "run_name", metavar="RUN", help="Which run.  [default: the newest]")
DOCUMENT_FORMAT_OPTION = click.option(
    "--format",
    "fmt",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="How to write it.",
)
DEVICE_OPTION = click.option(
    "--device",
    type=click.Choice(DEVICES),
    default=lambda: str(resolve({}, environment(), None)["device"]),
    show_default="auto",
    help="What kernels are judged on; without a GPU they are checked and compiled, and get no score.",
)
WORKLOAD_OPTION = click.option("--workload", metavar=SETTINGS["workload"].metavar, help=SETTINGS["workload"].help)
REQUIRE_SANDBOX_OPTION = click.option(
    "--require-sandbox",
    type=click.Choice(SANDBOX_TIERS),
    default=lambda: str(resolve({}, environment(), None)["require_sandbox"]),
    show_default=DEFAULT_TIER,
    help="Refuse to run programs in a sandbox weaker than this; evolve doctor says what there is.",
)
FORMAT_OPTION = click.option(
    "--format",
    "fmt",
    type=click.Choice(["table", "json", "csv", "markdown"]),
    default="table",
    show_default=True,
    help="How to write the listing.",
)


def console(ctx: click.Context, *, stderr: bool) -> Console:
    """A rich console that obeys NO_COLOR, FORCE_COLOR and --color, in that order."""
    from rich.console import Console

    color = (ctx.find_root().obj or {}).get("color", "auto")
    stream = sys.stderr if stderr else sys.stdout
    terminal = stream.isatty()
    if os.environ.get("NO_COLOR"):
        colored = False
    elif os.environ.get("FORCE_COLOR"):
        colored = True
    else:
        colored = terminal if color == "auto" else color == "always"
    # Colour and cursor movement are different things: only a real terminal gets the latter.
    return Console(
        file=stream,
        force_terminal=terminal or colored,
        force_interactive=terminal,
        no_color=not colored,
        color_system="auto" if terminal else ("standard" if colored else None),
        width=None if terminal else _columns(),
        legacy_windows=False,
    )


def _columns() -> int:
    """Width where there is no terminal to ask."""
    text = os.environ.get("COLUMNS", "")
    return int(text) if text.isdecimal() and int(text) > 0 else 160


def show(ctx: click.Context, renderable: RenderableType | str) -> None:
    """Write data to stdout: finished text as it is, renderables for the console's width."""
    if isinstance(renderable, str):
        click.echo(renderable, nl=not renderable.endswith("\n"))
    else:
        console(ctx, stderr=False).print(renderable)


def show_json(value: object) -> None:
    """Write one JSON document to stdout."""
    from reports.formats import to_json

    click.echo(to_json(value))


def open_archive(url: str) -> Archive:
    """Open an existing archive."""
    from db.archive import Archive

    return Archive.open(url)


def caps_text(settings: Mapping[str, Any]) -> str:
    """What language models may use at most, such as ``9,000 tokens and $2.00``; empty without a cap."""
    caps = [f"{settings['tokens']:,} tokens"] if settings["tokens"] else []
    return " and ".join([*caps, *([f"${settings['cost']:.2f}"] if settings["cost"] else [])])


def candidate_number(run: RunRecord, text: str) -> int:
    """Number of a candidate given as ``12``, ``#0012`` or ``best``.

    Raises:
        click.UsageError: none of these, or the run has no best yet.
    """
    if text == "best":
        if run.best is None:
            raise click.UsageError(
                f"run {run.name} has no best candidate yet\nhint: evolve leaderboard shows what there is"
            )
        return run.best
    cleaned = text.removeprefix("#")
    if not (cleaned.isascii() and cleaned.isdecimal() and len(cleaned) < 10):
        raise click.UsageError(f"{text!r} is no candidate\nhint: give a number such as 12 or '#0012', or the word best")
    return int(cleaned)


class Interruption:
    """The first SIGINT or SIGTERM asks to stop, the second ends at once."""

    def __init__(self) -> None:
        self.signal: int | None = None

    def __call__(self) -> bool:
        """Whether someone asked to stop."""
        return self.signal is not None

    @property
    def exit_code(self) -> int:
        """128 plus the signal's number; that of Ctrl-C where no handler noted one."""
        return 128 + (self.signal or signal.SIGINT)


@contextmanager
def interruptible(say: Callable[[str], None]) -> Iterator[Interruption]:
    """Turn signals into a polite request for as long as the block lasts.

    Args:
        say: tells the person at once that the request was heard.
    """
    interruption = Interruption()

    def handle(number: int, frame: FrameType | None) -> None:
        del frame
        if interruption.signal is not None:
            raise KeyboardInterrupt
        interruption.signal = number
        say("stopping: what is under way is finished and recorded; once more ends at once")

    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return
    previous: dict[int, Any] = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interruption
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
