"""``evolve export``: a candidate as files to use."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from evolve.cli.common import DB_OPTION, RUN_OPTION, candidate_number, open_archive

if TYPE_CHECKING:
    from db.records import RunRecord
    from evaluators.problem import Declaration
    from reports.export import Package
    from reports.export_operator import Operator

MODULE, TORCH_OP = "module", "torch-op"


@click.command()
@click.argument("candidate")
@RUN_OPTION
@DB_OPTION
@click.option(
    "--as",
    "form",
    type=click.Choice([MODULE, TORCH_OP]),
    default=MODULE,
    show_default=True,
    help="What to write: the program as a Python module, or also a PyTorch operator around it (Triton kernels only).",
)
@click.option(
    "-o",
    "--output",
    metavar="DIR",
    help="Folder to write.  [default: exports/RUN-NUMBER, or exports/RUN-NUMBER-torch-op]",
    type=click.Path(),
)
@click.option("--force", is_flag=True, help="Replace our files in a folder that exists.")
def export(candidate: str, run_name: str | None, db: str, form: str, output: str | None, force: bool) -> None:
    """Write CANDIDATE (a number, or 'best') out as a folder that runs where nothing of ours is installed.

    As a module: the program, unchanged, with a test, a benchmark, provenance.json (scores with intervals, host,
    lineage, how to reproduce) and a README.

    As a torch-op: beside these MODULE_operator.py. Import it, and the kernel is a torch.library operator with a fake
    kernel, which torch.compile(fullgraph=True), torch.export and CUDA graphs understand; with a test of its own (on a
    GPU, or with TRITON_INTERPRET=1 without one) and a benchmark beside compiled plain PyTorch. PyTorch 2.6 or newer.

    \b
    evolve export best                            exports/RUN-NUMBER
    evolve export 12 --as torch-op -o my_gating   a chosen candidate of a kernel problem
    """
    import seeds
    from evaluators.registry import load_problem
    from reports.export import export_module

    with open_archive(db) as archive:
        run = archive.run(run_name)
        number = candidate_number(run, candidate)
        problem = load_problem(str(run.config["problem"]))
        facts = problem.declaration
        # Problems that may lie outside of this package say where.
        folder: Path = getattr(problem, "folder", seeds.ROOT / facts.name)
        if not (folder / "export").is_dir():
            raise click.UsageError(
                f"problem {facts.name} has no {folder / 'export'} with usage.md, test.py and benchmark.py\n"
                f"hint: add them (see docs/problems.md), or evolve show {number} --source writes the program alone"
            )
        operator = _operator(facts, folder, number) if form == TORCH_OP else None
        suffix = f"-{form}" if operator else ""
        target = Path(output) if output else Path("exports") / f"{run.name}-{number:04d}{suffix}"
        written = export_module(archive, run, number, _package(run, facts, folder, operator), target, force=force)
    for path in written:
        click.echo(path)


def _module(facts: Declaration) -> str:
    return re.sub(r"\W", "_", f"{facts.name}_policy")


def _operator(facts: Declaration, folder: Path, number: int) -> Operator:
    """What turns the module into an operator.

    Raises:
        click.UsageError: the problem is none of kernels, or has no texts for it.
    """
    from reports.export_operator import missing_texts, read_operator

    if not facts.kernel:
        raise click.UsageError(
            f"problem {facts.name} asks for no Triton kernel, so there is no PyTorch operator to make of {number}\n"
            f"hint: evolve export {number} writes it as a module"
        )
    if missing := missing_texts(folder):
        raise click.UsageError(
            f"problem {facts.name} has no {' and no '.join(map(str, missing))}\n"
            f"hint: write the operator as {_example()} does, or evolve export {number} writes the module alone"
        )
    return read_operator(folder, _module(facts), facts.entry)


def _example() -> Path:
    import seeds

    return seeds.ROOT / "topk_gating" / "export"


def _package(run: RunRecord, facts: Declaration, folder: Path, operator: Operator | None) -> Package:
    """What the problem contributes to either form."""
    import seeds
    from reports.export import Package
    from reports.export_operator import NEEDS
    from reports.text import scale_text

    module = _module(facts)
    texts = seeds.read_export(folder, module)
    return Package(
        name=module,
        title=facts.title,
        entry=facts.entry,
        usage=texts.usage,
        scale=scale_text(facts.baseline, facts.reference, facts.claim),
        metrics=facts.metrics,
        needs=(NEEDS if operator else "torch", "triton")
        if facts.kernel
        else ("numpy", "scipy")
        if facts.claim
        else ("numpy",),
        test_source=texts.test,
        benchmark_source=texts.benchmark,
        reproduce=(
            "pip install -c constraints.txt -e " + ("'.[kernels]'" if facts.kernel else "."),
            f"evolve score {shlex.quote(str(run.config['problem']))} {module}.py "
            f"--workload {run.config['workload']}  # "
            + ("the task's own evaluator" if facts.claim else "public workloads"),
        ),
        operator=operator,
    )
