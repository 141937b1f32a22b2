"""What a kernel that may become the best is put through beside its evaluation: a new process, fresh contents, no-ops in
place of its launches, and compute-sanitizer where there is one."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain

from evaluators.kernels.gpu.client import Gpu, Request
from evaluators.kernels.gpu.sanitizer import Verdict
from evaluators.kernels.task import Case, KernelWorkload
from evaluators.model import Outcome
from evaluators.problem import RefusedError

NEEDED, SANITIZER = "launches not needed", "compute-sanitizer"
"""What an audit tells."""

LAUNCH_SECONDS = 15.0
"""For a call without one of its launches, which may wait for what that one would have written."""

NEEDED_SECONDS = 60.0
"""After so long no further launch is left out."""

SANITIZER_SECONDS = 90.0
"""For all cases under the tool, which slows down some tenfold, the start of its process included."""

SANITIZED_BYTES = 64 << 20
"""Of arguments and outputs of a call: larger ones are not run under the tool, unless all are."""

DECOY = "decoy"


class Inspection:
    """The audit of one candidate that was judged right and timed.

    A launch that can be left out is told and not held against a candidate: it costs its own time, an honest one may do
    nothing that shows in one call (clear what is clear already), and of two that do the same neither is needed. But
    some launch has to do the work.

    Args:
        gpu: the GPU.
        requests: the candidate on every shape of the block, with seeds that its evaluation has not had.
        patience_seconds: wall time for the checks of one shape.
    """

    def __init__(self, gpu: Gpu, requests: Sequence[Request], patience_seconds: float) -> None:
        self._gpu = gpu
        self._requests = requests
        self._patience_seconds = patience_seconds

    def told(self, *, thorough: bool) -> Mapping[str, str]:
        """What there is to tell of the candidate.

        Args:
            thorough: whether it is checked once more in a new process, and under the sanitizer, which takes half a
                minute; else launches alone are left out.

        Raises:
            RefusedError: it is wrong.
            EvaluatorError: the judge fails.
        """
        if not thorough:
            return {NEEDED: self._not_needed()}
        self._gpu.close()
        for request in self._requests:
            self._gpu.check(request, self._patience_seconds)
        return {NEEDED: self._not_needed(), SANITIZER: self._sanitized()}

    def _not_needed(self) -> str:
        """Which launches can be left out, by shape.

        Raises:
            RefusedError: all of them at once.
        """
        ends = time.monotonic() + NEEDED_SECONDS
        found, tried = [], 0
        for request in self._requests:
            name = request.workload.name
            if self._gpu.is_decoy(request, LAUNCH_SECONDS):
                reason = f"{name}: the outputs are right without any launch; its kernels do none of the work"
                raise RefusedError(Outcome.CHEATED, reason, check=DECOY)
            count = len(request.candidate.plans[request.workload.timed.call.name].launches)
            if count > 1 and time.monotonic() > ends:
                continue
            tried += 1
            # A single one is needed: without it nothing is right.
            needed = self._gpu.needed_launches(request, LAUNCH_SECONDS) if count > 1 else (0,)
            if left := [str(at + 1) for at in range(count) if at not in needed]:
                found.append(f"{name}: {', '.join(left)} of {count}")
        late = "" if tried == len(self._requests) else f" ({tried} of {len(self._requests)} shapes tried)"
        return ("; ".join(found) or "none") + late

    def _sanitized(self) -> str:
        """What compute-sanitizer says.

        Raises:
            RefusedError: the candidate reads or writes what is not its own.
        """
        request = replace(self._requests[0], workload=watched([one.workload for one in self._requests]))
        found = self._gpu.sanitized(request, SANITIZER_SECONDS)
        if found.verdict is Verdict.FAULTY:
            raise RefusedError(Outcome.WRONG, f"{SANITIZER}: {found.told}", check=SANITIZER)
        return f"not done: {found.told}" if found.verdict is Verdict.UNTOLD else "memcheck: no error"


def watched(workloads: Sequence[KernelWorkload]) -> KernelWorkload:
    """All cases of a block that are not too large, each call once, as one workload."""
    cases = {case.call.name: case for case in chain.from_iterable((one.timed, *one.checked) for one in workloads)}
    by_size = sorted(cases.values(), key=_bytes)
    small = [case for case in by_size if _bytes(case) <= SANITIZED_BYTES] or by_size[:1]
    return KernelWorkload(name="audit", timed=small[-1], checked=tuple(small[:-1]))


def _bytes(case: Case) -> int:
    return sum(form.bytes for form in (*case.call.tensors.values(), *case.call.outputs))
