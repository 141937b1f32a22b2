"""Where Triton modules are judged: a recording sandbox, and a GPU or the interpreter beside it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import cast

from evaluators.arena import Arena, Entrance, Terms
from evaluators.block import Block
from evaluators.host import describe_host, require_kernel_libraries, uses_gpu
from evaluators.kernels.auditing import Inspection
from evaluators.kernels.forms import Call
from evaluators.kernels.gpu.client import Gpu, Measurement, Request
from evaluators.kernels.guest import KernelGuest, Prepared, ReplayedGuest, prepare, resources
from evaluators.kernels.interpreting import MOST_ROWS, Interpreter, check_on_cpu
from evaluators.kernels.plan import Recording
from evaluators.kernels.problem import NOMINAL_GAP, KernelProblem
from evaluators.kernels.recording import Recorder, empty_recording
from evaluators.kernels.task import KernelWorkload
from evaluators.model import EvaluatorError, Split
from evaluators.problem import Measured, Workload, seed_named
from evaluators.seeding import timing_seed
from evaluators.timing import Plan

DEFAULT_ARCHITECTURE = 90
"""What kernels are compiled for where there is no GPU to ask: Hopper."""

TIMEOUT_SECONDS = 60.0
"""How long a candidate may keep the GPU with one shape."""

KEPT_RECORDINGS = 64
"""How many of the baseline's recordings are kept, one for each set of calls."""

KERNEL_PLAN = Plan(fewest_rounds=8, most_rounds=32, most_seconds=0.25, half_width=0.012)
"""How long a kernel is timed in each seating; see `evaluators.timing.pooled`."""

BLIND_TO = f"speed, races, calls of more than {MOST_ROWS} rows, and arithmetic in bf16 (the interpreter was fed fp32)"


def kernel_arena(terms: Terms, device: str) -> Arena:
    """The arena for the device that was asked for.

    Raises:
        EvaluatorError: there is no such device here, or the libraries are not.
    """
    require_kernel_libraries()
    return GpuArena(terms) if uses_gpu(device) else CpuArena(terms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A GPU as recorders need to know it, here or in another process.

    Args:
        architecture: compute capability times ten.
        facts: what host functions may ask about the device.
    """

    architecture: int
    facts: Mapping[str, int | str]

    def recorder(self, cpu: int | None) -> Recorder:
        """A recorder for it."""
        return Recorder(self.architecture, facts=self.facts, cpu=cpu)


class GpuArena:
    """Records in a sandbox, replays on one GPU.

    Args:
        terms: what every arena is built from.
        gpu: the GPU; None for the first that this process sees.
        patience_seconds: wall time for one shape on the GPU, all checks and timing included.
    """

    def __init__(self, terms: Terms, gpu: Gpu | None = None, *, patience_seconds: float = TIMEOUT_SECONDS) -> None:
        self._terms = terms
        self._problem = cast(KernelProblem, terms.problem)
        self._patience_seconds = patience_seconds
        self._baseline_source = seed_named(self._problem, self._problem.declaration.baseline).source
        self._baselines: OrderedDict[str, Recording] = OrderedDict()
        with ExitStack() as opening:
            self._gpu = gpu or Gpu(self._problem.origin, "generated")
            opening.callback(self._gpu.close)
            facts = self._gpu.facts
            target = Target(
                architecture=facts.architecture, facts={"multi_processor_count": facts.sms, "name": facts.name}
            )
            self.target: object = target
            self._recorder = target.recorder(terms.cpu)
            opening.callback(self._recorder.close)
            self._empty = empty_recording(self._recorder)
            self._open = opening.pop_all()
        self.host = describe_host(self._recorder.layers) | {
            "gpu": facts.name,
            "gpu driver": facts.driver or "unknown",
            "cuda of the driver": facts.cuda,
            "torch": facts.torch,
            "triton": facts.triton,
        }

    @property
    def layers(self) -> Mapping[str, str]:
        """See `Arena`."""
        return self._recorder.layers

    @property
    def blind_to(self) -> str:
        """See `Arena`."""
        return ""

    def prepare(self, source: str, workloads: Sequence[Workload]) -> object:
        """See `Arena`: a recording of all calls of the block."""
        return prepare(cast(Sequence[KernelWorkload], workloads), lambda calls: self._record(source, calls))

    @contextmanager
    def guest(self, source: str, entrance: Entrance) -> Iterator[ReplayedGuest]:
        """See `Arena`."""
        terms = self._terms

        def record(workload: KernelWorkload) -> Recording:
            if isinstance(entrance.prepared, Prepared):
                return entrance.prepared.recording()
            if source == self._baseline_source:
                return self._baseline(workload)
            raise EvaluatorError("a Triton module that is not the baseline must be prepared, by Arena.prepare")

        def replay(workload: KernelWorkload, recording: Recording) -> Measurement:
            seed = timing_seed(terms.secret, workload.name, source)
            request = self._request(workload, recording, seed, entrance.hopeless_below)
            return self._gpu.measure(request, self._patience_seconds)

        yield ReplayedGuest(record, replay, terms.off)

    def audit(self, source: str, block: Block, prepared: object) -> Mapping[str, str]:
        """See `Arena` and `Inspection`; the problem's own seeds are trusted."""
        if any(source == seed.source for seed in self._problem.seeds) or not isinstance(prepared, Prepared):
            return {}
        recording = prepared.recording()
        requests = []
        for workload in cast(Sequence[KernelWorkload], block.workloads):
            seed = timing_seed(self._terms.secret, f"audit of {workload.name}", source)
            requests.append(self._request(workload, recording, seed, None))
        return Inspection(self._gpu, requests, self._patience_seconds).told(thorough=block.split is Split.HIDDEN)

    def close(self) -> None:
        """See `Arena`."""
        self._open.close()

    def _request(
        self, workload: KernelWorkload, recording: Recording, seed: bytes, hopeless_below: float | None
    ) -> Request:
        return Request(
            workload=workload,
            candidate=recording,
            baseline=self._baseline(workload),
            empty=self._empty,
            seed=seed,
            plan=replace(self._terms.plan or KERNEL_PLAN, hopeless_below=hopeless_below),
            off=self._terms.off,
        )

    def _record(self, source: str, calls: Sequence[Call]) -> Recording:
        return self._recorder.record(source, self._problem.declaration.entry, calls)

    def _baseline(self, workload: KernelWorkload) -> Recording:
        key = repr(workload.calls)
        if key not in self._baselines:
            self._baselines[key] = self._record(self._baseline_source, workload.calls)
            if len(self._baselines) > KEPT_RECORDINGS:
                self._baselines.popitem(last=False)
        self._baselines.move_to_end(key)
        return self._baselines[key]


class CpuArena:
    """Records for a GPU that is not there, and tries modules in Triton's interpreter: right or wrong, never how fast.

    Args:
        terms: what every arena is built from.
    """

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._problem = cast(KernelProblem, terms.problem)
        self.target: object = None
        with ExitStack() as opening:
            self._recorder = Recorder(DEFAULT_ARCHITECTURE, facts={}, cpu=terms.cpu)
            opening.callback(self._recorder.close)
            self._interpreter = Interpreter(cpu=terms.cpu)
            opening.callback(self._interpreter.close)
            self._open = opening.pop_all()
        self.host = describe_host(self._recorder.layers) | {
            "device": "cpu",
            "compiled for": f"sm_{DEFAULT_ARCHITECTURE}",
        }

    @property
    def layers(self) -> Mapping[str, str]:
        """See `Arena`."""
        return self._recorder.layers

    @property
    def blind_to(self) -> str:
        """See `Arena`."""
        return BLIND_TO

    def prepare(self, source: str, workloads: Sequence[Workload]) -> object:
        """See `Arena`: a recording of all calls of the block, as on a GPU, so that its limits count alike."""
        return prepare(cast(Sequence[KernelWorkload], workloads), lambda calls: self._record(source, calls))

    @contextmanager
    def guest(self, source: str, entrance: Entrance) -> Iterator[InterpretedGuest]:
        """See `Arena`."""

        def measure(workload: KernelWorkload) -> Measured:
            if isinstance(entrance.prepared, Prepared):
                return self._measure(source, workload, entrance.prepared.recording())
            return self._measure(source, workload, self._record(source, workload.calls))

        yield InterpretedGuest(measure, self._terms.off)

    def audit(self, source: str, block: Block, prepared: object) -> Mapping[str, str]:
        """See `Arena`; the interpreter has told all that it can."""
        del source, block, prepared
        return {}

    def close(self) -> None:
        """See `Arena`."""
        self._open.close()

    def _record(self, source: str, calls: Sequence[Call]) -> Recording:
        return self._recorder.record(source, self._problem.declaration.entry, calls)

    def _measure(self, source: str, workload: KernelWorkload, recording: Recording) -> Measured:
        entry = self._problem.declaration.entry
        check_on_cpu(self._problem.task, workload, self._interpreter, source, entry, self._terms.off)
        return Measured(series=(0.0,), metrics=resources(recording, workload), stderr=0.0, ceiling=NOMINAL_GAP)


class InterpretedGuest(KernelGuest):
    """A module that is compiled, and tried in the interpreter.

    Args:
        judge: gives what there is to say of it on a workload.
        off: names of checks that an audit has switched off.
    """

    is_clocked = False

    def __init__(self, judge: Callable[[KernelWorkload], Measured], off: frozenset[str]) -> None:
        super().__init__(off)
        self._judge = judge

    def measure(self, workload: KernelWorkload) -> Measured:
        """See `KernelGuest`; the objective is 0 for whatever is right."""
        return self._judge(workload)
