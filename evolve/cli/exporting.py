"""``evolve export``: a candidate as files to use."""

from __future__ import annotations

from pathlib import Path

import click

from evolve.cli.common import DB_OPTION, RUN_OPTION, candidate_number, open_archive


@click.command()
@click.argument("candidate")
@RUN_OPTION
@DB_OPTION
@click.option(
    "--as",
    "form",
    type=click.Choice(["module"]),
    default="module",
    show_default=True,
    help="What to write: a stand-alone Python module with its provenance, test and benchmark.",
)
@click.option(
    "-o", "--output", metavar="DIR", help="Folder to write.  [default: exports/RUN-NUMBER]", type=click.Path()
)
@click.option("--force", is_flag=True, help="Replace our files in a folder that exists.")
def export(candidate: str, run_name: str | None, db: str, form: str, output: str | None, force: bool) -> None:
    """Write CANDIDATE (a number, or 'best') out as a stand-alone module.

    The module imports nothing of ours. Beside it: provenance.json, a test, a benchmark, a README.
    """
    del form
    import seeds
    from evaluators.policy import PolicyProblem
    from evaluators.registry import load_problem
    from reports.export import Package, export_module
    from reports.text import scale_text

    with open_archive(db) as archive:
        run = archive.run(run_name)
        number = candidate_number(run, candidate)
        named = str(run.config["problem"])
        problem = load_problem(named)
        facts = problem.declaration
        module = f"{facts.name}_policy"
        folder = problem.folder if isinstance(problem, PolicyProblem) else seeds.ROOT / facts.name
        if not (folder / "export").is_dir():
            raise click.UsageError(
                f"problem {facts.name} has no {folder / 'export'} with usage.md, test.py and benchmark.py\n"
                f"hint: add them (see docs/problems.md), or evolve show {number} --source writes the program alone"
            )
        texts = seeds.read_export(folder, module)
        target = Path(output) if output else Path("exports") / f"{run.name}-{number:04d}"
        package = Package(
            name=module,
            title=facts.title,
            entry=facts.entry,
            usage=texts.usage,
            scale=scale_text(facts.baseline, facts.reference),
            metrics=facts.metrics,
            needs=("torch", "triton") if facts.kernel else ("numpy",),
            test_source=texts.test,
            benchmark_source=texts.benchmark,
            reproduce=(
                "pip install -c constraints.txt -e " + ("'.[kernels]'" if facts.kernel else "."),
                f"evolve score {named} {module}.py --workload {run.config['workload']}  # public workloads",
            ),
        )
        written = export_module(archive, run, number, package, target, force=force)
    for path in written:
        click.echo(path)
