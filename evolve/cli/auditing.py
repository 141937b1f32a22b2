"""``evolve audit``: attack a problem's evaluator on purpose."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from evolve.cli.common import (
    DEVICE_OPTION,
    DOCUMENT_FORMAT_OPTION,
    REQUIRE_SANDBOX_OPTION,
    WORKLOAD_OPTION,
    console,
    show,
    show_json,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evaluators.audit import Finding

PARTS = ("honest", "noise", "bound", "relations", "lint", "corrupted", "checks", "cheats")


@click.command(epilog="docs/judge.md says what is defended, by what, and how to add an attack of your own.")
@click.argument("problem")
@click.option(
    "--honest",
    type=click.IntRange(min=0),
    default=50,
    show_default=True,
    metavar="N",
    help="Honest evaluations on fresh draws, none of which may be rejected.",
)
@click.option(
    "--only",
    type=click.Choice(PARTS),
    multiple=True,
    help="Run this part alone; may be given several times.",
)
@click.option(
    "--cheats",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Cheats to try instead of the ones that come along.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of workloads and choices.")
@WORKLOAD_OPTION
@click.option("--details", is_flag=True, help="List every attempt, not only the missed and skipped ones.")
@DEVICE_OPTION
@REQUIRE_SANDBOX_OPTION
@DOCUMENT_FORMAT_OPTION
@click.pass_context
def audit(
    ctx: click.Context,
    problem: str,
    honest: int,
    only: tuple[str, ...],
    cheats: Path | None,
    seed: int,
    workload: str | None,
    details: bool,
    device: str,
    require_sandbox: str,
    fmt: str,
) -> int:
    """Attack the evaluator of PROBLEM: exit 0 when everything held, 1 on any miss.

    Cheating programs must be refused for the right reason or gain nothing, honest ones must pass, corrupted
    replies must be refused, every check must be needed, the measure must not depend on names or order, and
    nothing may lie beyond the proven ceiling. A problem of your own is named by its path and needs nothing
    but what it declares.
    """
    import time

    from evaluators.audit import AuditPlan
    from evaluators.audit import audit as attack
    from evaluators.audit.findings import Part
    from evaluators.host import usable_cpus
    from evaluators.registry import load_problem
    from evaluators.workloads.choice import default_workload
    from reports.audit import audit_json, audit_view, passed

    loaded = load_problem(problem, workload or default_workload(problem))
    if loaded.declaration.claim:
        raise click.UsageError(
            f"{loaded.declaration.name} has no judge of ours to attack: {loaded.declaration.claim}\n"
            "hint: docs/problems.md says how to turn such a task into a judged problem"
        )
    plan = AuditPlan(
        seed=seed,
        honest_evaluations=honest,
        cheats=cheats,
        only=frozenset(Part[name.upper()] for name in only),
        cpu=usable_cpus()[-1],
        require_sandbox=require_sandbox,
        device=device,
    )
    started = time.perf_counter()
    findings = list(_watched(ctx, attack(loaded, plan)))
    name = loaded.declaration.name
    if fmt == "json":
        show_json(audit_json(name, loaded.digest, seed, findings))
    else:
        show(ctx, audit_view(name, findings, details=details, seconds=time.perf_counter() - started))
    return 0 if passed(findings) else 1


def _watched(ctx: click.Context, findings: Iterator[Finding]) -> Iterator[Finding]:
    """Pass findings on and say on stderr how far the audit is: a live line on a terminal, else one line a part."""
    terminal = console(ctx, stderr=True)
    part = None
    with terminal.status("measuring baseline and reference ...") as status:
        for number, finding in enumerate(findings, start=1):
            if terminal.is_terminal:
                status.update(f"{number} tried; {finding.part.value}: {finding.name}")
            elif finding.part is not part:
                click.echo(f"{finding.part.value} ...", err=True)
            part = finding.part
            if finding.verdict.value == "missed":
                click.echo(f"missed: {finding.part.value}: {finding.name}", err=True)
            yield finding
