"""What the tests of the GPU judge share: a stand-in for the CUDA driver that notes what it is told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from evaluators.kernels.plan import TensorMap


class StandInDriver:
    """Notes every call; a capture is a list of launches, handles are small numbers."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.fails = ""
        self.attributes = {1: 0, 3: 16, 4: 40}

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any, **options: Any) -> int:
            self.calls.append((name, *arguments, *options.values()))
            if name == self.fails:
                from evaluators.kernels.gpu.cuda import CudaError

                raise CudaError("CUDA_ERROR_INVALID_VALUE", name)
            return len(self.calls)

        return call

    def function_attribute(self, attribute: int, function: int) -> int:
        return self.attributes[attribute]

    def tensor_map(self, tensor: TensorMap, address: int) -> bytes:
        return address.to_bytes(128, "little")

    def named(self, *names: str) -> list[tuple[Any, ...]]:
        return [call for call in self.calls if call[0] in names]


@pytest.fixture
def no_driver() -> StandInDriver:
    return StandInDriver()


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Filling small slabs by many threads takes longer than by one where others work beside."""
    torch = pytest.importorskip("torch")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
