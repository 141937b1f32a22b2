"""What a user of a KernelBench file would compare with: its operators in eager PyTorch, and compiled."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

from evaluators.kernels.kernelbench.trace import Trace
from evaluators.kernels.task import Case, Tensors
from evaluators.kernels.tasks.libraries import compiled

Column = Callable[[Case, Tensors], Sequence[Tensor]]


@dataclass(slots=True)
class Compiled:
    """``torch.compile`` of a file's operators, which never see ``Model`` itself; one call's trace is kept.

    Args:
        trace_of: gives a case's trace.
    """

    trace_of: Callable[[Case], Trace]
    _trace: Trace | None = None
    _call: Any = field(default=None)

    def __call__(self, case: Case, contents: Tensors) -> Sequence[Tensor]:
        """See `evaluators.kernels.task.KernelTask.columns`."""
        trace = self.trace_of(case)
        if trace is not self._trace:
            self._trace, self._call = trace, compiled(graph_of(trace, contents))
        outputs: Sequence[Tensor] = self._call(*(contents[name] for name in trace.tensors))
        return outputs


def graph_of(trace: Trace, contents: Tensors) -> Any:
    """A trace as a `torch.fx.GraphModule` over `Trace.tensors` in their order, which compilers can read.

    Args:
        trace: of a call.
        contents: its arguments, on the device where it will run.
    """
    names = list(trace.tensors)
    run = make_fx(lambda *tensors: trace.run(dict(zip(names, tensors, strict=True))))
    return run(*(contents[name] for name in names))


def columns(trace_of: Callable[[Case], Trace]) -> Mapping[str, Column]:
    """Both, by name; without TF32, since float32 products are asked for."""
    return {"eager": lambda case, contents: trace_of(case).run(contents), "compiled": Compiled(trace_of)}
