"""Replays a recording: loads its cubins, gives its plans buffers, captures its launches into CUDA graphs."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from contextlib import suppress
from dataclasses import dataclass

from torch import Tensor

from evaluators.kernels.gpu.cuda import (
    FUNCTION_LOCAL,
    FUNCTION_REGISTERS,
    FUNCTION_SHARED,
    CudaError,
    Driver,
)
from evaluators.kernels.gpu.memory import ALIGN, Arguments, Room, Slab
from evaluators.kernels.gpu.parameters import Parameters, parameter_bytes
from evaluators.kernels.plan import Fill, Kernel, Launch, LaunchPlan, Output, Pointer, Recording
from evaluators.model import Outcome
from evaluators.problem import RefusedError

FREE_SHARED_BYTES = 48 << 10
"""Dynamic shared memory that a kernel has without asking."""

PORTABLE_CLUSTER = 8
"""Blocks of a cluster that every device with clusters takes."""

THREADS_PER_WARP = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A kernel on the device.

    Args:
        kernel: as recorded.
        function: the driver's handle.
        registers: of a thread.
        local_bytes: of a thread.
        shared_bytes: of a block, static and dynamic.
    """

    kernel: Kernel
    function: int
    registers: int
    local_bytes: int
    shared_bytes: int


class Kernels:
    """The kernels of a recording, loaded until `close`.

    Args:
        driver: the CUDA driver.
        recording: whose.
        shared_limit: most shared memory of a block in bytes.

    Raises:
        RefusedError: a kernel asks for more shared memory than there is.
        CudaError: a cubin cannot be loaded.
    """

    def __init__(self, driver: Driver, recording: Recording, shared_limit: int) -> None:
        self._driver = driver
        self._modules: list[int] = []
        try:
            for cubin in recording.cubins:
                self._modules.append(driver.load(cubin))
            self.loaded = tuple(self._load(kernel, shared_limit) for kernel in recording.kernels)
        except BaseException:
            self.close()
            raise

    def _load(self, kernel: Kernel, shared_limit: int) -> Loaded:
        driver = self._driver
        function = driver.function(self._modules[kernel.cubin], kernel.name)
        static = driver.function_attribute(FUNCTION_SHARED, function)
        if static + kernel.shared_bytes > shared_limit:
            raise RefusedError(
                Outcome.REJECTED,
                f"kernel {kernel.name} needs {static + kernel.shared_bytes} bytes of shared memory, a block has at "
                f"most {shared_limit}; use smaller blocks or fewer stages",
            )
        if kernel.shared_bytes > FREE_SHARED_BYTES:
            driver.allow_shared(function, shared_limit - static)
        if kernel.num_ctas > PORTABLE_CLUSTER:
            driver.allow_big_clusters(function)
        return Loaded(
            kernel=kernel,
            function=function,
            registers=driver.function_attribute(FUNCTION_REGISTERS, function),
            local_bytes=driver.function_attribute(FUNCTION_LOCAL, function),
            shared_bytes=static + kernel.shared_bytes,
        )

    def close(self) -> None:
        """Unload all modules; nothing that they launched may still run."""
        for module in self._modules:
            # A lost context refuses, and frees its modules itself.
            with suppress(CudaError):
                self._driver.unload(module)
        self._modules.clear()


class Graph:
    """Captured launches.

    Args:
        driver: the CUDA driver.
        executable: of the graph; 0 where there is nothing to do.
    """

    def __init__(self, driver: Driver, executable: int) -> None:
        self._driver = driver
        self._executable = executable

    def replay(self, stream: int) -> None:
        """Launch it once."""
        if self._executable:
            self._driver.launch_graph(self._executable, stream)

    def close(self) -> None:
        """Free it; it may no longer run."""
        if self._executable:
            with suppress(CudaError):  # See `Kernels.close`.
                self._driver.destroy_executable(self._executable)
            self._executable = 0


def scratch_bytes(kernels: tuple[Kernel, ...], plan: LaunchPlan) -> int:
    """Global scratch that the hungriest launch of a plan needs, in bytes; launches follow each other and share it."""
    needs = [0]
    for launch in plan.launches:
        kernel = kernels[launch.kernel]
        x, y, z = launch.grid
        needs.append(kernel.global_scratch_bytes * kernel.num_ctas * x * y * z)
    return max(needs)


class Program:
    """One plan of a recording with buffers of its own for all that it allocates; arguments come from elsewhere.

    Args:
        driver: the CUDA driver.
        kernels: of the recording, loaded.
        plan: what to replay.
        device: where the buffers lie.
        room: makes their memory.
    """

    def __init__(self, driver: Driver, kernels: Kernels, plan: LaunchPlan, device: str, room: Room = Slab) -> None:
        self._driver = driver
        self._kernels = kernels
        self.plan = plan
        self.device = device
        self._own = [index for index, storage in enumerate(plan.storages) if not storage.argument]
        sizes = [plan.storages[index].bytes for index in self._own]
        scratch = scratch_bytes(tuple(loaded.kernel for loaded in kernels.loaded), plan)
        names = [f"allocated buffer {position + 1} of {len(sizes)}" for position in range(len(sizes))]
        self.slab = room([*sizes, -(-scratch // ALIGN) * ALIGN], [*names, "the scratch of its kernels"], device)
        self._scratch = self.slab.address(len(sizes)) if scratch else 0

    def outputs(self, arguments: Arguments) -> list[Tensor]:
        """Raw bytes of every returned tensor, uint8; copies.

        Args:
            arguments: what it was called with; an output lies there only where an audit lets it.
        """
        return [self._raw(output, arguments).clone() for output in self.plan.outputs]

    def _raw(self, output: Output, arguments: Arguments) -> Tensor:
        place, count = output.place, output.form.bytes
        argument = self.plan.storages[place.buffer].argument
        if argument:
            return arguments.raw(argument, place.offset, count)
        return self.slab.bytes_at(self._own.index(place.buffer), place.offset, count)

    def capture(self, arguments: Mapping[str, int], stream: int, *, without: Container[int] = ()) -> Graph:
        """Capture all steps into a graph.

        Args:
            arguments: device address of every tensor argument by name.
            stream: where to capture; nothing else may use it meanwhile.
            without: positions among the launches of those to leave out.

        Raises:
            CudaError: a launch is impossible.
        """
        locate = self._locator(arguments)
        steps = self._steps(without)
        if not steps:
            return Graph(self._driver, 0)
        self._driver.begin_capture(stream)
        try:
            for step in steps:
                self._issue(step, locate, stream)
        except BaseException:
            # The stream must leave capture mode; what that says of the broken capture adds nothing to the reason.
            with suppress(CudaError):
                self._driver.destroy_graph(self._driver.end_capture(stream))
            raise
        graph = self._driver.end_capture(stream)
        try:
            return Graph(self._driver, self._driver.instantiate(graph, stream))
        finally:
            self._driver.destroy_graph(graph)

    def _steps(self, without: Container[int]) -> list[Launch | Fill]:
        """The steps that do something, but for some launches."""
        steps: list[Launch | Fill] = []
        launches = 0
        for step in self.plan.steps:
            if isinstance(step, Fill):
                if step.count:
                    steps.append(step)
                continue
            if launches not in without and all(step.grid):
                steps.append(step)
            launches += 1
        return steps

    def _locator(self, arguments: Mapping[str, int]) -> Callable[[Pointer], int]:
        position = {storage: own for own, storage in enumerate(self._own)}
        starts = [
            arguments[storage.argument] if storage.argument else self.slab.address(position[index])
            for index, storage in enumerate(self.plan.storages)
        ]
        return lambda pointer: starts[pointer.buffer] + pointer.offset

    def _issue(self, step: Launch | Fill, locate: Callable[[Pointer], int], stream: int) -> None:
        if isinstance(step, Fill):
            self._driver.fill(locate(step.place), step.pattern, step.count, stream=stream)
            return
        loaded = self._kernels.loaded[step.kernel]
        kernel = loaded.kernel
        scratch = self._scratch if kernel.global_scratch_bytes else 0
        parameters = Parameters(parameter_bytes(step.arguments, locate, self._driver.tensor_map, scratch))
        self._driver.launch(
            loaded.function,
            step.grid,
            THREADS_PER_WARP * kernel.num_warps,
            kernel.shared_bytes,
            parameters.addresses,
            stream=stream,
            cluster=kernel.num_ctas,
        )
