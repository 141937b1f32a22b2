"""A KernelBench file as a kernel task: its own shape and others, several laws, float64 of its operators."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from evaluators.kernels.kernelbench import judging, laws, lint, spoils
from evaluators.kernels.kernelbench.columns import columns
from evaluators.kernels.kernelbench.judging import LEAST_ROW, Right
from evaluators.kernels.kernelbench.laws import OWN, Weight
from evaluators.kernels.kernelbench.loading import File, weights_in
from evaluators.kernels.kernelbench.operators import PRODUCTS, VIEWS, WHOLE
from evaluators.kernels.kernelbench.sizing import Sized, drawn, fitted, resizable, small
from evaluators.kernels.kernelbench.trace import Trace
from evaluators.kernels.task import Case, Fault, KernelWorkload, Spoil, Tensors, Traffic
from evaluators.kernels.tasks.sizes import case_seed, random_of
from evaluators.model import Split

if TYPE_CHECKING:
    from torch import Tensor

    from sandbox import Sandbox

SHAPES = {
    Split.TRAIN: ((0.4, 0.9),),
    Split.VALIDATION: ((0.3, 0.7), (0.7, 1.0)),
    Split.HIDDEN: ((0.2, 0.6), (0.5, 1.0)),
}
"""Shares of the file's own sizes between which further ones are drawn; on train the file's own come beside."""

OTHER_NUMBER = 0.625
"""Numbers among the inputs are multiplied by it in every second small call, so that they cannot be written in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedCase(Case):
    """A case with what is right for it.

    A call that somebody has cut to fewer rows is none of the file's: a small one takes its place.

    Args:
        trace: the operators, at the sizes of the call.
        small: the file at small sizes.
    """

    trace: Trace
    small: Sized

    def __post_init__(self) -> None:
        """Put the small call in place of one that was cut."""
        if self.call.tensors != self.trace.tensors or self.call.outputs != self.trace.results:
            small = self.small.call
            # Of a name of its own, so that it does not take the place of a case with another law.
            name = small.name if self.trace is self.small.trace else f"{small.name} for {self.call.name}"
            object.__setattr__(self, "call", replace(small, name=name))
            object.__setattr__(self, "trace", self.small.trace)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of a file once it was read.

    Args:
        own: the file at its own sizes, or as many of them as fit.
        sizes: its sizes, with the file's own values.
        smalls: small calls.
        weights: how weights are drawn.
        laws: under which its outputs can be judged, the file's own first.
    """

    own: Sized
    sizes: Mapping[str, int]
    smalls: tuple[Sized, ...]
    weights: Mapping[str, Weight]
    laws: tuple[str, ...]


class KernelBenchTask:
    """What one file asks for.

    Args:
        source: text of the file.
        sandbox: see `File`; None for one that is started whenever the file is read.

    Raises:
        TraceError: it cannot be judged; the message names the operator.
        SandboxError: there is no sandbox to read it in.
    """

    revision = 1
    partial_columns: frozenset[str] = frozenset()
    """Columns that do only a part of what is asked: none."""

    def __init__(self, source: str, sandbox: Sandbox | None = None) -> None:
        self._source = source
        self._sandbox = sandbox
        self._drawn: dict[tuple[Split, bytes], list[Sized]] = {}
        with File(source, sandbox) as file:
            self.facts = _read(file)

    @property
    def checks(self) -> tuple[str, ...]:
        """Names of the checks; those of rows and averages are left out where a small call's output has none."""
        output = self.facts.smalls[0].trace.results[0]
        if output.items < lint.FEW_OUTPUTS:
            return ("finite", "element")
        has_rows = LEAST_ROW <= output.shape[-1] < output.items
        return tuple(name for name in judging.CHECKS if name != "row" or has_rows)

    def workloads(self, split: Split, seed: bytes) -> Sequence[KernelWorkload]:
        """The file's own shape (on train) and others, each with small calls under several laws beside it."""
        shapes = self._shapes(split, seed)
        return [self._workload(place, sized, split, seed) for place, sized in enumerate(shapes)]

    def contents(self, case: Case, number: int, device: str) -> Tensors:
        """Fresh inputs and weights."""
        return laws.contents(_trace(case), self.facts.weights, case.law, case.seed, number, device)

    def truth(self, case: Case, contents: Tensors) -> list[Right]:
        """Outputs in float64 and the units of their errors."""
        return judging.truth(_trace(case), contents)

    def fault(
        self, case: Case, contents: Tensors, truth: list[Right], outputs: Sequence[Tensor], off: frozenset[str]
    ) -> Fault | None:
        """The first check that the outputs fail."""
        del case, contents
        return judging.fault(truth, outputs, off | (judging.CHECKS.keys() - set(self.checks)))

    def traffic(self, case: Case, contents: Tensors) -> Traffic:
        """Outputs written once; arguments read once, and products done, where no program can do without.

        That is where every operator needs all that it is given, and where inputs have no structure (triangles,
        diagonals, sums of 1) of which a program could make use.
        """
        del contents
        trace = _trace(case)
        written = sum(form.bytes for form in case.call.outputs)
        if laws.has_structure(trace) or any(name not in WHOLE for name in trace.operators):
            return Traffic(read_bytes=0, written_bytes=written)
        products = [node for node in trace.computing if node.operator in PRODUCTS]
        only = [name for name in trace.operators if name not in VIEWS]
        flops = 2.0 * trace.depth * products[0].results[0].items if len(products) == len(only) == 1 else 0.0
        read = sum(form.bytes for form in trace.tensors.values())
        return Traffic(read_bytes=read, written_bytes=written, flops=flops, rate="bf16")

    def columns(self) -> Mapping[str, Callable[[Case, Tensors], Sequence[Tensor]]]:
        """The file's own operators: what ``Model`` takes in PyTorch, see `columns`."""
        return columns(_trace)

    def missing_columns(self) -> Mapping[str, str]:
        """Columns that cannot be had: none, since both are PyTorch's own."""
        return {}

    def audit_case(self, seed: int) -> Case:
        """A small case by the file's own law."""
        return self._case(self.facts.smalls[0], OWN, seed)

    def spoils(self) -> Mapping[str, Spoil]:
        """For each check right outputs made wrong so that this check alone stands against them."""
        case = self.audit_case(0)
        made = spoils.spoils(lambda contents: self.truth(case, contents))
        return {name: made[name] for name in self.checks}

    def _workload(self, place: int, sized: Sized, split: Split, seed: bytes) -> KernelWorkload:
        def seeded(one: Sized, law: str) -> TracedCase:
            return self._case(one, law, case_seed(seed, f"kernelbench:{split.value}:{place}:{one.name}:{law}"))

        known, smalls = self.facts.laws, self.facts.smalls
        # The tiny call that comes last is for its size: few of its draws show what a law is for.
        body = smalls[:-1] or smalls
        turn = [known[(place + step) % len(known)] for step in range(max(len(known), len(body)))]
        checked = [seeded(body[step % len(body)], law) for step, law in enumerate(turn)]
        checked.append(seeded(smalls[-1], OWN))
        checked.append(seeded(sized, known[(place + 1) % len(known)]))
        return KernelWorkload(name=sized.name, timed=seeded(sized, OWN), checked=tuple(checked))

    def _case(self, sized: Sized, law: str, seed: int) -> TracedCase:
        smalls = self.facts.smalls
        small = sized if sized in smalls else smalls[seed % len(smalls)]
        return TracedCase(call=sized.call, law=law, seed=seed, trace=sized.trace, small=small)

    def _shapes(self, split: Split, seed: bytes) -> list[Sized]:
        """Drawn once for each block: reading the file at other sizes takes a sandbox."""
        if (split, seed) not in self._drawn:
            own = [self.facts.own] if split is Split.TRAIN else []
            random = random_of(seed, f"kernelbench:{split.value}")
            base = self.facts.own.sizes
            with File(self._source, self._sandbox) as file:
                made = [drawn(base, low, high, random, file.trace) for low, high in SHAPES[split]]
            named = {one.name: one for one in (*made, *own)}
            self._drawn[split, seed] = sorted(named.values(), key=lambda one: one.trace.bytes)
        return self._drawn[split, seed]


def _read(file: File) -> Facts:
    sizes = resizable(file.sizes(), file.trace)
    own = fitted(sizes, file.trace)
    smalls = small(sizes, file.trace)
    weights = weights_in(file, smalls[0].trace, smalls[0].sizes)
    numbers = {name: value * OTHER_NUMBER for name, value in own.trace.scalars.items() if isinstance(value, float)}
    if numbers:
        smalls[1::2] = [Sized(sizes=one.sizes, trace=file.trace(one.sizes, numbers)) for one in smalls[1::2]]
    known = lint.usable_laws(smalls, weights)
    return Facts(own=own, sizes=sizes, smalls=tuple(smalls), weights=weights, laws=known)


def _trace(case: Case) -> Trace:
    assert isinstance(case, TracedCase)
    return case.trace
