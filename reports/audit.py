"""What an audit found: a table for readers, JSON for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from evaluators.audit.findings import Finding, Verdict
from reports.formats import Column, Listing
from reports.text import count, duration, one_line

FOUND_CHARACTERS = 160


def audit_json(problem: str, digest: str, seed: int, findings: Sequence[Finding]) -> dict[str, object]:
    """Everything: whether the evaluator passed, the parts in figures, and one entry for each attempt."""
    return {
        "problem": problem,
        "digest": digest,
        "seed": seed,
        "passed": passed(findings),
        "parts": _parts(findings),
        "findings": [
            {
                "part": finding.part.value,
                "name": finding.name,
                "verdict": finding.verdict.value,
                "expected": finding.expected,
                "found": one_line(finding.found, limit=1000),
                "seconds": finding.seconds,
            }
            for finding in findings
        ],
    }


def passed(findings: Sequence[Finding]) -> bool:
    """Whether nothing was missed, of something that was tried."""
    verdicts = Counter(finding.verdict for finding in findings)
    return verdicts[Verdict.HELD] > 0 and not verdicts[Verdict.MISSED]


def audit_view(problem: str, findings: Sequence[Finding], *, details: bool, seconds: float) -> RenderableType:
    """The parts in figures, then what was missed or skipped (with ``details`` everything), then the verdict."""
    shown = [finding for finding in findings if details or finding.verdict is not Verdict.HELD]
    pieces: list[RenderableType] = [Listing(rows=_parts(findings), columns=_PART_COLUMNS)]
    if shown:
        rows = [
            {
                "verdict": finding.verdict.value,
                "part": finding.part.value,
                "name": finding.name,
                "found": one_line(finding.found, FOUND_CHARACTERS),
                "expected": finding.expected,
            }
            for finding in shown
        ]
        pieces += [Text(), Listing(rows=rows, columns=_FINDING_COLUMNS)]
    return Group(*pieces, Text(), Text(_verdict(problem, findings, seconds)))


def _parts(findings: Sequence[Finding]) -> list[dict[str, object]]:
    parts = dict.fromkeys(finding.part for finding in findings)
    rows: list[dict[str, object]] = []
    for part in parts:
        own = [finding for finding in findings if finding.part is part]
        verdicts = Counter(finding.verdict for finding in own)
        rows.append({"part": part.value, "tried": len(own), **{v.value: verdicts[v] for v in Verdict}})
    return rows


def _verdict(problem: str, findings: Sequence[Finding], seconds: float) -> str:
    verdicts = Counter(finding.verdict for finding in findings)
    tried = verdicts[Verdict.HELD] + verdicts[Verdict.MISSED]
    what = f"{count(tried, 'attempt')} on the evaluator of {problem} in {duration(seconds)}"
    skipped = f", {verdicts[Verdict.SKIPPED]} skipped" if verdicts[Verdict.SKIPPED] else ""
    if passed(findings):
        return f"passed: {what}, none succeeded{skipped}"
    return f"FAILED: {what}, {verdicts[Verdict.MISSED]} missed{skipped}"


_PART_COLUMNS = (
    Column(title="part", path=("part",), numeric=False),
    Column(title="tried", path=("tried",)),
    Column(title="held", path=("held",)),
    Column(title="missed", path=("missed",)),
    Column(title="skipped", path=("skipped",)),
)
_FINDING_COLUMNS = (
    Column(title="verdict", path=("verdict",), numeric=False),
    Column(title="part", path=("part",), numeric=False, priority=2),
    Column(title="what was tried", path=("name",), numeric=False),
    Column(title="what came", path=("found",), numeric=False, flexible=True),
    Column(title="what had to come", path=("expected",), numeric=False, flexible=True, priority=1),
)
