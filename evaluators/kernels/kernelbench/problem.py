"""``evolve run kernelbench:FILE``: a KernelBench level 1 file as a kernel problem.

Score 0 is the Triton module ``STEM.seed.py`` beside ``STEM.py``. Without one a file can be judged on the CPU tier,
where there is no score; on a GPU there would be nothing to time against in the same way, and it is refused.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from evaluators.digests import facts_digest
from evaluators.kernels.guest import OVER_FLOOR, KernelGuest
from evaluators.kernels.kernelbench.sizing import is_small
from evaluators.kernels.kernelbench.task import KernelBenchTask, TracedCase
from evaluators.kernels.kernelbench.trace import TraceError, parameter_of
from evaluators.kernels.problem import LEAST_GAP, METRICS, NOMINAL_GAP, KernelProblem, only_generated
from evaluators.kernels.task import KernelWorkload
from evaluators.lines import path_behind
from evaluators.model import EvaluatorError, Metric
from evaluators.problem import Declaration, Descriptor, Guest, Measured, ProblemError
from sandbox import Limits, Sandbox
from seeds import Seed

PREFIX = "kernelbench:"
ENTRY = "forward"
SEED_ENDING = ".seed.py"
"""Of the module beside the file, whose time is score 0."""


class KernelBenchProblem(KernelProblem):
    """See `evaluators.problem.Problem`.

    Args:
        path: of the file.
        sandbox: see `KernelBenchTask`.

    Raises:
        ProblemError: the file cannot be judged; the message names the operator.
    """

    def __init__(self, path: Path, sandbox: Sandbox | None = None) -> None:
        self._source = path.read_text(encoding="utf-8")
        try:
            self.task: KernelBenchTask = KernelBenchTask(self._source, sandbox)
        except TraceError as error:
            raise ProblemError(
                f"{path.name} is not judged: {error}\nhint: docs/kernel_problems.md says which files load"
            ) from error
        self.origin = f"{PREFIX}{path.resolve()}"
        self.folder = path.parent
        self.seeds = _seed_beside(path)
        self.relations = ()
        self.statement = statement(path.stem, self._source, self.task, has_seed=bool(self.seeds))
        self.declaration = declare(path.stem, self.task)

    @property
    def digest(self) -> str:
        """Digest of the file, the revision of how it is judged, and the seed that scores are read against."""
        facts = {
            "problem": self.declaration.name,
            "revision": self.task.revision,
            "file": self._source,
            "laws": self.task.facts.laws,
            "baseline": [seed.source for seed in self.seeds],
        }
        return facts_digest(facts)

    def play(self, workload: KernelWorkload, guest: Guest) -> Measured:
        """Measure a shape; without a clock on its small calls alone, since a `Model` cannot be cut to few rows."""
        if not isinstance(guest, KernelGuest):
            raise EvaluatorError("a kernel problem is played by a KernelGuest alone")
        return guest.measure(workload if guest.is_clocked else small_part(workload))

    def reference_objective(self, workload: KernelWorkload, open_seed: Callable[[str], Guest]) -> float:
        """See `KernelProblem`; without a seed nothing is clocked."""
        if not self.seeds:
            return NOMINAL_GAP
        guest = open_seed(self.declaration.baseline)
        if not (isinstance(guest, KernelGuest) and guest.is_clocked):
            return NOMINAL_GAP
        return max(LEAST_GAP, math.log2(guest.measure(workload).metrics[OVER_FLOOR]))


def small_part(workload: KernelWorkload) -> KernelWorkload:
    """The calls of a workload that the interpreter can run as they are; the largest stands for the timed one."""
    few = [case for case in workload.checked if isinstance(case, TracedCase) and is_small(case.trace)]
    return replace(workload, timed=few[0], checked=tuple(few[1:]))


def declare(name: str, task: KernelBenchTask) -> Declaration:
    """The fixed facts of a file."""
    trace = task.facts.own.trace
    return Declaration(
        name=name,
        family="Triton kernels",
        title=f"KernelBench file: {', '.join(trace.operators[:6])}",
        entry=ENTRY,
        parameters=(*(given.name for given in trace.inputs), *map(parameter_of, trace.weights)),
        optional_parameters=frozenset(),
        allowed_imports=frozenset({"torch", "triton", "math"}),
        objective=Metric(
            name="gain", unit="log2", higher_is_better=True, description="log2 of the speed-up over the seed beside it"
        ),
        metrics=METRICS,
        descriptors=(
            Descriptor(metric="launches", edges=(1.5, 2.5)),
            Descriptor(metric="registers", edges=(32.5, 64.5, 128.5)),
        ),
        baseline=name + SEED_ENDING,
        reference="the floor: least traffic at the device's peak, or an empty launch",
        limits=Limits(),
        preload=(),
        race_after=1,
        checks=task.checks,
        timed=True,
        kernel=True,
        shown_by_kind=("time_us", OVER_FLOOR, "bandwidth", "registers", "local_bytes", "shared_bytes"),
    )


def statement(name: str, source: str, task: KernelBenchTask, *, has_seed: bool) -> str:
    """What a proposer is told: the call with types and shapes, how outputs are judged, and the file itself."""
    own = task.facts.own
    forms = {**{key: str(form) for key, form in own.call.tensors.items()}}
    forms |= {key: f"{type(value).__name__}, here {value}" for key, value in own.call.scalars.items()}
    given = "\n".join(f"- `{given.name}`: {forms[given.name]}" for given in own.trace.inputs)
    weights = "\n".join(
        f"- `{parameter_of(weight)}`: {form}, for `self.{weight}`" for weight, form in own.trace.weights.items()
    )
    parameters = ", ".join([*(it.name for it in own.trace.inputs), *map(parameter_of, own.trace.weights)])
    returned = ", ".join(map(str, own.call.outputs))
    zero = f"the module {name}{SEED_ENDING}" if has_seed else "not defined: there is no seed beside the file"
    return f"""# {name}

Write `{ENTRY}({parameters})` wholly in Triton: it returns what `Model.forward` below returns, a new tensor
({returned} at the file's own sizes). It may allocate, view, fill and launch; PyTorch computes nothing.

Arguments, contiguous, at the sizes {own.name}:
{given}
{weights}

Other sizes ({", ".join(task.facts.sizes)}) and other contents are judged too: read lengths from the arguments' shapes.
Every other constant of the file holds. Weights are not what the file fills them with (no ones, no zeros), and inputs
are what `get_inputs` makes of other random numbers ({", ".join(task.facts.laws)}).

Outputs are held to float64 of the same operators ({", ".join(own.trace.operators)}), each item within a few
roundings of its type times its condition; there is no absolute tolerance. `tl.dot` of float32 needs
`input_precision="ieee"` (or `"tf32x3"`), sums need float32 or better.

Score 0: {zero}. 100: the floor of the machine on every shape.

```python
{source.rstrip()}
```
"""


def file_of(name: str) -> Path:
    """The path in ``kernelbench:FILE``; what stands before the prefix is the folder that it is relative to."""
    return path_behind(PREFIX, name)


def load_kernelbench(name: str, workload: str) -> KernelBenchProblem:
    """Build the problem of a file.

    Args:
        name: ``kernelbench:FILE``, see `file_of`.
        workload: ``generated``.

    Raises:
        ProblemError: there is no such file, or it cannot be judged.
    """
    path = file_of(name)
    if not path.is_file():
        raise ProblemError(f"no KernelBench file at {path}\nhint: evolve run {PREFIX}FILE.py")
    only_generated(name, workload)
    return KernelBenchProblem(path)


def _seed_beside(path: Path) -> tuple[Seed, ...]:
    beside = path.with_name(path.stem + SEED_ENDING)
    if not beside.is_file():
        return ()
    source = beside.read_text(encoding="utf-8")
    try:
        summary = (ast.get_docstring(ast.parse(source)) or "").partition("\n")[0]
    except SyntaxError as error:
        raise ProblemError(f"{beside} is no Python: {error}\nhint: it must be a Triton module") from error
    return (Seed(name=beside.name, summary=summary, source=source),)
