from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

torch: Any = pytest.importorskip("torch")

if TYPE_CHECKING:
    from evaluators.kernels.kernelbench.task import KernelBenchTask
    from sandbox import Sandbox

FILES = Path(__file__).parent / "files"


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Threads that wait for each other take seconds where processors are busy."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def files() -> Path:
    """Files in the form of KernelBench's level 1, of our own; two with a seed beside."""
    return FILES


@pytest.fixture(scope="session")
def reading() -> Iterator[Sandbox]:
    """One sandbox for all files: starting torch in one takes seconds."""
    from evaluators.kernels.kernelbench.loading import open_sandbox

    with open_sandbox() as instance:
        yield instance


@pytest.fixture(scope="session")
def task_of(reading: Sandbox) -> Callable[[str], KernelBenchTask]:
    """The task of one of `files`, read once."""
    from evaluators.kernels.kernelbench.task import KernelBenchTask

    @cache
    def read(name: str) -> KernelBenchTask:
        return KernelBenchTask((FILES / f"{name}.py").read_text(), reading)

    return read
