"""``evolve score``: judge one program, archive nothing."""

from __future__ import annotations

from pathlib import Path

import click

from evolve.cli.common import (
    DEVICE_OPTION,
    DOCUMENT_FORMAT_OPTION,
    REQUIRE_SANDBOX_OPTION,
    WORKLOAD_OPTION,
    show,
    show_json,
)


@click.command()
@click.argument("problem")
@click.argument("file", type=click.Path(dir_okay=False))
@click.option(
    "--split",
    type=click.Choice(["train", "validation"]),
    default="train",
    show_default=True,
    help="Which workloads; the hidden split is for `evolve final` alone.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the workloads.")
@WORKLOAD_OPTION
@DEVICE_OPTION
@REQUIRE_SANDBOX_OPTION
@DOCUMENT_FORMAT_OPTION
@click.pass_context
def score(
    ctx: click.Context,
    problem: str,
    file: str,
    split: str,
    seed: int,
    workload: str | None,
    device: str,
    require_sandbox: str,
    fmt: str,
) -> int:
    """Judge the program in FILE on PROBLEM; exit 0 when its outcome is ok (or correct, without a GPU), 1 otherwise.

    The workloads follow from --seed, so two programs scored with the same seed compare pair by pair. A run
    uses secret workloads instead.
    """
    import time
    from functools import partial

    from evaluators import host
    from evaluators.arena import make_arena
    from evaluators.judge import Judge
    from evaluators.model import Outcome, Split
    from evaluators.registry import load_problem
    from evaluators.seeding import secret_from_seed
    from evaluators.workloads.choice import default_workload
    from reports.evaluation import evaluation_json, evaluation_view

    source = _read(Path(file))
    loaded = load_problem(problem, workload or default_workload(problem))
    facts = loaded.declaration
    for fault in _faults(source):
        click.echo(f"warning: {fault}", err=True)
    first = "trying the initial program" if facts.claim else "measuring baseline and reference"
    click.echo(f"{first} of {facts.name}, then {file} ...", err=True)
    judge = Judge(
        loaded,
        secret=secret_from_seed(seed, facts.name),
        clock=time.perf_counter,
        cpu=host.usable_cpus()[-1],
        arena=partial(make_arena, device=device),
    )
    try:
        host.require_sandbox(judge.layers, require_sandbox)
        evaluation = judge.evaluate(source, judge.block(Split(split), 0))
    finally:
        judge.close()
    if fmt == "json":
        show_json(evaluation_json(evaluation, facts.metrics))
    else:
        show(ctx, evaluation_view(evaluation, facts.metrics))
    return 0 if evaluation.outcome in {Outcome.OK, Outcome.CORRECT} else 1


def _faults(source: str) -> list[str]:
    """What is wrong with its `# tune:` marks; the judge says what else may be wrong with it."""
    from evaluators.program import ProgramError
    from evolve.proposers.tuner.marks import faults

    try:
        return faults(source)
    except ProgramError:
        return []


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise click.UsageError(
            f"cannot read {path}: {error.strerror}\nhint: name a Python file with the candidate program"
        ) from error
    except UnicodeDecodeError as error:
        raise click.UsageError(f"{path} is not UTF-8 text\nhint: name a Python source file") from error
