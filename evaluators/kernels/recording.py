"""Records candidates: what their host functions launch, and the kernels compiled for the device, without a GPU.

Each candidate runs in a guest of its own, forked from a zygote with torch, Triton and a warm compiler. What comes back
is a claim, which `reading` checks; the guest has no data, no device, and may start the assembler alone.
"""

from __future__ import annotations

import importlib.util
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self

from evaluators.guest import OUTCOMES
from evaluators.host import require_kernel_libraries
from evaluators.kernels.forms import Call, Form
from evaluators.kernels.plan import Recording
from evaluators.kernels.reading import PlanLimits, read_recording
from evaluators.lines import printable
from evaluators.model import Outcome
from evaluators.problem import RefusedError
from sandbox import Ending, Execution, Limits, Sandbox, Value

TIMEOUT_SECONDS = 120.0
"""For recording and compiling all calls of a candidate; one kernel takes 0.05 to 1 s."""

LIMITS = Limits(
    memory_bytes=16 << 30, load_seconds=10.0, file_bytes=64 << 20, reply_bytes=64 << 20, processes=2, threads=1
)
"""Of a guest. Memory is mostly address space: torch and the compiler map 4 GB of libraries."""

FACTS: Mapping[str, int | str] = MappingProxyType(
    {
        "name": "NVIDIA H200",
        "multi_processor_count": 132,
        "total_memory": 150_110_011_392,
        "L2_cache_size": 62_914_560,
        "shared_memory_per_block": 49_152,
        "shared_memory_per_block_optin": 232_448,
        "shared_memory_per_multiprocessor": 233_472,
        "regs_per_multiprocessor": 65_536,
        "max_threads_per_multi_processor": 2_048,
        "max_threads_per_block": 1_024,
        "warp_size": 32,
        "clock_rate": 1_980_000,
        "memory_clock_rate": 3_201_000,
        "memory_bus_width": 6_144,
        "is_integrated": 0,
        "is_multi_gpu_board": 0,
    }
)
"""What host code is told of the device where the caller does not know better: an H200, by the names of
``torch.cuda.get_device_properties``; clocks in kHz, sizes in bytes, the bus in bits."""

REASON_CHARACTERS = 500

_PRELOAD = ("numpy", "torch", "triton", "triton.tools.tensor_descriptor", "triton.language.extra.libdevice")
_SETUP = ("evaluators.kernels.inside.recorder:warm_up",)
_PROGRAM = "from evaluators.kernels.inside.recorder import record\n"
# Line numbers in a cubin would make it depend on the text around a kernel; fusion is the default that is changing.
_ENVIRONMENT = {"TRITON_DISABLE_LINE_INFO": "1", "TRITON_STORE_BINARY_ONLY": "1", "TRITON_DEFAULT_FP_FUSION": "1"}
_ASSEMBLERS = ("ptxas", "ptxas-blackwell")
_PASSES_FAILED = "PassManager::run failed"
_DIAGNOSTIC = re.compile(r"^(?:.*: )?(?:error|LLVM ERROR): (?P<text>.*)$", re.MULTILINE)
_EMPTY = """
import torch
import triton


@triton.jit
def nothing():
    pass


def empty():
    nothing[(1,)](num_warps=1)
    return torch.empty(1, dtype=torch.int32, device="cuda")
"""
_EMPTY_CALL = Call(name="nothing", tensors={}, outputs=(Form(dtype="int32", shape=(1,)),))


class Recorder:
    """Records one candidate at a time, in a sandbox that it keeps.

    Not to be shared between threads. Close it, or use it in a ``with`` statement.

    Args:
        architecture: compute capability times ten of the device to compile for.
        facts: what is known of that device, by the names of `FACTS`; the rest is taken from there.
        cpu: processor to run on, or None.
        limits: the most that a recording may ask for.

    Raises:
        EvaluatorError: torch or Triton is not installed.
        SandboxError: the sandbox did not start.
    """

    def __init__(
        self,
        architecture: int = 90,
        *,
        facts: Mapping[str, int | str] = FACTS,
        cpu: int | None = None,
        limits: PlanLimits | None = None,
    ) -> None:
        self._architecture = architecture
        self._facts = {**FACTS, **facts}
        self._limits = limits
        self._sandbox = Sandbox(
            preload=_PRELOAD,
            array_module="numpy",
            setup=_SETUP,
            cpu=cpu,
            environment=_ENVIRONMENT,
            programs=_assemblers(),
        )

    @property
    def layers(self) -> Mapping[str, str]:
        """What confines a candidate here; see `sandbox.Sandbox.layers`."""
        return self._sandbox.layers

    def record(
        self, source: str, entry: str, calls: Sequence[Call], *, timeout_seconds: float = TIMEOUT_SECONDS
    ) -> Recording:
        """Record all calls of a candidate and compile its kernels.

        Args:
            source: its module.
            entry: its host function.
            calls: what to call it with; their names differ.
            timeout_seconds: for all of them together.

        Raises:
            RefusedError: it cannot be recorded, or its plans are not acceptable.
            SandboxError: the sandbox broke.
        """
        started = time.perf_counter()
        reply = self.reply(source, entry, calls, timeout_seconds=timeout_seconds)
        seconds = time.perf_counter() - started
        return read_recording(reply, calls, architecture=self._architecture, limits=self._limits, seconds=seconds)

    def reply(
        self, source: str, entry: str, calls: Sequence[Call], *, timeout_seconds: float = TIMEOUT_SECONDS
    ) -> Value:
        """What the guest says it recorded, unchecked; see `record`.

        Raises:
            RefusedError: it says nothing, or that it cannot be recorded.
            SandboxError: the sandbox broke.
        """
        asked: dict[str, Any] = {
            "source": source,
            "entry": entry,
            "calls": [_plain(call) for call in calls],
            "architecture": self._architecture,
            "facts": self._facts,
        }
        with self._sandbox.open(_PROGRAM, "record", LIMITS) as session:
            execution = session.call(asked, timeout_seconds=timeout_seconds)
            log = session.close()
        return _value(execution, log)

    def close(self) -> None:
        """End the sandbox."""
        self._sandbox.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def empty_recording(recorder: Recorder) -> Recording:
    """A recording of one launch of a kernel that does nothing, by the path of every other: what a launch costs."""
    return recorder.record(_EMPTY, "empty", [_EMPTY_CALL])


def _assemblers() -> tuple[str, ...]:
    """The assemblers that Triton brings along."""
    require_kernel_libraries()
    found = importlib.util.find_spec("triton")
    assert found is not None
    assert found.submodule_search_locations
    folder = Path(found.submodule_search_locations[0]) / "backends" / "nvidia" / "bin"
    return tuple(str(folder / name) for name in _ASSEMBLERS if (folder / name).exists())


def _plain(call: Call) -> dict[str, Any]:
    return {
        "name": call.name,
        "tensors": [[name, form.dtype, list(form.shape)] for name, form in call.tensors.items()],
        "scalars": dict(call.scalars),
        "outputs": [[form.dtype, list(form.shape)] for form in call.outputs],
    }


def _value(execution: Execution, log: str) -> Value:
    """What the guest replied.

    Raises:
        RefusedError: nothing, or that the candidate cannot be recorded.
    """
    if execution.ending is not Ending.REPLIED:
        reason = execution.reason or execution.ending.value
        if execution.ending is Ending.SIGNALLED:
            reason += _diagnostic(log)
        raise RefusedError(OUTCOMES[execution.ending], printable(reason, REASON_CHARACTERS))
    value: Any = execution.value
    if isinstance(value, Mapping) and isinstance(value.get("refused"), str):
        outcome = Outcome.WRONG if value.get("wrong") is True else Outcome.CRASHED
        told = value["refused"]
        raise RefusedError(
            outcome, printable(told + (_diagnostic(log) if _PASSES_FAILED in told else ""), REASON_CHARACTERS)
        )
    return execution.value


def _diagnostic(log: str) -> str:
    """What the compiler prints where its passes fail or it aborts: the first error."""
    found = _DIAGNOSTIC.search(log)
    return f": {found['text']}" if found else ""
