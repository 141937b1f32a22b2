"""Writes a candidate out as a folder that stands alone: module, test, benchmark, provenance, README, operator."""

from __future__ import annotations

import errno
import keyword
import os
import re
import shlex
import shutil
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from db.archive import Archive
from db.records import CandidateRecord, EvaluationRecord, RunRecord, Standing
from evaluators.foreign.claim import is_claim, reported_by
from evaluators.model import Metric, Split
from reports.details import candidate_json
from reports.evaluation import estimate_json, metrics_json, metrics_line
from reports.export_operator import Operator
from reports.formats import escaped, to_json
from reports.leaderboard import made
from reports.lineage import Step, lineage, lineage_json
from reports.text import ReportError, estimate_text, one_line, tag

PROVENANCE = "provenance.json"
_SECRET_KEY = re.compile(r"secret|password|passwd|credential|authori[sz]ation|api_?key|(^|[_-])token$", re.IGNORECASE)
_USER_INFO = re.compile(r"://[^/@\s]+@")
_HINTS = {
    errno.ENOSPC: "free some space or choose another folder with -o",
    errno.EDQUOT: "free some of your quota or choose another folder with -o",
    errno.EACCES: "choose a folder that you may write to with -o",
    errno.EPERM: "choose a folder that you may write to with -o",
    errno.EROFS: "the file system is read-only: choose another folder with -o",
    errno.ENAMETOOLONG: "choose a shorter folder name with -o",
}


class ExportError(ReportError):
    """An export could not be written, and nothing half-written is left; says what, where and a hint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """What the problem contributes to an export.

    Args:
        name: name of the exported module, such as ``"eplb_policy"``.
        title: one line that says what the program does.
        entry: the function that a user calls.
        usage: a short example in Python, shown in the README.
        scale: what 0 and 100 mean.
        metrics: the problem's declared metrics.
        needs: what the module, its test and its benchmark import beside pytest, as pip names it.
        test_source: a pytest file that imports the module by name, and beside it only what is needed.
        benchmark_source: a script that times the module and compares it, by the same rule.
        reproduce: commands that measure the program again, one a line.
        operator: a PyTorch operator around the module, for a kernel that is exported as one.
    """

    name: str
    title: str
    entry: str
    usage: str
    scale: str
    metrics: Sequence[Metric]
    needs: Sequence[str]
    test_source: str
    benchmark_source: str
    reproduce: Sequence[str] = field(default=())
    operator: Operator | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Origin:
    """Everything that the archive knows of the exported candidate."""

    run: RunRecord
    candidate: CandidateRecord
    standing: Standing
    children: Sequence[int]
    evaluations: Sequence[EvaluationRecord]
    line: list[Step]


def export_module(
    archive: Archive, run: RunRecord, number: int, package: Package, target: Path, *, force: bool = False
) -> list[Path]:
    """Write a candidate as a stand-alone folder.

    A new folder appears whole or not at all. With ``force`` an existing folder keeps its other files; each of
    ours is replaced whole, the provenance last.

    Returns:
        The files written.

    Raises:
        ExportError: the target holds something and ``force`` is not set, or it cannot be written.
    """
    if not package.name.isidentifier() or keyword.iskeyword(package.name):
        raise ExportError(
            f"cannot export {tag(number)} as module {package.name!r}: not a Python name; choose one such as eplb_policy"
        )
    origin = _Origin(
        run=run,
        candidate=archive.candidate(run.id, number),
        standing=archive.standing(run.id, number),
        children=archive.children(run.id, number),
        evaluations=archive.evaluations(run.id, number),
        line=lineage(archive, run, number),
    )
    return write_folder(_files(origin, package), target, force=force)


def _files(origin: _Origin, package: Package) -> dict[str, str]:
    """Every file's text by name, the provenance last."""
    return {
        f"{package.name}.py": _header(origin, package) + origin.candidate.source,
        f"test_{package.name}.py": package.test_source,
        "benchmark.py": package.benchmark_source,
        **(package.operator.files if package.operator else {}),
        "README.md": _readme(origin, package),
        PROVENANCE: to_json(provenance(origin, package)) + "\n",
    }


def _header(origin: _Origin, package: Package) -> str:
    """Provenance as comments; every foreign word is made one line, or it would become code."""
    run, candidate = origin.run, origin.candidate
    lines = [
        one_line(package.title),
        f"Candidate {tag(candidate.number)} of run {one_line(run.name)}, problem {one_line(run.problem)}, "
        f"made by {made(candidate.proposer, candidate.operator)}.",
        f"Score (points, {one_line(package.scale)}): {_scores_line(origin.standing)}.",
        f"Exported by evolve; the program below is unchanged. Details: {PROVENANCE}.",
    ]
    return "".join(f"# {line}\n" for line in lines) + "\n"


def _scores_line(standing: Standing) -> str:
    scores = [
        f"{split.value} {estimate_text(standing.estimates[split])}" for split in Split if split in standing.estimates
    ]
    return ", ".join(scores) or "not measured"


def provenance(origin: _Origin, package: Package) -> dict[str, object]:
    """Where the program comes from, for programs. The run's secret is not in the record, and so not here."""
    run, candidate = origin.run, origin.candidate
    claimed = is_claim(run.problem)
    detail = candidate_json(
        origin.standing, candidate, origin.children, origin.evaluations, package.metrics, claimed=claimed
    )
    apart = {"source", "children", "scores", "evaluations"}
    hosts = [record.evaluation.host for record in origin.evaluations if record.evaluation is not None]
    seeds = [
        standing.operator
        for step in reversed(origin.line)
        for standing in (step.standing, *step.others)
        if not standing.parents
    ]
    return {
        "problem": run.problem,
        "workload_digest": run.digest,
        "run": {
            "name": run.name,
            "created": run.created,
            "status": run.status,
            "elapsed_seconds": run.elapsed_seconds,
            "config": without_secrets(run.config),
        },
        "candidate": {key: value for key, value in detail.items() if key not in apart},
        "scale": package.scale,
        "reported_by": reported_by(claimed=claimed),
        "scores": {split.value: estimate_json(origin.standing.estimates.get(split)) for split in Split},
        "interval": "low and high bound the two-sided 95 % interval",
        "metrics": metrics_json(origin.standing.metrics, package.metrics),
        "evaluations": detail["evaluations"],
        "seeds": list(dict.fromkeys(seeds)),
        "lineage": lineage_json(origin.line, claimed=claimed),
        "host": dict(hosts[-1]) if hosts else {},
        "module": f"{package.name}.py",
        "entry": package.entry,
        **({"operator": package.operator.provenance()} if package.operator else {}),
        "reproduce": list(package.reproduce),
    }


def without_secrets(value: object, key: str = "") -> object:
    """A configuration without what must not leave: secrets by their key, passwords inside URLs."""
    if isinstance(value, Mapping):
        return {name: without_secrets(item, str(name)) for name, item in value.items()}
    if _SECRET_KEY.search(key) and value is not None:
        return "(withheld)"
    if isinstance(value, str):
        return _USER_INFO.sub("://(withheld)@", value)
    if isinstance(value, list | tuple):
        return [without_secrets(item) for item in value]
    return value


def _readme(origin: _Origin, package: Package) -> str:
    run, candidate, standing = origin.run, origin.candidate, origin.standing
    figures = [
        f"| {split.value} | {estimate_text(standing.estimates[split])} | {standing.estimates[split].n} |"
        for split in Split
        if split in standing.estimates
    ]
    metrics = escaped(metrics_line(standing.metrics, package.metrics))
    steps = [
        f"- {tag(step.standing.number)} {escaped(made(step.standing.proposer, step.standing.operator))}"
        + (f": {escaped(step.standing.note)}" if step.standing.note.strip() else "")
        for step in origin.line
    ]
    reproduce = "\n".join(package.reproduce)
    sections = [
        f"# {package.name}",
        one_line(package.title),
        f"Candidate {tag(candidate.number)} of run {escaped(run.name)}, problem {escaped(run.problem)}, "
        f"found by evolve. `{package.name}.py` stands alone: it needs nothing of evolve.",
        "## Figures",
        f"Scale: {one_line(package.scale)}. ± is the half-width of the 95 % interval.",
        "\n".join(["| workloads | score (points) | measured on |", "| --- | ---: | ---: |", *figures]),
        f"Other metrics (train): {metrics}." if metrics else "",
        "## Use",
        f"```python\n{package.usage.strip()}\n```",
        "## Check",
        f"```\npip install {shlex.join(package.needs)} pytest\npytest test_{package.name}.py\npython benchmark.py\n```",
        package.operator.readme() if package.operator else "",
        "## Reproduce",
        f"```\n{reproduce}\n```" if reproduce else "",
        f"`{PROVENANCE}` holds every evaluation with its intervals, the host, the configuration and the "
        f"workload definition's digest ({escaped(run.digest)}).",
        "## Where it comes from",
        "\n".join(steps),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def write_folder(files: Mapping[str, str], target: Path, *, force: bool = False) -> list[Path]:
    """Write files into a folder by way of a temporary folder beside it.

    Returns:
        The files written, in order.

    Raises:
        ExportError: the target is no folder, holds something and ``force`` is not set, or cannot be written.
    """
    target = target.resolve()
    draft = target.parent / f".{target.name[:100]}.{uuid.uuid4().hex}"
    try:
        if target.exists() and not target.is_dir():
            raise ExportError(f"cannot export to {target}: it is not a folder; choose another with -o")
        occupied = target.is_dir() and any(target.iterdir())
        if occupied and not force:
            raise ExportError(
                f"cannot export to {target}: the folder is not empty; "
                "choose another with -o, or replace earlier files of an export with --force"
            )
        draft.mkdir(parents=True)
        for name, text in files.items():
            _write(draft / name, text)
        if occupied:
            for name in files:
                (draft / name).replace(target / name)
        else:
            draft.rename(target)
    except OSError as error:
        hint = _HINTS.get(error.errno or 0, "choose another folder with -o")
        raise ExportError(f"cannot export to {target}: {error.strerror or error}; {hint}") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return [target / name for name in files]


def _write(path: Path, text: str) -> None:
    """Write bytes as they are (no newline translation) and make sure that they are on the disk."""
    with path.open("wb") as stream:
        stream.write(text.encode("utf-8"))
        stream.flush()
        os.fsync(stream.fileno())
