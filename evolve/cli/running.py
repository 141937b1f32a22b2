"""``evolve run``, ``resume`` and ``final``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from evolve.cli.common import DB_OPTION, caps_text, console, interruptible, open_archive
from evolve.config import LIMITS, SEARCH_LIMITS, complete, environment, left_out, resolve
from evolve.settings import DEFAULT_DB, DEFAULT_TIER, SETTINGS

if TYPE_CHECKING:
    from db.archive import Archive
    from db.records import RunRecord
    from evaluators.problem import Problem
    from evolve.cli.common import Interruption
    from evolve.cli.watching import EventObserver, LineObserver, LiveObserver
    from evolve.desk import Desk
    from evolve.evolution import Evolution
    from evolve.finals import FinalResult
    from evolve.session import Session

NOTHING_FEASIBLE = 3

REPEATABLE = ("workers", "pool", "require_sandbox", "device")
"""Settings that may differ from sitting to sitting."""

RESUMABLE = (*LIMITS, *REPEATABLE, "concurrency", "base_url", "api_key_file", "models_file", "prices_file")
"""Those that a resumed search takes, for good: a larger budget, another address of the models' server."""


def settings_options(*keys: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Flags for these settings; their values are parsed with all other layers in `evolve.config`."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for key in reversed(keys):
            setting = SETTINGS[key]
            flag = "--" + key.replace("_", "-")
            if not setting.metavar:
                function = click.option(flag, key, flag_value="yes", default=None, help=setting.help)(function)
            else:
                joined = _joined if setting.repeated else None
                function = click.option(
                    flag, key, metavar=setting.metavar, help=setting.help, multiple=setting.repeated, callback=joined
                )(function)
        return function

    return decorate


def _who_writes(record: RunRecord, why: str) -> str:
    """Who writes candidates, and why it is they, in one line."""
    settings = complete(record.config)
    if settings["proposer"] == "operators":
        return f"candidates come from the built-in operators ({why}); models write with --model or a key, see --help"
    if settings["proposer"] == "external":
        return "candidates come from outside"
    if settings["proposer"] == "replay":
        return f"candidates are those of run {settings['replay']}, on the same workloads"
    where = f"{settings['model']} at {settings['base_url'] or 'OpenAI'}"
    if settings["models_file"]:
        where = f"the models in {settings['models_file']}"
    caps = caps_text(settings)
    others = [name for name in ("operators", "tuner") if name not in left_out(settings)]
    where += f" and the built-in {' and '.join(others)}" if others else ""
    return f"candidates come from {where} ({why}), {'agentic, ' if settings['agentic'] else ''}" + (
        f"for at most {caps}" if caps else "without a cap of tokens or cost"
    )


def _joined(ctx: click.Context, option: click.Parameter, values: tuple[str, ...]) -> str | None:
    del ctx, option
    return ",".join(values) or None


@click.command(epilog="Settings may also come from EVOLVE_* variables and from TOML ([tool.evolve], --config).")
@click.argument("problem")
@settings_options(*SETTINGS)
@click.option("--config", "config_file", metavar="FILE", help="Read settings from this TOML file.")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON event a line to stdout.")
@click.option("--dry-run", is_flag=True, help="Show settings, seeds, budget and sandbox; evaluate nothing.")
@click.pass_context
def run(
    ctx: click.Context,
    /,
    problem: str,
    config_file: str | None,
    as_json: bool,
    dry_run: bool,
    **flags: str | None,
) -> int:
    """Start an evolution run of PROBLEM and watch it.

    PROBLEM is a name that `evolve problems` lists, the path of a problem of your own, or openevolve:DIR, a task of
    that tool, whose own evaluator scores. The search ends when its budget is spent; then the finalists are measured
    on hidden workloads and the winner is named.
    """
    config = resolve(flags, environment(), config_file, problem)
    if dry_run:
        from evolve.cli.planning import dry_run as describe

        return describe(ctx, problem, config)
    if config["proposer"] == "external":
        raise click.UsageError(
            f"programs from outside come over a server\nhint: evolve serve {problem}, with the same settings"
        )
    from db.archive import Archive
    from evolve.session import new_run

    check_sandbox(config["require_sandbox"])
    with Archive.open(config["db"], create=True) as archive:
        record = new_run(archive, problem, config)
        click.echo(
            f"run {record.name}: problem {record.problem}, {record.config['selector']} selector, "
            f"seed {record.config['seed']}, archive {config['db']}",
            err=True,
        )
        click.echo(_who_writes(record, config.origin["proposer"]), err=True)
        return drive(ctx, archive, record, config["db"], as_json=as_json)


@click.command()
@click.argument("run_name", metavar="[RUN]", required=False)
@DB_OPTION
@settings_options(*RESUMABLE)
@click.option("--json", "as_json", is_flag=True, help="Write one JSON event a line to stdout.")
@click.pass_context
def resume(ctx: click.Context, /, run_name: str | None, db: str, as_json: bool, **flags: str | None) -> int:
    """Go on with RUN (default: the newest) after Ctrl-C, a crash or a kill.

    What was in flight is evaluated again, nothing else is. --candidates, --evaluations and --time replace the run's
    limits of all three, --tokens and --cost its caps for models; each is a total, what is already spent included.
    """
    from db.records import RunStatus

    parsed = resolve(flags, {}, None)
    changes = {key: parsed[key] for key in RESUMABLE if flags.get(key)}
    changes |= {key: str(Path(value).expanduser().resolve()) for key, value in changes.items() if key.endswith("_file")}
    limits = changes.keys() & set(LIMITS)
    if changes.keys() & set(SEARCH_LIMITS):
        changes = {**dict.fromkeys(SEARCH_LIMITS), **changes}
    with open_archive(db) as archive:
        record = archive.run(run_name)
        if record.status is RunStatus.FINISHED and not limits:
            click.echo(
                f"run {record.name} is finished; to search on give a larger total budget, such as "
                f"{_again(record, db)} {_more(record)}",
                err=True,
            )
            return 0
        check_sandbox({**record.config, **changes}.get("require_sandbox", DEFAULT_TIER))
        if changes:
            archive.set_config(record.id, {**record.config, **changes})
            record = archive.run_by_id(record.id)
        click.echo(_who_writes(record, "as before"), err=True)
        return drive(ctx, archive, record, db, as_json=as_json, changes=changes)


@click.command()
@click.argument("run_name", metavar="[RUN]", required=False)
@DB_OPTION
@settings_options(*REPEATABLE)
@click.pass_context
def final(ctx: click.Context, /, run_name: str | None, db: str, **flags: str | None) -> int:
    """Measure the finalists and best seeds of RUN (default: the newest) on newly drawn hidden workloads.

    Every final draws workloads that nobody has seen and is recorded, and hidden scores say how many
    measurements they rest on.
    """
    parsed = resolve(flags, {}, None)
    changes = {key: parsed[key] for key in REPEATABLE if flags.get(key)}
    with open_archive(db) as archive:
        record = archive.run(run_name)
        check_sandbox({**record.config, **changes}.get("require_sandbox", DEFAULT_TIER))
        return drive(ctx, archive, record, db, changes=changes, search=False)


def drive(
    ctx: click.Context,
    archive: Archive,
    record: RunRecord,
    db: str,
    *,
    as_json: bool = False,
    changes: Mapping[str, Any] | None = None,
    make_desk: Callable[[Evolution], Desk] | None = None,
    search: bool = True,
) -> int:
    """Search, measure the finalists, report; the same for new and resumed runs.

    Args:
        ctx: of the command.
        archive: the archive, writable.
        record: which run.
        db: the archive's name on the command line.
        as_json: whether to write events to stdout.
        changes: settings that differ from the run's own.
        make_desk: makes where programs are written, in place of what the run's settings say.
        search: whether to search before the final.
    """
    from db.records import RunStatus
    from evaluators.registry import load_problem
    from evolve.desk import InlineDesk
    from evolve.proposers.operators import Operators
    from evolve.session import open_session

    settings = complete({**record.config, **(changes or {})})
    problem = load_problem(settings["problem"], settings["workload"])
    if not search:
        make_desk = lambda _: InlineDesk(Operators())  # noqa: E731 - a final writes nothing, and needs no key
    with archive.driving(record.id):
        click.echo(f"starting {_workers(settings)} and {_marking(problem)} ...", err=True)
        observer = _observer(ctx, archive, record, problem, settings, as_json=as_json)
        status, result = RunStatus.FAILED, None
        with interruptible(observer.say) as interruption:
            try:
                with open_session(archive, record, observer, changes=changes, make_desk=make_desk) as session, observer:
                    result = _sit(session, interruption, search=search)
                status = RunStatus.STOPPED if interruption() else RunStatus.FINISHED
            except KeyboardInterrupt:
                status = RunStatus.STOPPED
            finally:
                # A final on a run that is not through leaves it to be resumed.
                archive.set_status(record.id, status if search else record.status)
        if status is RunStatus.STOPPED:
            _say_stopped(archive, record, db)
            return interruption.exit_code
        return _report(ctx, archive, record, problem, result, db)


def _sit(session: Session, interruption: Interruption, *, search: bool) -> FinalResult | None:
    if search:
        session.search(interruption)
        if not interruption():
            session.simplify(interruption)
    return None if interruption() else session.final(interruption)


def check_sandbox(tier: str) -> None:
    """Refuse to go on with a weaker sandbox than this; say so where files lie open.

    Workers check again, each on its own machine; here the whole reason can be told, and nothing has been written.

    Raises:
        EvaluatorError: the sandbox is too weak.
    """
    from evaluators.host import require_sandbox
    from evolve.doctor import sandbox_layers
    from sandbox import ENFORCED, Layer

    layers = sandbox_layers()
    require_sandbox(layers, tier)
    if ENFORCED not in (layers.get(Layer.MOUNT_NAMESPACE), layers.get(Layer.LANDLOCK)):
        click.echo(
            "warning: neither mount namespaces nor Landlock work here, so candidates can read your files, the "
            "archive's secrets and your keys among them; run only code that you trust (evolve doctor says what is "
            "missing)",
            err=True,
        )


def _say_stopped(archive: Archive, record: RunRecord, db: str) -> None:
    from reports.summary import last_line

    now = archive.run_by_id(record.id)
    best = archive.standing(now.id, now.best) if now.best is not None else None
    click.echo(last_line(now, best), err=True)
    click.echo(f"stopped; go on with: {_again(record, db)}", err=True)


def _again(record: RunRecord, db: str) -> str:
    """The command that goes on with a run."""
    how = "serve --run" if record.config.get("proposer") == "external" else "resume"
    return f"evolve {how} {record.name}{_where(db)}"


def _more(record: RunRecord) -> str:
    """A larger budget of the kind that ended the run."""
    cost, tokens = record.config.get("cost"), record.config.get("tokens")
    if isinstance(cost, float) and record.cost > 0.8 * cost:
        return f"--cost {2 * cost:.2f}"
    if isinstance(tokens, int) and record.tokens > 0.8 * tokens:
        return f"--tokens {2 * tokens}"
    return "--time 10m"


def _where(db: str) -> str:
    return "" if db == DEFAULT_DB else f" --db {db}"


def _workers(settings: Mapping[str, Any]) -> str:
    if settings["pool"] == "serial":
        return "one sandbox in this process"
    return f"{settings['workers']} Ray workers"


def _marking(problem: Problem) -> str:
    """What is measured first; for a task's own score, what a score then is."""
    if problem.declaration.claim:
        return f"trying the task's initial program; {problem.declaration.claim}"
    return "measuring baseline and reference"


def _observer(
    ctx: click.Context,
    archive: Archive,
    record: RunRecord,
    problem: Problem,
    settings: Mapping[str, Any],
    *,
    as_json: bool,
) -> LiveObserver | LineObserver | EventObserver:
    from evolve.cli.watching import EventObserver, LineObserver, LiveObserver, Meter
    from evolve.config import budget_of
    from reports.text import scale_text

    meter = Meter(budget_of(settings), settings["workers"])
    facts = problem.declaration
    if as_json:
        return EventObserver(archive, record.id, meter, facts.metrics)
    if sys.stderr.isatty():
        scale = scale_text(facts.baseline, facts.reference, facts.claim)
        return LiveObserver(archive, record.id, meter, scale, console(ctx, stderr=True))
    return LineObserver(archive, record.id, meter)


def _report(
    ctx: click.Context,
    archive: Archive,
    record: RunRecord,
    problem: Problem,
    result: FinalResult | None,
    db: str,
) -> int:
    """The finalists and the last line, on stderr: stdout is for data that was asked for."""
    from reports.arms import effort_text
    from reports.summary import final_view, finalists, last_line
    from reports.text import scale_text

    now = archive.run_by_id(record.id)
    best = archive.standing(now.id, now.best) if now.best is not None else None
    facts = problem.declaration
    if result is not None:
        screen = console(ctx, stderr=True)
        screen.print(final_view(finalists(archive, now), now, archive.arms(now.id)))
        screen.print(scale_text(facts.baseline, facts.reference, facts.claim), markup=False, highlight=False)
    elif effort := effort_text(now, archive.arms(now.id)):
        click.echo(effort, err=True)
    click.echo(last_line(now, best), err=True)
    if not archive.standings(now.id, top=1):
        return NOTHING_FEASIBLE
    again = f"{_again(now, db)} {_more(now)}"
    if result is None:
        click.echo(f"nothing but seeds was measured, so there was no final; search longer: {again}", err=True)
    elif result.winner == result.best_seed:
        click.echo(
            "no finalist is shown to beat the best seed on hidden workloads, so the seed stays best; "
            f"a longer search may find one: {again}",
            err=True,
        )
    names = ("leaderboard", "lineage best", "diff best", "export best")
    click.echo("next: " + " | ".join(f"evolve {name}{_where(db)}" for name in names), err=True)
    return 0
