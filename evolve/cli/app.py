"""The command group: lists commands without importing them, and turns every error into one clear message."""

from __future__ import annotations

import difflib
import importlib
import os
import sys
from typing import Any, cast

import click

import evolve

COMMANDS = {
    "run": ("evolve.cli.running", "Start an evolution run and watch it."),
    "resume": ("evolve.cli.running", "Go on with a run that was stopped or killed."),
    "leaderboard": ("evolve.cli.looking", "Show a run's best candidates."),
    "show": ("evolve.cli.looking", "Show one candidate: scores, origin, program."),
    "diff": ("evolve.cli.looking", "Show what changed between two candidates."),
    "lineage": ("evolve.cli.looking", "Show the steps from the seeds to a candidate."),
    "arms": ("evolve.cli.looking", "Show who wrote candidates, and what came of it for what it took."),
    "runs": ("evolve.cli.looking", "List the runs of an archive."),
    "problems": ("evolve.cli.looking", "List the problems that can be evolved against."),
    "score": ("evolve.cli.judging", "Judge one program; nothing is archived."),
    "ask": ("evolve.cli.asking", "Ask for a candidate to write: the prompt for a person or an agent."),
    "tell": ("evolve.cli.asking", "Hand in a candidate that was asked for, and see it judged."),
    "serve": ("evolve.cli.asking", "Serve a run over HTTP to agents that write its candidates."),
    "audit": ("evolve.cli.auditing", "Attack a problem's evaluator, to see that it holds."),
    "final": ("evolve.cli.running", "Measure a run's finalists on fresh hidden workloads."),
    "export": ("evolve.cli.exporting", "Write a candidate out as files to use."),
    "doctor": ("evolve.cli.doctoring", "Test what works on this machine."),
}
"""Command to the module that defines it and its one-line help."""

EPILOG = """\b
Start here:
  evolve run eplb              improve expert load balancing for three minutes
  evolve leaderboard           see what it found
  evolve export best           take the winner away

Exit codes: 0 done, 1 failed, 2 usage or configuration, 3 finished but nothing feasible,
130 interrupted (Ctrl-C), 143 terminated."""


class CommandGroup(click.Group):
    """Imports a command only when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All commands, in the order in which people meet them."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(COMMANDS[cmd_name][0])
        return cast(click.Command, getattr(module, f"{cmd_name}_command", None) or getattr(module, cmd_name))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or name the nearest one."""
        if args and args[0] not in COMMANDS:
            close = difflib.get_close_matches(args[0], COMMANDS, n=1)
            hint = f"did you mean {close[0]!r}?" if close else "evolve --help lists the commands"
            raise click.UsageError(f"unknown command {args[0]!r}\nhint: {hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands from the table, importing none."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(
    cls=CommandGroup,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(evolve.__version__, prog_name="evolve")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.option(
    "--color",
    type=click.Choice(["auto", "always", "never"]),
    default="auto",
    help="Colour; NO_COLOR and FORCE_COLOR come first.  [default: auto]",
)
@click.pass_context
def cli(ctx: click.Context, debug: bool, color: str) -> None:
    """Evolve MoE load balancers against a judge that cannot be fooled.

    A proposer (language models, a coding agent, or the built-in operators) writes candidate programs, sandboxed
    workers measure them on secret workloads, and an archive remembers everything. No key and no GPU are needed.
    """
    ctx.obj = {"debug": debug, "color": color}


def main() -> None:
    """Run the command line; never returns."""
    debug = "--debug" in sys.argv[1:]
    try:
        result: Any = cli.main(prog_name="evolve", standalone_mode=False)
        code = result if isinstance(result, int) else 0
    except click.UsageError as error:
        code = _say(_usage_message(error), 2)
    except click.exceptions.Exit as error:
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        code = _say("interrupted", 130)
    except click.ClickException as error:
        code = _say(error.format_message(), error.exit_code)
    except BrokenPipeError:
        # The reader (head, less) has gone; there is nobody left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except Exception as error:
        if debug:
            raise
        known = _known_failure(error)
        code = _say(*known)
    sys.exit(code)


def _usage_message(error: click.UsageError) -> str:
    message = error.format_message()
    if "hint:" in message:
        return message
    command = error.ctx.command_path if error.ctx else "evolve"
    if isinstance(error, click.NoSuchOption) and error.possibilities:
        nearest = error.possibilities[0]
        return f"unknown option {error.option_name}\nhint: did you mean {nearest}? {command} --help lists them"
    return f"{message}\nhint: {command} --help explains it"


def _known_failure(error: Exception) -> tuple[str, int]:
    """Message and exit code of an error of one of the rooms."""
    from db.records import ArchiveError
    from evaluators.model import EvaluatorError
    from evaluators.problem import ProblemError
    from evaluators.tasks import PoolError
    from evolve.config import ConfigError
    from evolve.desk import DeskError
    from evolve.runner import RunError
    from reports.text import ReportError
    from sandbox import SandboxError

    if isinstance(error, ConfigError | ProblemError):
        return str(error), 2
    if isinstance(error, ArchiveError | DeskError | PoolError | RunError | ReportError | SandboxError | EvaluatorError):
        return str(error), 1
    return (
        f"unexpected {type(error).__name__}: {error}\n"
        "hint: this is a fault of evolve; run again with --debug and report the traceback",
        1,
    )


def _say(message: str, code: int) -> int:
    if "\nhint:" not in message and "; " in message:
        # The lower rooms say how to mend it in their last clause.
        what, _, mend = message.rpartition("; ")
        message = f"{what}\nhint: {mend}"
    from reports.text import visible

    click.echo(f"error: {visible(message)}", err=True)
    return code
