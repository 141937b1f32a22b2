"""Whose fault a CUDA error is: errors surface late, so that each program's work is waited for before another's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from evaluators.kernels.gpu.cuda import OUT_OF_MEMORY, CudaError, Driver
from evaluators.model import EvaluatorError, Outcome

FATAL_REASONS = {
    "CUDA_ERROR_ILLEGAL_ADDRESS": "a kernel reads or writes an address that is not its own",
    "CUDA_ERROR_MISALIGNED_ADDRESS": "a kernel reads or writes at an address that is not aligned to the type",
    "CUDA_ERROR_LAUNCH_FAILED": "a kernel failed while it ran",
    "CUDA_ERROR_ASSERT": "a device-side assertion failed",
    "CUDA_ERROR_ILLEGAL_INSTRUCTION": "a kernel met an illegal instruction",
    "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES": "a kernel needs more registers or threads than the device has",
    "CUDA_ERROR_LAUNCH_TIMEOUT": "a kernel ran too long for the device",
    "CUDA_ERROR_INVALID_CLUSTER_SIZE": "the device takes no clusters of that size",
    "CUDA_ERROR_INVALID_VALUE": "a launch is impossible: grid, block or shared memory beyond what the device takes",
}

_OUTCOMES = {OUT_OF_MEMORY: Outcome.OUT_OF_MEMORY, "CUDA_ERROR_LAUNCH_TIMEOUT": Outcome.TIMEOUT}


class CandidateError(Exception):
    """The candidate's launches failed.

    Args:
        outcome: what it is recorded as.
        reason: why, in one line.
        fatal: whether the context is lost.
    """

    def __init__(self, outcome: Outcome, reason: str, *, fatal: bool) -> None:
        super().__init__(reason)
        self.outcome = outcome
        self.reason = reason
        self.fatal = fatal


@contextmanager
def candidates(driver: Driver, where: str) -> Iterator[None]:
    """What fails within is the candidate's doing; all work is waited for at the end.

    Args:
        driver: the CUDA driver.
        where: name of the call, for the reason.

    Raises:
        CandidateError: it failed.
    """
    try:
        yield
        driver.synchronize()
    except torch.OutOfMemoryError as error:
        reason = f"{where}: its buffers do not fit into the device's memory"
        raise CandidateError(Outcome.OUT_OF_MEMORY, reason, fatal=False) from error
    except (CudaError, RuntimeError) as error:
        if isinstance(error, EvaluatorError):
            raise
        name = error_name(driver, error)
        reason = f"{where}: {FATAL_REASONS.get(name, 'the device gave an error')} ({name})"
        raise CandidateError(_OUTCOMES.get(name, Outcome.CRASHED), reason, fatal=True) from error


def error_name(driver: Driver, error: BaseException) -> str:
    """The driver's name of an error, which a lost context repeats to whoever asks."""
    if isinstance(error, CudaError):
        return error.name
    try:
        driver.synchronize()
    except CudaError as repeated:
        return repeated.name
    return (str(error).splitlines() or [type(error).__name__])[0]
