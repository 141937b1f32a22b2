"""What a kernel problem declares: shapes, contents, reference, error budgets, least traffic, what to compare with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from evaluators.kernels.forms import Call
from evaluators.model import Split

if TYPE_CHECKING:
    from torch import Generator, Tensor

Tensors = Mapping[str, "Tensor"]
Spoil = Callable[["Sequence[Tensor]", Tensors, "Generator"], "Sequence[Tensor]"]
"""Takes right outputs, the arguments and a generator on the same device; gives new, wrong outputs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A call with a law for its contents.

    Args:
        call: types and shapes.
        law: how the contents are drawn, a name that the task knows (such as ``"normal"`` or ``"outliers"``).
        seed: seeds the contents; with the number of a draw it makes them fresh.
    """

    call: Call
    law: str
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelWorkload:
    """One shape: a case that is timed, and further ones that only have to be right.

    Args:
        name: unique within a block.
        stratum: see `evaluators.problem.Workload`; empty, since every shape is a law of its own.
        timed: what is timed.
        checked: odd sizes, empty and extreme contents; never timed, met before the timed case.
    """

    name: str
    timed: Case
    checked: tuple[Case, ...] = ()
    stratum: str = ""

    @property
    def calls(self) -> tuple[Call, ...]:
        """All calls to be recorded, each name once, the timed one first."""
        named = {case.call.name: case.call for case in (self.timed, *self.checked)}
        return tuple(named.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """The least that any program must do for a call.

    Args:
        read_bytes: bytes of device memory that must be read, each once; the cache is cold.
        written_bytes: bytes that must be written, each once.
        flops: floating-point operations that must be done.
        rate: which peak the operations run at: ``"bf16"`` (dense matrix units) or ``"fp32"``.
    """

    read_bytes: int
    written_bytes: int
    flops: float = 0.0
    rate: str = "fp32"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What is wrong with a program's outputs.

    Args:
        check: name of the check that found it, one of `KernelTask.checks`.
        reason: what and where (first wrong index, size of the error against the budget), in one line.
    """

    check: str
    reason: str


class KernelTask(Protocol):
    """The trusted side of one kernel problem. All tensors of one call live on one device, ``cuda`` or ``cpu`` alike."""

    @property
    def revision(self) -> int:
        """Goes up whenever contents, error budgets or the least traffic change, so that older scores do not compare."""

    @property
    def checks(self) -> tuple[str, ...]:
        """Names of the checks that `fault` makes, in order."""

    def workloads(self, split: Split, seed: bytes) -> Sequence[KernelWorkload]:
        """Shapes of a block, the cheapest first; a function of its arguments alone."""

    def contents(self, case: Case, number: int, device: str) -> Tensors:
        """Fresh contents of the tensor arguments: the draw of that number, by parameter name, contiguous."""

    def truth(self, case: Case, contents: Tensors) -> Any:
        """What is right for these contents (float64 reference on the same quantised inputs) and the error budgets."""

    def fault(
        self, case: Case, contents: Tensors, truth: Any, outputs: Sequence[Tensor], off: frozenset[str]
    ) -> Fault | None:
        """The first thing that is wrong with outputs of the declared forms; None where they are right.

        Args:
            case: what was asked.
            contents: the arguments.
            truth: what `truth` gave for them.
            outputs: tensors of the forms of ``case.call.outputs``.
            off: names of checks to leave out; only audits leave any out.
        """

    def traffic(self, case: Case, contents: Tensors) -> Traffic:
        """The least work for these contents, with what is actually active."""

    def columns(self) -> Mapping[str, Callable[[Case, Tensors], Sequence[Tensor]]]:
        """What a user would compare with, by name (``eager``, ``compiled``, ``vllm`` ...): those importable here."""


class AuditableTask(KernelTask, Protocol):
    """A task whose own checks can be audited, and that says which comparisons it lacks."""

    @property
    def partial_columns(self) -> frozenset[str]:
        """Columns that do only part of the work, so that their outputs are not to be checked."""

    def missing_columns(self) -> Mapping[str, str]:
        """Columns that cannot be had here, and why."""

    def audit_case(self, seed: int) -> Case:
        """A small case on which `spoils` can do their work."""

    def spoils(self) -> Mapping[str, Spoil]:
        """For each check a way to spoil right outputs of `audit_case` that it alone stands against."""
