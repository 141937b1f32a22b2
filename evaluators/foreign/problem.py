"""``evolve run openevolve:DIR``: a task in OpenEvolve's form as a problem whose score is the task's own claim.

There is no secret, no reference and no proven bound: a workload is one more run of the task's own evaluator. Points
are 100 times what it reports, so that 0 and 100 are its 0 and 1, whatever these mean.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import seeds
from evaluators.digests import facts_digest
from evaluators.foreign.arena import ForeignGuest, limits_of, preloaded
from evaluators.foreign.claim import CLAIM, PREFIX
from evaluators.foreign.loading import ForeignTask, read_task
from evaluators.foreign.result import Said, check_error, merged, passes, score_of, told
from evaluators.lines import path_behind, printable
from evaluators.model import EvaluatorError, Metric, Split
from evaluators.problem import Declaration, Descriptor, Guest, Measured, ProblemError, RefusedError, Relation
from evaluators.region import has_regions
from evaluators.screen import ANYTHING
from evaluators.workloads.choice import GENERATED
from seeds import Seed

REVISION = 1
"""Of how a task is run; scores of different revisions never compare."""

REPEATS = {Split.TRAIN: 1, Split.VALIDATION: 3, Split.HIDDEN: 5}
"""How often a candidate is evaluated in a block. With one repeat nothing is known of the spread."""

SUMMARY_CHARACTERS = 200
NO_CEILING = 1e300
"""Nothing is proven of the score."""

SCORE = Metric(name="task_score", unit="", higher_is_better=True, description="what the task's evaluator reports")
STAGES = Metric(name="stages", unit="", higher_is_better=True, description="stages of the evaluator that were run")
LINES = Metric(name="lines", unit="", higher_is_better=False, description="lines of the program that are not blank")


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat:
    """One more evaluation; ``checks_seed`` if the initial program is tried before anybody is measured."""

    name: str
    checks_seed: bool = False
    stratum: str = "repeat"


class ForeignProblem:
    """See `evaluators.problem.Problem`."""

    relations: tuple[Relation, ...] = ()
    folder = seeds.ROOT / "openevolve"
    """Holds in ``export`` what goes beside an exported program of any task."""

    def __init__(self, task: ForeignTask) -> None:
        self.task = task
        self.declaration = declare(task)
        self.statement = statement(task)
        told = (ast.get_docstring(ast.parse(task.source)) or "the task's initial program").partition("\n")[0]
        summary = printable(told, SUMMARY_CHARACTERS)
        self.seeds = (Seed(name=self.declaration.baseline, summary=summary, source=task.source),)

    @property
    def digest(self) -> str:
        """Digest of the task's files and of how they are run."""
        return facts_digest({"problem": self.declaration.name, "revision": REVISION, "files": self.task.digest})

    def workloads(self, split: Split, seed: bytes) -> Sequence[Repeat]:
        """So many repeats; nothing is drawn, since the task has no place for a secret."""
        del seed
        tried = split is Split.TRAIN
        return [Repeat(name=f"repeat {n}", checks_seed=tried and n == 0) for n in range(REPEATS[split])]

    def play(self, workload: Repeat, guest: Guest) -> Measured:
        """Let the task evaluate the candidate, stage by stage."""
        del workload
        if not isinstance(guest, ForeignGuest):
            raise EvaluatorError("a task of another tool is played by a ForeignGuest alone")
        said = self._evaluate(guest, guest.prepare())
        score = score_of(said, self.task.config.features)
        metrics = {name: value for name, value in said.numbers.items() if math.isfinite(value)}
        ours = {SCORE.name: score, STAGES.name: float(said.stages), LINES.name: float(guest.lines)}
        return Measured(series=(score,), stderr=0.0, metrics={**metrics, **ours})

    def reference_objective(self, workload: Repeat, open_seed: Callable[[str], Guest]) -> float:
        """A score of 1. Once in a block the initial program is tried, so that a task that does not run is told so."""
        if workload.checks_seed:
            try:
                self.play(workload, open_seed(self.declaration.baseline))
            except RefusedError as refused:
                raise RefusedError(refused.outcome, f"{refused.reason} (task {self.task.folder})") from refused
        return 1.0

    def ceiling(self, workload: Repeat) -> float:
        """Nothing is proven."""
        del workload
        return NO_CEILING

    def _evaluate(self, guest: ForeignGuest, stages: frozenset[str]) -> Said:
        """As OpenEvolve does it, but that a stage which fails voids the score.

        There it keeps the score of the stages before, which a candidate can therefore get by failing on purpose.
        """
        config = self.task.config
        if not config.cascade or "evaluate_stage1" not in stages:
            return self._stage(guest, "evaluate", None)
        said = self._stage(guest, "evaluate_stage1", None)
        for number, threshold in enumerate(config.thresholds[:2], start=2):
            name = f"evaluate_stage{number}"
            if name not in stages or not passes(said, threshold):
                break
            said = self._stage(guest, name, said)
        return said

    def _stage(self, guest: ForeignGuest, name: str, before: Said | None) -> Said:
        said = guest.run(name)
        said = said if before is None else merged(before, said)
        guest.artifacts = told(said)
        check_error(said)
        return said


def declare(task: ForeignTask) -> Declaration:
    """The fixed facts of a task.

    Raises:
        ProblemError: the markers of its initial program do not pair up.
    """
    timeout, iterations = task.config.timeout_seconds, task.config.iterations
    lines = sum(bool(line.strip()) for line in task.source.splitlines())
    return Declaration(
        name=PREFIX + task.name,
        family="tasks of other tools",
        title=f"task in OpenEvolve's form at {printable(str(task.folder), SUMMARY_CHARACTERS)}",
        entry=task.entry,
        parameters=(),
        optional_parameters=frozenset(),
        allowed_imports=frozenset({ANYTHING}),
        objective=SCORE,
        metrics=(SCORE, STAGES, LINES),
        descriptors=(Descriptor(metric=LINES.name, edges=tuple(lines * part for part in (0.8, 1.1, 1.4, 2.0))),),
        baseline=Path(task.program).stem,
        reference="a task score of 1",
        limits=limits_of(task),
        preload=preloaded(task),
        race_after=1,
        checks=("result", "error", "score"),
        claim=CLAIM,
        template=task.source if has_regions(task.source) else None,
        cost=f"at most {timeout:g} s for a stage"
        + (f"; its author asks for {iterations} candidates" if iterations else ""),
    )


def statement(task: ForeignTask) -> str:
    """What a proposer is told: the task's own message, what the evaluator is, and what is different here."""
    message = task.config.system_message or f"Improve the program of the task {task.name}."
    packages = ", ".join(preloaded(task))
    evaluator = task.files[task.evaluator].decode("utf-8", "replace").rstrip()
    return f"""# {task.name}

{message}

## How this task is scored

The evaluator below is the task's own. It gets the path of the program and reports figures; the score is its
`combined_score`, or the mean of its figures where it has none. Points are 100 times that. It is taken at its word: a
program that makes the evaluator report a figure which its work does not deserve is of no use to anybody.

It runs in a sandbox without network, each stage within {task.config.timeout_seconds:g} s. Beside the standard library
these can be imported: {packages}.

```python
{evaluator}
```
"""


def folder_of(name: str) -> Path:
    """The folder in ``openevolve:DIR``; what stands before the prefix is where it is relative to."""
    return path_behind(PREFIX, name)


def load_foreign(name: str, workload: str) -> ForeignProblem:
    """Build the problem of a task's folder.

    Args:
        name: ``openevolve:DIR``, see `folder_of`.
        workload: ``generated``; a task has its own.

    Raises:
        ProblemError: there is no such task, or it cannot be run here.
    """
    if workload != GENERATED:
        raise ProblemError(f"{name} has its own workloads, not {workload!r}\nhint: leave --workload out")
    return ForeignProblem(read_task(folder_of(name)))
