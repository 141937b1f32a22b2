"""Commands that look into an archive, such as ``leaderboard``, ``show``, ``diff``, ``lineage`` and ``arms``."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from evolve.cli.common import (
    DB_OPTION,
    DOCUMENT_FORMAT_OPTION,
    FORMAT_OPTION,
    RUN_OPTION,
    candidate_number,
    console,
    open_archive,
    show,
    show_json,
)

if TYPE_CHECKING:
    from rich.console import RenderableType

    from db.records import RunRecord
    from evaluators.problem import Problem

WATCH_SECONDS = 1.0


def _problem_of(run: RunRecord) -> Problem:
    """The problem of a run, for its declared metrics and scale; its workloads do not matter here."""
    from evaluators.registry import load_problem

    return load_problem(str(run.config["problem"]))


@click.command()
@click.argument("run_name", metavar="[RUN]", required=False)
@DB_OPTION
@FORMAT_OPTION
@click.option("--top", type=click.IntRange(min=1), default=20, show_default=True, help="How many rows.")
@click.option(
    "--split",
    type=click.Choice(["auto", "train", "validation", "hidden"]),
    default="auto",
    show_default=True,
    help="Whose scores rank; auto is validation once anyone was confirmed, else train.",
)
@click.option(
    "--sort",
    type=click.Choice(["low", "score", "number"]),
    default="low",
    show_default=True,
    help="By the lower end of the interval, by the score, or by number.",
)
@click.option("--watch", is_flag=True, help="Redraw every second until Ctrl-C; works beside a running run.")
@click.pass_context
def leaderboard(
    ctx: click.Context, run_name: str | None, db: str, fmt: str, top: int, split: str, sort: str, watch: bool
) -> None:
    """Show the best candidates of RUN (default: the newest).

    Scores are points with the half-width of their 95 % interval; 0 is the baseline, 100 the reference.
    """
    from evaluators.model import Split
    from reports.leaderboard import leaderboard as render
    from reports.leaderboard import trusted_split
    from reports.text import scale_text

    with open_archive(db) as archive:
        run = archive.run(run_name)
        facts = _problem_of(run).declaration
        scale = scale_text(facts.baseline, facts.reference, facts.claim)

        def board() -> RenderableType:
            now = archive.run_by_id(run.id)
            ranked = trusted_split(archive, now) if split == "auto" else Split(split)
            standings = archive.standings(now.id, split=ranked, top=top, sort=sort)
            return render(archive, now, standings, metrics=facts.metrics, scale=scale, fmt=fmt)

        if not watch:
            show(ctx, board())
            if split == "auto" and trusted_split(archive, run) is Split.VALIDATION:
                click.echo("ranked by validation, where not everybody was measured; --split train ranks all", err=True)
            return
        if fmt != "table":
            raise click.UsageError("--watch draws a table\nhint: leave out --format")
        from rich.live import Live

        with Live(console=console(ctx, stderr=False), auto_refresh=False, screen=True) as live:
            while True:
                live.update(board(), refresh=True)
                time.sleep(WATCH_SECONDS)


@click.command("show")
@click.argument("candidate")
@RUN_OPTION
@DB_OPTION
@DOCUMENT_FORMAT_OPTION
@click.option("--source", is_flag=True, help="Write the program alone, byte for byte.")
@click.option("--calls", is_flag=True, help="Write the conversation with language models that it came of.")
@click.pass_context
def show_command(
    ctx: click.Context, candidate: str, run_name: str | None, db: str, fmt: str, source: bool, calls: bool
) -> None:
    """Show one CANDIDATE (a number, or 'best'): scores by workload, origin, program."""
    from reports.conversation import conversation
    from reports.details import show as render
    from reports.details import show_json as as_json

    with open_archive(db) as archive:
        run = archive.run(run_name)
        number = candidate_number(run, candidate)
        if calls:
            show(ctx, conversation(archive, run, number))
            return
        metrics = _problem_of(run).declaration.metrics
        if source:
            click.echo(archive.candidate(run.id, number).source, nl=False)
        elif fmt == "json":
            show_json(as_json(archive, run, number, metrics))
        else:
            show(ctx, render(archive, run, number, metrics))


@click.command()
@click.argument("run_name", metavar="[RUN]", required=False)
@DB_OPTION
@FORMAT_OPTION
@click.pass_context
def arms(ctx: click.Context, run_name: str | None, db: str, fmt: str) -> None:
    """Show the arms of RUN (default: the newest): who wrote candidates, how, and what that earned.

    An arm is a proposer with an operator, a model and a selector. A bandit pulls those more often that improve more for
    their share of the budget; the reward is the gain as a share of the largest one lately. Also what racing spared.
    """
    from reports.arms import arms_table, spared_text

    with open_archive(db) as archive:
        run = archive.run(run_name)
        show(ctx, arms_table(archive.arms(run.id), fmt))
        if fmt == "table" and (spared := spared_text(run)):
            click.echo(spared, err=True)


@click.command()
@click.argument("candidate")
@click.argument("other", required=False)
@RUN_OPTION
@DB_OPTION
@click.pass_context
def diff(ctx: click.Context, candidate: str, other: str | None, run_name: str | None, db: str) -> None:
    """Show what changed in CANDIDATE against OTHER (default: its main parent), as a unified diff."""
    from reports.details import diff as text_of
    from reports.details import diff_view

    with open_archive(db) as archive:
        run = archive.run(run_name)
        against = None if other is None else candidate_number(run, other)
        text = text_of(archive, run, candidate_number(run, candidate), against)
        plain = not console(ctx, stderr=False).is_terminal
        show(ctx, text if plain else diff_view(text))


@click.command("lineage")
@click.argument("candidate")
@RUN_OPTION
@DB_OPTION
@DOCUMENT_FORMAT_OPTION
@click.pass_context
def lineage(ctx: click.Context, candidate: str, run_name: str | None, db: str, fmt: str) -> None:
    """Show the steps from the seeds to CANDIDATE: what was changed, what it scored."""
    from evaluators.foreign.claim import is_claim
    from reports.lineage import lineage as steps_of
    from reports.lineage import lineage_json, lineage_view

    with open_archive(db) as archive:
        run = archive.run(run_name)
        steps = steps_of(archive, run, candidate_number(run, candidate))
        if fmt == "json":
            show_json(lineage_json(steps, claimed=is_claim(run.problem)))
        else:
            show(ctx, lineage_view(steps, problem=run.problem))


@click.command()
@DB_OPTION
@FORMAT_OPTION
@click.pass_context
def runs(ctx: click.Context, db: str, fmt: str) -> None:
    """List the runs of an archive, the newest first."""
    from reports.details import runs_listing

    with open_archive(db) as archive:
        show(ctx, runs_listing(archive, fmt))


@click.command()
@DB_OPTION
@FORMAT_OPTION
@click.pass_context
def problems(ctx: click.Context, db: str, fmt: str) -> None:
    """List the problems that can be evolved against, by family.

    Best known is what is published with evolve, best here what a run of this archive reached on hidden workloads.
    """
    from click.core import ParameterSource

    from db.records import ArchiveError
    from evaluators.registry import BUILT_IN, load_problem
    from evaluators.workloads.choice import default_workload
    from reports.problems import problem_rows, problems_view

    found = [(name, load_problem(name, default_workload(name))) for name in BUILT_IN]
    asked = ctx.get_parameter_source("db") is ParameterSource.COMMANDLINE
    with ExitStack() as stack:
        archive = None
        if asked or Path(db.removeprefix("sqlite:///")).exists():
            try:
                archive = stack.enter_context(open_archive(db))
            except ArchiveError as error:
                if asked:
                    raise
                click.echo(f"archive {db} is not read: {error}", err=True)
        rows = problem_rows(found, archive)
    show(ctx, problems_view(rows, fmt))
