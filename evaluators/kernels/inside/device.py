"""The device that a host function believes to be on: torch's questions about it, and a driver for Triton."""
# ruff: noqa: ARG001, ARG002, ARG005 - what torch and Triton pass, whether it matters here or not

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.backends.driver import DriverBase
from triton.compiler import compiler
from triton.runtime import autotuner
from triton.runtime.jit import JITFunction

from evaluators.kernels.inside.launches import Launcher, Launches
from evaluators.kernels.inside.refusals import RefusalError
from evaluators.kernels.inside.tensors import DEVICE, copying
from evaluators.kernels.screen_names import RESERVED

WARP_THREADS = 32
MOST_THREADS = 1024
TAKE_DATA = ("tensor", "as_tensor", "asarray")
RUN = JITFunction.run
Facts = Mapping[str, int | str]


@dataclass(frozen=True, slots=True)
class Stream:
    """The only stream."""

    cuda_stream: int = 0
    device: Any = DEVICE

    def synchronize(self) -> None:
        """Nothing runs."""


class Driver(DriverBase):  # type: ignore[misc]
    """Triton's way to a device; what it is asked to launch is noted.

    Args:
        architecture: compute capability times ten.
        facts: of the device, by torch's names.
        launches: takes what is launched.
    """

    def __init__(self, architecture: int, facts: Facts, launches: Launches) -> None:
        self._architecture = architecture
        self._launches = launches
        self.utils = SimpleNamespace(
            load_binary=self._load,
            unload_module=lambda module: None,
            get_device_properties=lambda device=0: {
                "max_shared_mem": facts["shared_memory_per_block_optin"],
                "max_num_regs": facts["regs_per_multiprocessor"],
                "multiprocessor_count": facts["multi_processor_count"],
                "warpSize": facts["warp_size"],
                "sm_clock_rate": facts["clock_rate"],
                "mem_clock_rate": facts["memory_clock_rate"],
                "mem_bus_width": facts["memory_bus_width"],
            },
            set_printf_fifo_size=lambda size: None,
        )

    @classmethod
    def is_active(cls) -> bool:
        """It is."""
        return True

    def launcher_cls(self, source: Any, metadata: Any) -> Launcher:
        """See Triton's drivers."""
        return Launcher(source, metadata, self._launches)

    def map_python_to_cpp_type(self, ty: str) -> str:
        """No launcher is compiled here."""
        return ty

    def get_current_target(self) -> GPUTarget:
        """What to compile for."""
        return GPUTarget("cuda", self._architecture, WARP_THREADS)

    def get_current_device(self) -> int:
        """The only one."""
        return 0

    def set_current_device(self, device: int) -> None:
        """There is only one."""

    def get_current_stream(self, device: int = 0) -> int:
        """The only one."""
        return 0

    def get_device_capability(self, device: int = 0) -> tuple[int, int]:
        """Major and minor number."""
        return divmod(self._architecture, 10)

    def get_active_torch_device(self) -> torch.device:
        """The only one."""
        return torch.device(DEVICE)

    def get_device_interface(self) -> Any:
        """Torch's module for it."""
        return torch.cuda

    def get_benchmarker(self) -> Callable[..., Any]:
        """Refuse to time."""
        return _refuse_to_time

    def get_empty_cache_for_benchmark(self) -> Any:
        """Refuse to time."""
        _refuse_to_time()

    def clear_cache(self, cache: Any) -> None:
        """Refuse to time."""
        _refuse_to_time()

    def _load(self, name: str, cubin: bytes, shared: int, device: int) -> tuple[Any, ...]:
        loaded = self._launches.load(name, cubin)
        return loaded, loaded, loaded.registers, 0, MOST_THREADS


def _run(kernel: Any, *arguments: Any, grid: Any, warmup: bool, **keywords: Any) -> Any:
    """Launch, unless a keyword is the compiler's own business: the screen does not see those that are computed."""
    wrong = keywords.keys() & RESERVED
    if wrong:
        reason = (
            f"launches with {min(wrong)!r}, which is the compiler's own business and cannot be replayed; leave it out"
        )
        raise RefusalError(reason)
    return RUN(kernel, *arguments, grid=grid, warmup=warmup, **keywords)


def _refuse_to_time(*arguments: object, **keywords: object) -> Any:
    raise RefusalError("use `# tune:` marks instead of several configurations; timing inside a candidate is impossible")


def _on_host(make: Callable[..., Any], name: str) -> Callable[..., Any]:
    """One of torch's functions that take data from the host, for tensors on the host alone."""

    def made(*arguments: Any, device: Any = None, **keywords: Any) -> Any:
        if device is not None and torch.device(device).type == "cuda":
            raise copying(name)
        return make(*arguments, device=device, **keywords)

    return made


@contextlib.contextmanager
def _nothing(*arguments: object, **keywords: object) -> Any:
    yield


def pretend(architecture: int, facts: Facts, launches: Launches) -> None:
    """Make torch and Triton of this process speak of a device with these facts.

    Args:
        architecture: compute capability times ten.
        facts: attributes of `torch.cuda.get_device_properties`, all of them.
        launches: takes what is launched.
    """
    triton.runtime.driver.set_active(Driver(architecture, facts, launches))
    compiler.max_shared_mem.cache_clear()
    autotuner.Autotuner._bench = _refuse_to_time
    JITFunction.run = _run
    major, minor = divmod(architecture, 10)
    properties = SimpleNamespace(major=major, minor=minor, **facts)
    answers: dict[str, Any] = {
        "is_available": lambda: True,
        "is_initialized": lambda: True,
        "is_bf16_supported": lambda including_emulation=True: True,
        "_lazy_init": lambda: None,
        "init": lambda: None,
        "device_count": lambda: 1,
        "current_device": lambda: 0,
        "set_device": lambda device: None,
        "get_device_properties": lambda device=None: properties,
        "get_device_name": lambda device=None: str(facts["name"]),
        "get_device_capability": lambda device=None: (major, minor),
        "current_stream": lambda device=None: Stream(),
        "default_stream": lambda device=None: Stream(),
        "synchronize": lambda device=None: None,
        "device": _nothing,
        "device_of": _nothing,
        "stream": _nothing,
    }
    for name, answer in answers.items():
        setattr(torch.cuda, name, answer)
    for name in TAKE_DATA:
        setattr(torch, name, _on_host(getattr(torch, name), name))
