"""Reads a KernelBench file: `Model` runs in a sandbox of its own, and what comes back is checked."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import torch

from evaluators.guest import SandboxGuest
from evaluators.kernels.kernelbench.laws import Weight
from evaluators.kernels.kernelbench.operators import DRAWS, OPERATORS
from evaluators.kernels.kernelbench.trace import Trace, TraceError, parameter_of, read_trace
from evaluators.model import EvaluatorError
from evaluators.problem import RefusedError
from sandbox import Buffer, Ending, Limits, Sandbox, Session

LIMITS = Limits(memory_bytes=6 << 30, load_seconds=20.0, reply_bytes=64 << 20)
TIMEOUT_SECONDS = 30.0
SEEDS = (0, 1)
AGREEMENT = 1e-5
"""How far what is replayed in float64 may be from what ``Model`` gives, relative to its largest item: a file may itself
round to float32 somewhere."""

_PROGRAM = Path(__file__).parent / "inside" / "trace.py"
_PRELOAD = ("numpy", "torch", "sympy", "mpmath")
_SETUP = ("evaluators.kernels.kernelbench.inside.trace:warm_up",)

Sizes = Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What ``Model`` gave on its own inputs.

    Args:
        weights: how each is filled, by name, in the order of the file.
        arrays: inputs, all weights, outputs; floating-point ones in float64.
    """

    weights: Mapping[str, Weight]
    arrays: tuple[np.ndarray[Any, Any], ...]


def open_sandbox() -> Sandbox:
    """A sandbox that files can be read in, one after the other."""
    return Sandbox(preload=_PRELOAD, array_module="numpy", setup=_SETUP)


class File:
    """A KernelBench file in a sandbox. Close it, or use it in a ``with`` statement.

    Args:
        source: its text.
        sandbox: of `open_sandbox`, which the caller closes; None for one of its own.

    Raises:
        SandboxError: the sandbox did not start.
    """

    def __init__(self, source: str, sandbox: Sandbox | None = None) -> None:
        self.source = source
        self._text = _PROGRAM.read_text(encoding="utf-8")
        self._session: Session | None = None
        self._is_ours = sandbox is None
        self._sandbox = sandbox or open_sandbox()

    def sizes(self) -> dict[str, int]:
        """The module-level integers that may be sizes.

        Raises:
            TraceError: the file is no Python.
        """
        return {str(name): int(value) for name, value in self._ask("sizes", source=self.source).items()}

    def trace(self, sizes: Sizes, numbers: Mapping[str, float] | None = None) -> Trace:
        """What it computes with these sizes in place of its own, and these numbers among its inputs.

        Raises:
            TraceError: it cannot be judged; the message names the operator.
        """
        given = {"source": self.source, "sizes": dict(sizes), "numbers": dict(numbers or {})}
        return read_trace(self._ask("trace", **given, operators=sorted(OPERATORS), draws=sorted(DRAWS)))

    def sample(self, sizes: Sizes, seed: int) -> Sample:
        """What ``Model`` really gives, in float64.

        Raises:
            TraceError: it fails.
        """
        head, *arrays = self._ask("sample", source=self.source, sizes=dict(sizes), seed=seed)
        weights = {
            str(given["name"]): Weight(
                constant=None if given["constant"] is None else float(given["constant"]), spread=float(given["spread"])
            )
            for given in head["weights"]
        }
        return Sample(weights=weights, arrays=tuple(_array(item) for item in arrays))

    def _ask(self, task: str, **arguments: Any) -> Any:
        guest = SandboxGuest(self._living(), time.perf_counter)
        try:
            value, _ = guest.ask({"task": task, **arguments}, TIMEOUT_SECONDS)
        except RefusedError as refused:
            raise TraceError(f"the file does not run in the sandbox: {refused.reason}") from refused
        if isinstance(value, Mapping) and "refused" in value:
            raise TraceError(str(value["refused"]))
        return value

    def _living(self) -> Session:
        """The session that is open, or a new one where the file has ended it."""
        if self._session is None or self._session.is_closed:
            self._session = self._sandbox.open(self._text, "answer", LIMITS)
            if self._session.load.ending is not Ending.REPLIED:
                raise EvaluatorError(f"the reader of files does not load: {self._session.load.reason}")
        return self._session

    def close(self) -> None:
        """End the file's process, and the sandbox if it is the file's own."""
        if self._session is not None:
            self._session.close()
        if self._is_ours:
            self._sandbox.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _array(item: object) -> np.ndarray[Any, Any]:
    if not isinstance(item, Buffer):
        raise TraceError("the file's own outputs are no tensors")
    return np.frombuffer(item.data, dtype=np.dtype(item.dtype)).reshape(item.shape)


def weights_in(file: File, trace: Trace, sizes: Sizes) -> dict[str, Weight]:
    """How the file fills its weights; and its `Model` is held to its trace on real data.

    Args:
        file: the file.
        trace: at these sizes.
        sizes: small ones.

    Raises:
        TraceError: what was recorded is not what ``Model`` computes.
    """
    found: Mapping[str, Weight] = {}
    for seed in SEEDS:
        sample = file.sample(sizes, seed)
        found = sample.weights
        tensors = [torch.from_numpy(array.copy()) for array in sample.arrays]
        first, last = len(tensors) - len(trace.outputs) - len(found), len(tensors) - len(trace.outputs)
        inputs = [given.name for given in trace.inputs if given.form is not None]
        contents = dict(zip(inputs, tensors[:first], strict=True))
        contents |= {
            parameter_of(name): tensor
            for name, tensor in zip(found, tensors[first:last], strict=True)
            if name in trace.weights
        }
        _compare(trace, contents, tensors[last:])
    return {name: found[name] for name in trace.weights}


def _compare(trace: Trace, contents: Mapping[str, torch.Tensor], outputs: list[torch.Tensor]) -> None:
    for place, (got, said) in enumerate(zip(trace.run(contents, exact=True), outputs, strict=True)):
        size = float(said.double().abs().max()) if said.numel() else 0.0
        close = got.shape == said.shape and torch.allclose(
            got, said.double(), rtol=0, atol=AGREEMENT * size, equal_nan=True
        )
        if not close:
            raise TraceError(
                f"output {place} of Model is not what its operators give ({', '.join(trace.operators)}): it depends on "
                "more than its arguments, or branches on data"
            )
